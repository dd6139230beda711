//! The corpus: every policy folder with its cases, from `tests/decisions` and `policies`.

use std::path::{Path, PathBuf};

use tokenward::cli::workspace::{CaseFile, Workspace, case_files};
use tokenward::engine::authoring::case::{Case, Rehearsal};

/// A policy folder with its cases.
pub(crate) struct Topic {
    /// Its folder, relative to the root of the repository.
    pub(crate) folder: PathBuf,
    /// Its cases.
    pub(crate) cases: Vec<Case>,
    /// Its policy, with known secrets.
    pub(crate) rehearsal: Rehearsal,
}

/// All topics, ordered by folder.
pub(crate) fn topics() -> Vec<Topic> {
    let mut folders = [subfolders("tests/decisions"), subfolders("policies")].concat();
    folders.sort();
    folders.into_iter().map(topic).collect()
}

fn topic(folder: PathBuf) -> Topic {
    let files: Vec<CaseFile> =
        case_files(&folder).unwrap_or_else(|failures| panic!("{}: {failures:?}", folder.display()));
    let cases: Vec<Case> = files.into_iter().flat_map(|file| file.cases).collect();
    assert!(!cases.is_empty(), "{} has no cases", folder.display());
    let workspace = Workspace::open(&folder).unwrap();
    let document = workspace.bundle().unwrap_or_else(|failures| panic!("{}: {failures:?}", folder.display()));
    let settings =
        workspace.settings().unwrap_or_else(|failures| panic!("{}: {failures:?}", folder.display()));
    let rehearsal = Rehearsal::of(document, &settings, &cases)
        .unwrap_or_else(|problems| panic!("{}: {problems}", folder.display()));
    Topic { folder, cases, rehearsal }
}

fn subfolders(parent: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(parent)).unwrap();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}
