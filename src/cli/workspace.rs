//! A policy as it lies on disk: a folder with `policy.yaml`, `tokens.yaml` and `*.test.yaml`, or a bundle.

use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::cli::source::Source;
use crate::engine::case::Case;
use crate::engine::document::{Document, PolicyDocument, Registry, Version};
use crate::engine::policy::Policy;
use crate::engine::problem::{Place, Problems, Step};

/// The files of a policy, read.
#[derive(Debug)]
pub struct Workspace {
    policy: Source,
    registry: Option<Source>,
}

impl Workspace {
    /// Reads a policy's folder, or a bundle.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if !path.is_dir() {
            return Ok(Self {
                policy: Source::read(path)?,
                registry: None,
            });
        }
        let policy = existing(path, "policy")
            .ok_or_else(|| Failure::new(format!("{} has no policy.yaml", path.display())))?;
        let registry = existing(path, "tokens")
            .map(|path| Source::read(&path))
            .transpose()?;
        Ok(Self {
            policy: Source::read(&policy)?,
            registry,
        })
    }

    /// The document that the files are.
    ///
    /// # Errors
    /// What is wrong with their shape: one failure for each problem.
    pub fn document(&self) -> Result<Document, Vec<Failure>> {
        if self
            .policy
            .path
            .extension()
            .is_some_and(|extension| extension == "json")
            && self.registry.is_none()
        {
            return self
                .policy
                .parse()
                .map_err(|problems| self.failures_in(&self.policy, &problems));
        }
        let policy: PolicyDocument = self
            .policy
            .parse()
            .map_err(|problems| self.failures_in(&self.policy, &problems))?;
        let registry = match &self.registry {
            Some(source) => source
                .parse()
                .map_err(|problems| self.failures_in(source, &problems))?,
            None => Registry {
                version: Version,
                tokens: Default::default(),
            },
        };
        Ok(Document::of(policy, registry))
    }

    /// The document and its policy.
    ///
    /// # Errors
    /// All that is wrong with them: one failure for each problem.
    pub fn compile(&self) -> Result<(Document, Policy), Vec<Failure>> {
        let document = self.document()?;
        let policy =
            Policy::compile(document.clone()).map_err(|problems| self.failures(&problems))?;
        Ok((document, policy))
    }

    /// A failure for each problem, with file, line and column.
    pub fn failures(&self, problems: &Problems) -> Vec<Failure> {
        problems
            .iter()
            .map(|problem| {
                let failure = Failure::new(problem.fault.to_string());
                let failure = self.locate(failure, &problem.place);
                match problem.fault.hint() {
                    Some(hint) => failure.hint(hint),
                    None => failure,
                }
            })
            .collect()
    }

    /// `failure` at a place of the document.
    pub fn locate(&self, failure: Failure, place: &Place) -> Failure {
        let source = match (place.steps().first(), &self.registry) {
            (Some(Step::Key(key)), Some(registry)) if key == "tokens" => registry,
            _ => &self.policy,
        };
        failure.at(source.path.display(), source.position(place), place)
    }

    fn failures_in(&self, source: &Source, problems: &Problems) -> Vec<Failure> {
        problems
            .iter()
            .map(|problem| {
                let failure = Failure::new(problem.fault.to_string());
                failure.at(
                    source.path.display(),
                    source.position(&problem.place),
                    &problem.place,
                )
            })
            .collect()
    }
}

/// A file of test cases.
#[derive(Debug)]
pub struct CaseFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its cases.
    pub cases: Vec<Case>,
}

/// The test cases of a policy's folder, in the order of the files' names.
///
/// # Errors
/// What cannot be read.
pub fn case_files(folder: &Path) -> Result<Vec<CaseFile>, Vec<Failure>> {
    let cannot = |error: std::io::Error| {
        vec![Failure::new(format!(
            "cannot read {}: {error}",
            folder.display()
        ))]
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if [".test.yaml", ".test.yml", ".test.json"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| case_file(path)).collect()
}

fn case_file(path: &Path) -> Result<CaseFile, Vec<Failure>> {
    let source = Source::read(path).map_err(|failure| vec![failure])?;
    let cases = source.parse().map_err(|problems| {
        let failures = problems.iter().map(|problem| {
            let failure = Failure::new(problem.fault.to_string());
            failure.at(
                source.path.display(),
                source.position(&problem.place),
                &problem.place,
            )
        });
        failures.collect::<Vec<_>>()
    })?;
    Ok(CaseFile {
        path: path.to_owned(),
        cases,
    })
}

fn existing(folder: &Path, stem: &str) -> Option<PathBuf> {
    ["yaml", "yml", "json"]
        .iter()
        .map(|extension| folder.join(format!("{stem}.{extension}")))
        .find(|path| path.is_file())
}
