//! `tokenward --help`: shows the commands in groups by purpose.
//!
//! The descriptions come from the commands themselves; this file only defines the groups.

use clap::{Command, CommandFactory, FromArgMatches};

use crate::cli::Arguments;
use crate::engine::config::bundle::Version;

impl Arguments {
    /// Reads the command line. Exits for `--help`, `--version` and invalid arguments.
    #[must_use]
    pub fn read() -> Self {
        let matches = command().get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The command with its help in groups.
fn command() -> Command {
    let command = Arguments::command();
    let groups: String = GROUPS.iter().map(|(title, names)| group(&command, title, names)).collect();
    command.version(version()).help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}{{after-help}}\n"
    ))
}

/// A group: its title, and a line for each command.
fn group(command: &Command, title: &str, names: &[&str]) -> String {
    let line = |name: &&str| {
        let about = command.find_subcommand(name).and_then(Command::get_about);
        format!("  {name:<9}{}\n", about.map(ToString::to_string).unwrap_or_default())
    };
    let lines: String = names.iter().map(line).collect();
    format!("{title}:\n{lines}\n")
}

/// The version, the commit of the build, and the bundle format that this command reads and writes.
///
/// The text lives as long as the process, because the process reads its command line once.
fn version() -> &'static str {
    let commit = option_env!("TOKENWARD_COMMIT").filter(|commit| !commit.is_empty()).unwrap_or("unknown");
    let (version, format) = (env!("CARGO_PKG_VERSION"), u64::from(Version));
    format!("{version} (commit {commit}, bundle format {format})").leak()
}

const GROUPS: [(&str, &[&str]); 5] = [
    ("Write a policy", &["init"]),
    ("Check it", &["lint", "test", "explain"]),
    ("Tokens", &["mint", "rotate", "renew", "revoke", "list", "prune", "hash"]),
    ("Ship it", &["build", "keygen", "sign", "verify", "render"]),
    ("Audit", &["audit"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_in_one_group() {
        let command = command();
        let names = command.get_subcommands().map(Command::get_name).filter(|name| *name != "help");
        let mut names: Vec<&str> = names.collect();
        let mut grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        names.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, names);
    }

    #[test]
    fn each_command_has_two_examples_that_parse() {
        let mut count = 0;
        let mut open: Vec<Command> = command().get_subcommands().cloned().collect();
        while let Some(command) = open.pop() {
            open.extend(command.get_subcommands().cloned());
            let examples = examples(&command);
            assert_eq!(examples.len(), 2, "{}", command.get_name());
            for example in examples {
                let words = words(&example);
                assert!(words.contains(&command.get_name().to_owned()), "{example}");
                super::command()
                    .try_get_matches_from(words)
                    .unwrap_or_else(|error| panic!("{example}: {error}"));
                count += 1;
            }
        }
        assert!(count > 40, "{count}");
    }

    /// The command lines in a command's help.
    fn examples(command: &Command) -> Vec<String> {
        let text = command.get_after_help().unwrap_or_else(|| panic!("{}", command.get_name())).to_string();
        let lines = text.strip_prefix("Examples:\n").unwrap().replace("\\\n", " ");
        lines.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// The words of the `tokenward` part of a pipeline, without shell redirections.
    fn words(example: &str) -> Vec<String> {
        let ours = example.split(" | ").find(|part| part.starts_with("tokenward ")).unwrap();
        let ours = ours.split(" < ").next().unwrap();
        let quoted = ours.split('\'').enumerate();
        let words = quoted.flat_map(|(number, part)| match number % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect()
    }
}
