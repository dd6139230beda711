//! Document files: reads YAML or JSON text into data, and maps places in the data to lines of the text.

use std::io::Read;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, MarkedYaml, YamlData};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::excerpt::lines::Lines;
use crate::cli::excerpt::{Excerpt, Mark, Words};
use crate::cli::failure::Failure;
use crate::cli::position::Position;
use crate::cli::source::shape::in_yaml;
use crate::cli::source::syntax::Mistake;
use crate::engine::config::bundle;
use crate::engine::config::bundle::MAX_BYTES;
use crate::engine::config::envelope::{Envelope, PayloadType};
use crate::engine::config::problem::{Fault, Place, Problem, Problems, Step};
use crate::engine::words::secret::discreet;

mod recover;
mod shape;
mod syntax;
mod tree;

/// A file that was read.
#[derive(Debug)]
pub struct Source {
    /// The path of the file.
    pub path: PathBuf,
    lines: Lines,
    /// The position where the file stops being UTF-8, if it does.
    not_utf8: Option<Position>,
}

impl Source {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Fails if it cannot be read or is too large.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let cannot = |why: String| Failure::new(format!("cannot read {}: {why}", path.display()));
        let size = std::fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
        if size > MAX_BYTES as u64 {
            return Err(cannot(format!("{size} bytes are more than the {MAX_BYTES} allowed")));
        }
        let bytes = std::fs::read(path).map_err(|error| cannot(error.to_string()))?;
        Ok(Self::of(path.to_owned(), bytes))
    }

    fn of(path: PathBuf, bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self { path, lines: Lines::of(text), not_utf8: None },
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let lines = Lines::of(String::from_utf8_lossy(error.as_bytes()).into_owned());
                Self { not_utf8: Some(lines.at_byte(valid)), path, lines }
            }
        }
    }

    /// Reads standard input, which is `-` in messages.
    ///
    /// # Errors
    /// Fails if it cannot be read or is too large.
    pub(crate) fn standard_input() -> Result<Self, Failure> {
        let cannot = |why: String| Failure::new(format!("cannot read standard input: {why}"));
        let limit = (MAX_BYTES as u64).saturating_add(1);
        let mut bytes = Vec::new();
        std::io::stdin().take(limit).read_to_end(&mut bytes).map_err(|error| cannot(error.to_string()))?;
        if bytes.len() > MAX_BYTES {
            return Err(cannot(format!("it has more than the {MAX_BYTES} bytes allowed")));
        }
        Ok(Self::of("-".into(), bytes))
    }

    /// Replaces a signed bundle with its content. It does not check the signatures. Other files are unchanged.
    #[must_use]
    pub fn opened(self) -> Self {
        let envelope = Envelope::parse(self.text().as_bytes(), PayloadType::Bundle).ok();
        let Some(envelope) = envelope else { return self };
        Self::of(self.path, envelope.payload().to_vec())
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        self.lines.text()
    }

    /// Whether the file's name says that it is JSON.
    pub fn is_json(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "json")
    }

    /// Reads the text into a value.
    ///
    /// # Errors
    /// The first syntax error, or all mistakes in the shape of the value.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Vec<Failure>> {
        if let Some(at) = self.not_utf8 {
            return Err(self.mistake(not_utf8(at)).into());
        }
        if self.is_json() {
            let text = self.text();
            return bundle::from_json(text.as_bytes()).map_err(|first| match serde_json::from_str(text) {
                Ok(tree) => self.wrong_shape::<T>(tree, first, &[]),
                Err(_) => self.failures(first),
            });
        }
        let each = |mistakes: Vec<Mistake>| mistakes.into_iter().map(|mistake| self.mistake(mistake));
        let (tree, mistakes) =
            tree::of(&self.lines).map_err(|mistakes| each(mistakes).collect::<Vec<_>>())?;
        let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.at.line).collect();
        let wrong = match bundle::from_tree(&tree) {
            Ok(value) if mistakes.is_empty() => return Ok(value),
            Ok(_) => Vec::new(),
            Err(first) => self.wrong_shape::<T>(tree, first, &lines),
        };
        Err(each(mistakes).chain(wrong).collect())
    }

    /// All mistakes in the shape of a tree, except in lines with a better explanation.
    fn wrong_shape<T: DeserializeOwned>(
        &self,
        tree: Value,
        first: Problems,
        known: &[usize],
    ) -> Vec<Failure> {
        let Err(problems) = recover::all::<T>(tree, first, self.text().len()) else { return Vec::new() };
        let located = self.located(problems).into_iter();
        let news = located.filter(|(_, at)| at.is_none_or(|at| !known.contains(&at.line)));
        news.map(|(problem, position)| self.failure(&problem, position)).collect()
    }

    /// A failure for each problem in the text, in text order.
    pub(super) fn failures(&self, problems: Problems) -> Vec<Failure> {
        let located = self.located(problems).into_iter();
        located.map(|(problem, position)| self.failure(&problem, position)).collect()
    }

    fn located(&self, problems: Problems) -> Vec<(Problem, Option<Position>)> {
        let places: Vec<&Place> = problems.iter().map(|problem| &problem.place).collect();
        let positions = self.positions(&places);
        let mut located: Vec<_> = problems.into_iter().zip(positions).collect();
        located.sort_by_key(|(_, position)| *position);
        located
    }

    /// The failure for a problem in the text.
    pub(super) fn failure(&self, problem: &Problem, position: Option<Position>) -> Failure {
        let failure = Failure::of(problem, self.path.display(), position);
        let position = if let Fault::Syntax { line, column, .. } = problem.fault {
            Some(Position { line, column })
        } else {
            position
        };
        let failure = match position.filter(|_| !self.is_json()) {
            Some(at) => self.discreetly(in_yaml(failure, problem, &self.lines, at), &problem.place),
            None => failure,
        };
        Failure { excerpt: position.and_then(|at| self.excerpt(&[mark(at)], &problem.place)), ..failure }
    }

    /// Adds the place in this file, and its line.
    pub(super) fn locate(&self, failure: Failure, position: Option<Position>, place: &Place) -> Failure {
        let excerpt = position.and_then(|at| self.excerpt(&[mark(at)], place));
        Failure { excerpt, ..failure.at(self.path.display(), position, place) }
    }

    fn mistake(&self, mistake: Mistake) -> Failure {
        let Mistake { message, hint, at, width, first } = mistake;
        let mut marks = vec![Mark { width, ..mark(at) }];
        marks.extend(first.map(|first| Mark { label: Some("first here"), ..mark(first) }));
        let excerpt = self.excerpt(&marks, &Place::default());
        let failure = Failure::new(message).at(self.path.display(), Some(at), &Place::default());
        self.discreetly(Failure { excerpt, hint, ..failure }, &Place::default())
    }

    /// Removes text from the failure that looks like a secret, or a value that may be one.
    fn discreetly(&self, failure: Failure, place: &Place) -> Failure {
        let repeats = |hint: &String| hint.contains('"') && self.words(place) == Words::Short;
        let hint = failure
            .hint
            .map(|hint| if repeats(&hint) { "put it in quotes".to_owned() } else { discreet(&hint) });
        Failure { message: discreet(&failure.message), hint, ..failure }
    }

    fn excerpt(&self, marks: &[Mark], place: &Place) -> Option<Box<Excerpt>> {
        // The value of a header is a secret of any length.
        let key = |step: &Step, keys: &[&str]| matches!(step, Step::Key(key) if keys.contains(&key.as_str()));
        if let [first, second, ..] = place.steps()
            && key(first, &["feed", "alerts"])
            && key(second, &["headers"])
        {
            return None;
        }
        Excerpt::of(&self.lines, marks, self.words(place)).map(Box::new)
    }

    /// How much of a line may be shown if there is a mistake at this place.
    fn words(&self, place: &Place) -> Words {
        // If a text is not valid YAML, it is unknown which part of a registry it belongs to.
        let registry = self.path.file_stem().is_some_and(|stem| stem == "tokens") && place.steps().is_empty();
        let secret =
            |step: &Step| matches!(step, Step::Key(key) if key.starts_with("secret") || key == "chain");
        if registry || place.steps().iter().any(secret) { Words::Short } else { Words::Shown }
    }

    /// The position of each place, or of the nearest enclosing one in the text.
    pub fn positions(&self, places: &[&Place]) -> Vec<Option<Position>> {
        let documents = if places.is_empty() { None } else { MarkedYaml::load_from_str(self.text()).ok() };
        let root = documents.as_ref().and_then(|documents| documents.first());
        places.iter().map(|place| root.map(|root| position(root, place))).collect()
    }
}

fn mark(at: Position) -> Mark {
    Mark { at, width: None, label: None }
}

fn not_utf8(at: Position) -> Mistake {
    Mistake::new("the file is not UTF-8 from here on", at).wide(1).hint("save it as UTF-8")
}

fn position(root: &MarkedYaml<'_>, place: &Place) -> Position {
    let mut node = root;
    let mut marker = root.span.start;
    for step in place.steps() {
        let found = match (step, &node.data) {
            (Step::Key(key), YamlData::Mapping(entries)) => {
                let entry = entries.iter().find(|(name, _)| name.data.as_str() == Some(key));
                entry.map(|(name, value)| (name.span.start, value))
            }
            (Step::Index(index), YamlData::Sequence(items)) => {
                items.get(*index).map(|item| (item.span.start, item))
            }
            _ => None,
        };
        let Some((start, next)) = found else { break };
        let scalar = matches!(next.data, YamlData::Value(_));
        (node, marker) = (next, if scalar { next.span.start } else { start });
    }
    Position { line: marker.line(), column: marker.col().saturating_add(1) }
}

/// Reads a YAML text into a value.
///
/// # Errors
/// The mistakes in the text.
pub(super) fn parse_yaml<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Failure>> {
    Source::of(PathBuf::new(), text.as_bytes().to_vec()).parse()
}
