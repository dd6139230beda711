//! Every policy file in this repository, good or bad: its schema and its parser agree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tokenward::cli::source::Source;
use tokenward::cli::workspace::Workspace;
use tokenward::engine::authoring::case::Case;
use tokenward::engine::config::bundle::{Bundle, PolicyDocument, Registry};
use tokenward::engine::matching::pattern::Operation;
use tokenward::engine::words::entries::Entries;

use crate::bad_documents;
use crate::schemas::{schema, validator};

#[test]
fn schema_and_reader_agree_on_files() {
    let mut checked = BTreeMap::new();
    let mut differing = Vec::new();
    let bad = tempfile::tempdir().unwrap();
    bad_documents::all().for_each(|document| drop(document.write(bad.path())));
    for path in FOLDERS.into_iter().flat_map(files).chain(files(bad.path())) {
        let Some(file) = File::at(&path) else { continue };
        let validator = validator(&schema(file.schema()));
        // Editors mark invalid YAML without a schema.
        let Ok(value) = Source::read(&path).unwrap().parse::<Value>() else { continue };
        let value = if file == File::Bundle { json!({ "bundle": value }) } else { value };
        let readable = file.is_readable(&path);
        *checked.entry((file.schema(), readable)).or_insert(0) += 1;
        if readable && let Err(error) = validator.validate(&value) {
            panic!("{} is refused: {error} ({})", path.display(), error.instance_path());
        }
        if !readable && validator.is_valid(&value) {
            differing.push(path.strip_prefix(bad.path()).unwrap_or(&path).display().to_string());
        }
    }
    differing.sort();
    assert_eq!(differing, BEYOND_A_SCHEMA);
    assert!(checked[&("policy", false)] > 20 && checked[&("tokens", false)] > 10, "{checked:?}");
    assert!(checked[&("policy", true)] > 20 && checked[&("test", true)] > 10, "{checked:?}");
}

#[test]
fn files_from_init_match_their_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let shop = folder.path().join("shop");
    let init = Command::new(env!("CARGO_BIN_EXE_tokenward")).arg("init").arg(&shop).output().unwrap();
    assert!(init.status.success(), "{}", String::from_utf8_lossy(&init.stderr));
    let written = files(&shop);
    assert!(written.len() > 2, "{written:?}");
    for path in written {
        let file = File::at(&path).unwrap_or_else(|| panic!("{} has no schema", path.display()));
        let value = Source::read(&path).unwrap().parse::<Value>().unwrap();
        if let Err(error) = validator(&schema(file.schema())).validate(&value) {
            panic!("{} is refused: {error} ({})", path.display(), error.instance_path());
        }
    }
}

#[test]
fn examples_name_their_schema_for_editors() {
    for path in files("policies") {
        if path.extension().is_none_or(|end| end != "yaml" && end != "yml") {
            continue;
        }
        let file = File::at(&path).unwrap_or_else(|| panic!("{} has no schema", path.display()));
        let text = fs::read_to_string(&path).unwrap();
        let named =
            text.lines().next().and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let named = named.map(|named| path.parent().unwrap().join(named).canonicalize().unwrap());
        let schema = format!("schemas/{}.json", file.schema());
        assert_eq!(named, Some(Path::new(&schema).canonicalize().unwrap()), "{}", path.display());
    }
}

/// The kind of a file in a policy's folder.
#[derive(Clone, Copy, Eq, PartialEq)]
enum File {
    Policy,
    Tokens,
    Test,
    Gateway,
    Bundle,
}

impl File {
    fn at(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        match name.rsplit_once('.')? {
            ("policy", "json") if !path.with_file_name("tokens.yaml").exists() => Some(Self::Bundle),
            ("policy", "yaml" | "yml" | "json") => Some(Self::Policy),
            ("tokens", "yaml" | "yml" | "json") => Some(Self::Tokens),
            ("gateway", "yaml" | "yml" | "json") => Some(Self::Gateway),
            (stem, "yaml" | "yml" | "json") if stem.ends_with(".test") => Some(Self::Test),
            _ => None,
        }
    }

    fn schema(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Tokens => "tokens",
            Self::Test => "test",
            Self::Gateway => "gateway",
            Self::Bundle => "configuration",
        }
    }

    /// Whether each value of the file is valid. A schema cannot check whether values fit together.
    fn is_readable(self, path: &Path) -> bool {
        let source = Source::read(path).unwrap();
        match self {
            Self::Policy => source.parse().is_ok_and(|PolicyDocument { public, permissions, .. }| {
                all_operations(&public, &permissions)
            }),
            Self::Bundle => source
                .parse()
                .is_ok_and(|Bundle { public, permissions, .. }| all_operations(&public, &permissions)),
            Self::Tokens => source.parse::<Registry>().is_ok(),
            Self::Test => source.parse::<Vec<Case>>().is_ok(),
            Self::Gateway => Workspace::open(path.parent().unwrap()).unwrap().settings().is_ok(),
        }
    }
}

fn all_operations<K>(public: &[String], permissions: &Entries<K, Vec<String>>) -> bool {
    let mut all = public.iter().chain(permissions.iter().flat_map(|(_, operations)| operations));
    all.all(|operation| Operation::parse(operation).is_ok())
}

/// The files below a folder, sorted by name.
fn files(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Folders with policies; those in `tests/documents` are bad.
const FOLDERS: [&str; 3] = ["policies", "tests/decisions", "tests/cli"];
/// Files that the parser rejects and no schema can: the regular expression would be too long.
const BEYOND_A_SCHEMA: [&str; 9] = [
    "attribute-whose-value-has-a-look-alike/tokens.yaml",
    "attribute-whose-value-has-an-invisible-character/tokens.yaml",
    "attribute-whose-value-is-decomposed/tokens.yaml",
    "hours-of-no-length/tokens.yaml",
    "operation-that-is-decomposed-beside-a-variable/policy.yaml",
    "operation-that-is-decomposed/policy.yaml",
    "operation-with-a-look-alike/policy.yaml",
    "operation-with-an-escape-outside-UTF-8/policy.yaml",
    "source-with-bits-beyond-its-prefix/tokens.yaml",
];
