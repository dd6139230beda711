//! A policy on disk: a folder with `policy.yaml`, `tokens.yaml`, `gateway.yaml` and `*.test.yaml`, or a bundle.

use std::path::{Path, PathBuf};

use crate::cli::failure::Failure;
use crate::cli::nearest::did_you_mean;
use crate::cli::payload::Kind;
use crate::cli::position::Position;
use crate::cli::source::Source;
use crate::engine::authoring::case::Case;
use crate::engine::config::bundle::{Bundle, PolicyDocument, Registry, Version};
use crate::engine::config::problem::{Fault, Place, Problems, Step};
use crate::engine::config::settings::Settings;
use crate::engine::policy::compiled::Policy;
use crate::engine::words::entries::Entries;

/// The files of a policy, read into memory.
#[derive(Debug)]
pub struct Workspace {
    folder: PathBuf,
    policy: Source,
    registry: Option<Source>,
    gateway: Option<Source>,
    /// Whether it is a signed bundle.
    signed: bool,
}

impl Workspace {
    /// Reads a policy's folder, or a bundle.
    ///
    /// # Errors
    /// Everything that cannot be read.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        if path.is_file() { Self::open_bundle(path) } else { Self::open_folder(path) }
    }

    /// Reads a policy's folder.
    ///
    /// # Errors
    /// Everything that cannot be read; also fails if the path is a file.
    pub(crate) fn open_folder(path: &Path) -> Result<Self, Failure> {
        let policy = existing(folder(path)?, "policy")
            .ok_or_else(|| Failure::new(format!("{} has no policy.yaml", path.display())))?;
        let policy = Source::read(&policy)?;
        let (registry, gateway) = (registry(path)?, gateway(path)?);
        Ok(Self { folder: path.to_owned(), policy, registry, gateway, signed: false })
    }

    /// Reads a bundle, signed or not.
    ///
    /// # Errors
    /// Fails if it cannot be read, or if its name does not end in `.json`.
    pub(crate) fn open_bundle(path: &Path) -> Result<Self, Failure> {
        let policy = Source::read(path)?;
        if !policy.is_json() {
            return Err(Failure::new(format!(
                "{} is not a bundle: its name does not end in .json",
                path.display()
            ))
            .hint("name the file that `tokenward build` or `tokenward sign` wrote"));
        }
        let signed = matches!(Kind::of(policy.text()), Kind::Signed(_));
        let policy = policy.opened();
        Ok(Self { folder: PathBuf::new(), policy, registry: None, gateway: None, signed })
    }

    /// Replaces the settings with those in another file, or with none.
    pub(crate) fn with_settings(self, gateway: Option<Source>) -> Self {
        Self { gateway, ..self }
    }

    /// The file with the gateway's settings, if any.
    pub(crate) fn gateway(&self) -> Option<&Source> {
        self.gateway.as_ref()
    }

    /// The failure for a policy's folder without a registry, if so.
    pub(crate) fn missing_registry(&self) -> Option<Failure> {
        let missing = self.registry.is_none() && !self.folder.as_os_str().is_empty();
        missing.then(|| no_registry(&self.folder))
    }

    /// The policy's folder; empty for a bundle.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it is a signed bundle.
    pub(crate) fn is_signed(&self) -> bool {
        self.signed
    }

    /// The bundle that the files make.
    ///
    /// # Errors
    /// The mistakes in their shape: one failure for each.
    pub fn bundle(&self) -> Result<Bundle, Vec<Failure>> {
        if self.registry.is_none() && self.policy.is_json() {
            return read(&self.policy);
        }
        both(self.policy(), self.registry()).map(|(policy, registry)| Bundle::of(policy, registry))
    }

    /// The policy document.
    ///
    /// # Errors
    /// The mistakes in its shape.
    pub fn policy(&self) -> Result<PolicyDocument, Vec<Failure>> {
        read(&self.policy)
    }

    /// The registry; empty if there is no file.
    ///
    /// # Errors
    /// The mistakes in its shape.
    pub fn registry(&self) -> Result<Registry, Vec<Failure>> {
        match &self.registry {
            Some(source) => read(source),
            None => Ok(Registry { version: Version, tokens: Entries::default() }),
        }
    }

    /// The settings of the gateway; the safe defaults if there is no file.
    ///
    /// # Errors
    /// The mistakes in them.
    pub fn settings(&self) -> Result<Settings, Vec<Failure>> {
        self.gateway.as_ref().map_or_else(|| Ok(Settings::default()), settings)
    }

    /// The bundle and its policy.
    ///
    /// # Errors
    /// All problems: one failure for each.
    pub fn compile(&self) -> Result<(Bundle, Policy), Vec<Failure>> {
        let bundle = self.bundle()?;
        let policy = Policy::compile(bundle.clone());
        Ok((bundle, policy.map_err(|problems| self.failures(&problems))?))
    }

    /// A failure for each problem, with file, line and column, in text order.
    pub fn failures(&self, problems: &Problems) -> Vec<Failure> {
        let places: Vec<&Place> = problems.iter().map(|problem| &problem.place).collect();
        let policy = self.bundle().ok();
        let located = problems.iter().zip(self.locate(&places)).map(|(problem, (source, position))| {
            let order = (source.path != self.policy.path, position);
            let mut failure = source.failure(problem, position);
            let near = policy.as_ref().and_then(|policy| near_name(&problem.fault, policy));
            failure.hint = match (near, failure.hint) {
                (Some(near), Some(hint)) => Some(format!("{near} If not, {hint}")),
                (near, hint) => near.or(hint),
            };
            (order, failure)
        });
        let mut located: Vec<_> = located.collect();
        located.sort_by_key(|(order, _)| *order);
        located.into_iter().map(|(_, failure)| failure).collect()
    }

    /// The file and position of each place. Each text is parsed only once.
    pub(crate) fn locate(&self, places: &[&Place]) -> Vec<(&Source, Option<Position>)> {
        let in_policy = self.policy.positions(places);
        let in_registry = self.registry.as_ref().map(|registry| registry.positions(places));
        let located = places.iter().enumerate().map(|(number, place)| {
            let source = self.source(place);
            let positions =
                if std::ptr::eq(source, &self.policy) { Some(&in_policy) } else { in_registry.as_ref() };
            (source, positions.and_then(|positions| positions.get(number).copied().flatten()))
        });
        located.collect()
    }

    /// The file that contains a place of the document.
    fn source(&self, place: &Place) -> &Source {
        match (place.steps().first(), &self.registry) {
            (Some(Step::Key(key)), Some(registry)) if key == "tokens" => registry,
            _ => &self.policy,
        }
    }
}

/// A file of test cases.
#[derive(Debug)]
pub struct CaseFile {
    /// The file.
    pub source: Source,
    /// The cases in it.
    pub cases: Vec<Case>,
}

/// The test cases of a policy's folder, in the order of file names.
///
/// # Errors
/// Everything that cannot be read.
pub fn case_files(folder: &Path) -> Result<Vec<CaseFile>, Vec<Failure>> {
    let cannot =
        |error: std::io::Error| vec![Failure::new(format!("cannot read {}: {error}", folder.display()))];
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let name = entry.map_err(cannot)?.file_name().to_string_lossy().into_owned();
        // Files of an editor or a file system: `.#a.test.yaml`, `._a.test.yaml`.
        let is_hidden = name.starts_with(['.', '#']);
        if !is_hidden && [".test.yaml", ".test.yml", ".test.json"].iter().any(|end| name.ends_with(end)) {
            paths.push(inside(folder, &name));
        }
    }
    paths.sort();
    each(&paths)
}

/// The test cases in the given files.
///
/// # Errors
/// Everything that cannot be read, in all files.
pub(super) fn each(paths: &[PathBuf]) -> Result<Vec<CaseFile>, Vec<Failure>> {
    let (mut files, mut failures) = (Vec::new(), Vec::new());
    for path in paths {
        match case_file(path) {
            Ok(file) => files.push(file),
            Err(wrong) => failures.extend(wrong),
        }
    }
    if failures.is_empty() { Ok(files) } else { Err(failures) }
}

fn case_file(path: &Path) -> Result<CaseFile, Vec<Failure>> {
    let source = Source::read(path)?;
    Ok(CaseFile { cases: read(&source)?, source })
}

/// Both values.
///
/// # Errors
/// The failures of both.
pub(super) fn both<A, B>(
    one: Result<A, Vec<Failure>>,
    other: Result<B, Vec<Failure>>,
) -> Result<(A, B), Vec<Failure>> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => Err(one.err().into_iter().chain(other.err()).flatten().collect()),
    }
}

/// Reads settings from a file: a plugin configuration without its bundle.
///
/// # Errors
/// The mistakes in them.
pub(crate) fn settings(source: &Source) -> Result<Settings, Vec<Failure>> {
    let settings: Settings = read(source)?;
    if settings.bundle.is_some() {
        let failure = Failure::new(format!("{} has a `bundle`", source.path.display()));
        return Err(failure
            .hint("leave it out: the bundle is built, and put in by `tokenward render`")
            .into());
    }
    settings.check().map_err(|problems| source.failures(problems))?;
    Ok(settings)
}

/// Reads the content of a file.
///
/// # Errors
/// The mistakes in its shape.
pub(super) fn read<T: serde::de::DeserializeOwned>(source: &Source) -> Result<T, Vec<Failure>> {
    source.parse()
}

/// Finds the name of the policy that was probably meant, if a fault reports an undefined one.
fn near_name(fault: &Fault, policy: &Bundle) -> Option<String> {
    if let Fault::UnknownPermission { permission, .. } = fault {
        return did_you_mean(permission.as_str(), policy.permissions.iter().map(|(name, _)| name.as_str()));
    }
    if let Fault::UnknownRole { role, .. } = fault {
        return did_you_mean(role.as_str(), policy.roles.iter().map(|(name, _)| name.as_str()));
    }
    let Fault::UnknownKind { kind, .. } = fault else { return None };
    did_you_mean(kind.as_str(), policy.kinds.iter().map(|(name, _)| name.as_str()))
}

/// Checks that the path is a policy's folder.
///
/// # Errors
/// Fails if it does not exist or is a file.
pub(super) fn folder(path: &Path) -> Result<&Path, Failure> {
    if path.is_file() {
        return Err(not_a_folder(path));
    }
    if !path.exists() {
        return Err(Failure::new(format!("{} does not exist", path.display())));
    }
    Ok(path)
}

/// The file with a policy's registry, if any.
///
/// # Errors
/// Fails if it cannot be read.
pub(super) fn registry(folder: &Path) -> Result<Option<Source>, Failure> {
    existing(folder, "tokens").map(|path| Source::read(&path)).transpose()
}

/// The file with the settings of the gateway, if any.
///
/// # Errors
/// Fails if it cannot be read.
pub(super) fn gateway(folder: &Path) -> Result<Option<Source>, Failure> {
    existing(folder, "gateway").map(|path| Source::read(&path)).transpose()
}

/// Whether the folder contains a policy.
pub(super) fn has_policy(folder: &Path) -> bool {
    existing(folder, "policy").is_some()
}

/// The path of a file in a folder; in the current folder without `./`.
pub(super) fn inside(folder: &Path, file: &str) -> PathBuf {
    if folder == Path::new(".") { PathBuf::from(file) } else { folder.join(file) }
}

/// The failure for a policy's folder without a registry.
pub(super) fn no_registry(folder: &Path) -> Failure {
    Failure::new(format!("{} has no tokens.yaml: no caller can hold a token", folder.display()))
        .hint("`tokenward mint` writes it")
}

fn not_a_folder(path: &Path) -> Failure {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Failure::new(format!("{} is a file, where a policy's folder belongs", path.display()))
        .hint(format!("name the folder that has policy.yaml, as in `-p {}`", folder.display()))
}

fn existing(folder: &Path, stem: &str) -> Option<PathBuf> {
    let files = ["yaml", "yml", "json"].map(|extension| inside(folder, &format!("{stem}.{extension}")));
    files.into_iter().find(|path| path.is_file())
}

/// The text of an empty registry.
pub(super) const EMPTY_REGISTRY: &str = "\
# Tokens and the SHA-256 of their secrets, written by `tokenward mint`. No secret is in here.
version: 1
";
