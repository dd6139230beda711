//! `tokenward init`: writes a small starter policy, which passes its own tests.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::dry_run::{DryRun, Writing};
use crate::cli::failure::Failure;
use crate::cli::files::{self, Readers};
use crate::cli::folder::quoted;
use crate::cli::registry::yaml::inline;
use crate::cli::{Exit, Format, output};
use crate::engine::config::bundle::TokenPrefix;
use crate::engine::words::name::PolicyName;

/// Write a small starter policy, which passes its own tests
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward init shop
  tokenward init policies/edge --name acme-edge")]
pub(super) struct Init {
    /// Folder for policy.yaml, tokens.yaml, policy.test.yaml and gateway.yaml; existing files are never overwritten
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// Name of the policy; by default the name of the folder
    #[arg(long, value_name = "POLICY")]
    name: Option<PolicyName>,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Init {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let (folder, writing) = (&self.folder, self.dry_run.writing());
        let name = self.name.clone().map_or_else(|| name_of(folder), Ok)?;
        if folder.exists() && !folder.is_dir() {
            return Err(Failure::new(format!("{} is not a folder", folder.display())).into());
        }
        if let Some(old) = old_file(folder) {
            return Err(Failure::new(format!("{} exists already", old.display()))
                .hint("nothing was written; name another folder")
                .into());
        }
        if writing == Writing::Real {
            files::make_folder(folder)?;
            for (file, text, readers) in FILES {
                files::create(&folder.join(file), &filled(text, &name), readers)?;
            }
        }
        let shown = folder.display();
        output::done(&writing.describe(&format!("wrote {} to {shown}", list_of_files())));
        let enter =
            if folder == Path::new(".") { String::new() } else { format!("`cd {}`, ", quoted(folder)) };
        output::done(&format!(
            "next: {enter}`tokenward lint` and `tokenward test`; make the policy yours; then mint a secret: \
             `tokenward mint dashboard`"
        ));
        if format == Format::Json {
            let files: Vec<PathBuf> = FILES.iter().map(|(file, ..)| folder.join(file)).collect();
            output::json(&writing.report(&json!({ "name": name, "files": files })));
        }
        Ok(Exit::Yes)
    }
}

/// The name of the folder as a policy name.
fn name_of(folder: &Path) -> Result<PolicyName, Failure> {
    let full = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let last = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
    PolicyName::try_from(last)
        .map_err(|error| Failure::new(error.to_string()).hint("give it one with `--name`"))
}

/// A file in the folder from which a policy could be made.
fn old_file(folder: &Path) -> Option<PathBuf> {
    let others = ["policy.yml", "policy.json", "tokens.yml", "tokens.json", "gateway.yml", "gateway.json"];
    let names = FILES.iter().map(|(file, ..)| *file).chain(others);
    names.map(|file| folder.join(file)).find(|path| path.symlink_metadata().is_ok())
}

fn list_of_files() -> String {
    FILES.map(|(file, ..)| file).join(", ")
}

fn filled(text: &str, name: &PolicyName) -> String {
    let value = |text: &str| inline(&Value::from(text));
    let text = text.replace("name: ${name}", &format!("name: {}", value(name.as_str())));
    text.replace("${name}", name.as_str()).replace("${prefix}", &value(&prefix(name)))
}

/// The first word of the policy's name, if it is a valid secret prefix.
fn prefix(name: &PolicyName) -> String {
    let name = name.as_str().to_ascii_lowercase();
    let word = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    TokenPrefix::try_from(word.to_owned()).map_or_else(|_| "tw".to_owned(), String::from)
}

const FILES: [(&str, &str, Readers); 4] = [
    ("policy.yaml", include_str!("init/policy.yaml"), Readers::Everybody),
    ("tokens.yaml", include_str!("init/tokens.yaml"), Readers::Owner),
    ("policy.test.yaml", include_str!("init/policy.test.yaml"), Readers::Everybody),
    ("gateway.yaml", include_str!("init/gateway.yaml"), Readers::Everybody),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::source::parse_yaml;
    use crate::engine::config::settings::Settings;

    const GATEWAY: &str = include_str!("init/gateway.yaml");

    fn settings(text: &str) -> Value {
        serde_json::to_value(parse_yaml::<Settings>(text).unwrap()).unwrap()
    }

    #[test]
    fn written_settings_are_the_defaults() {
        assert_eq!(settings(GATEWAY), serde_json::to_value(Settings::default()).unwrap());
    }

    #[test]
    fn each_omitted_setting_is_valid_as_shown() {
        let lines: Vec<&str> = GATEWAY.lines().filter_map(|line| line.strip_prefix("#")).collect();
        let shown = lines.iter().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        let shown: String = shown.map(|line| format!("{line}\n")).collect();
        assert_eq!(settings(&shown)["environment"], "production");
    }
}
