//! Excerpts: the lines of a file that a message is about, with a caret below the relevant part.
//!
//! A registry holds digests, a file of cases holds secrets, and anybody can paste a secret into the wrong place. So
//! words that may be secrets are shown with their first characters only.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::cli::excerpt::lines::Lines;
use crate::cli::position::Position;
use crate::engine::words::secret::{MIN_SECRET_BYTES, discreet, is_secret_byte};
use crate::engine::words::text::shown;
use crate::engine::words::time::Time;

pub(in crate::cli) mod lines;
pub(in crate::cli) mod scalar;

/// Lines of a text, with marks.
#[derive(Debug)]
pub(crate) struct Excerpt {
    text: String,
    first_line: usize,
    marks: Vec<(Range<usize>, Option<&'static str>)>,
}

/// A mark in an excerpt.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Mark {
    pub(in crate::cli) at: Position,
    /// In characters; by default the width of the value that starts there.
    pub(in crate::cli) width: Option<usize>,
    pub(in crate::cli) label: Option<&'static str>,
}

/// How much of a line may be shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Words {
    /// Everything except text that looks like a secret.
    Shown,
    /// Only words that are shorter than a secret.
    Short,
}

impl Excerpt {
    /// The lines from the first mark to the last. A mark without a label marks the subject of the message. `None` if
    /// its line is empty or too long.
    pub(in crate::cli) fn of(lines: &Lines, marks: &[Mark], words: Words) -> Option<Self> {
        let numbers = || marks.iter().map(|mark| mark.at.line);
        let (first_line, last_line) = (numbers().min()?, numbers().max()?);
        let mut excerpt = Self { text: String::new(), first_line, marks: Vec::new() };
        for number in first_line..=last_line {
            let mut marks: Vec<&Mark> = marks.iter().filter(|mark| mark.at.line == number).collect();
            marks.sort_by_key(|mark| mark.at.column);
            excerpt.push(lines, number, &marks, words)?;
        }
        // The subject of the message comes first.
        excerpt.marks.sort_by_key(|(_, label)| label.is_some());
        Some(excerpt)
    }

    /// The excerpt as lines of text, in the colours of `level`.
    pub(in crate::cli) fn render(&self, level: Level<'static>) -> String {
        let annotations = self.marks.iter().enumerate().map(|(number, (span, label))| {
            let kind = if number == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            kind.span(span.clone()).label(*label)
        });
        let snippet =
            Snippet::source(self.text.as_str()).line_start(self.first_line).annotations(annotations);
        Renderer::styled().render(&[Group::with_level(level).element(snippet)])
    }

    fn push(&mut self, lines: &Lines, number: usize, marks: &[&Mark], words: Words) -> Option<()> {
        let line = lines.line(number);
        if marks.is_empty() {
            // Only text near a mark is shown, so a line between two marks may have any length.
            if line.len() <= MAX_LINE {
                self.text.push_str(&cleaned(&masked(line, words)));
            }
            self.text.push('\n');
            return Some(());
        }
        if line.len() > MAX_LINE || line.trim().is_empty() {
            return None;
        }
        let masked = masked(line, words);
        let mut done = 0;
        for mark in marks {
            let start = lines.byte(mark.at).max(done);
            let end = match mark.width {
                Some(width) => {
                    lines.byte(Position { column: mark.at.column.saturating_add(width), ..mark.at })
                }
                None => start.saturating_add(scalar::width(line, start)),
            };
            let (before, meant) = (masked.get(done..start)?, masked.get(start..end.max(start))?);
            self.text.push_str(&cleaned(before));
            let begin = self.text.len();
            self.text.push_str(&cleaned(meant));
            self.marks.push((begin..self.text.len(), mark.label));
            done = end.max(start);
        }
        self.text.push_str(&cleaned(masked.get(done..)?));
        self.text.push('\n');
        Some(())
    }
}

/// Replaces each byte that may belong to a secret with an asterisk; the length stays the same.
fn masked(line: &str, words: Words) -> String {
    let named = SECRET_KEYS.iter().any(|key| line.contains(key));
    let strict = words == Words::Short || named;
    let is_part = |c: char| {
        let byte = u8::try_from(c).unwrap_or_default();
        if strict { is_secret_byte(byte) } else { byte.is_ascii_alphanumeric() }
    };
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at_checked(start).unwrap_or((rest, ""));
        let (word, after) =
            from.split_at_checked(from.find(|c| !is_part(c)).unwrap_or(from.len())).unwrap_or((from, ""));
        // Punctuation around a value in YAML or JSON, which may also be part of a secret.
        let value = word.trim_matches(STRUCTURE);
        let (opening, _) = word.split_once(value).unwrap_or_default();
        let closing = word.strip_prefix(opening).and_then(|rest| rest.strip_prefix(value));
        masked.push_str(before);
        masked.push_str(opening);
        // A colon at the end belongs to a key.
        let length = word.strip_suffix(':').unwrap_or(word).len();
        let long = strict && length >= MIN_SECRET_BYTES && value.parse::<Time>().is_err();
        if long || discreet(value) != value {
            masked.extend(value.chars().take(SHOWN));
            masked.extend(value.chars().skip(SHOWN).map(|_| '*'));
        } else {
            masked.push_str(value);
        }
        masked.push_str(closing.unwrap_or_default());
        rest = after;
    }
    masked + rest
}

/// Escapes characters that a terminal would not show; shows a tab as a space.
fn cleaned(text: &str) -> String {
    text.split('\t').map(shown).collect::<Vec<_>>().join("\t")
}

/// Words in lines that contain a secret or its digest.
const SECRET_KEYS: [&str; 8] =
    ["secret", "sha256", "authorization", "password", "-token:", "-key:", " headers:", "\"headers\":"];
/// Maximum length of a line that is shown: a bundle is a single line of any size.
const MAX_LINE: usize = 1_000;
const STRUCTURE: [char; 8] = ['\'', ',', ':', '[', ']', '{', '}', '|'];
/// Number of characters of a secret that are shown.
const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_secret_is_masked() {
        for (line, words, expected) in [
            ("- GET /v1/metrics/reports/{id}", Words::Shown, "- GET /v1/metrics/reports/{id}"),
            (
                "owner: acme_svc_0123456789abcdefghijklmn",
                Words::Shown,
                "owner: acme_svc_0123********************",
            ),
            ("secret: an-old-secret-of-ours", Words::Shown, "secret: an-o*****************"),
            ("  private-token: glpat-of-a-gateway", Words::Shown, "  private-token: glpa**************"),
            (
                "feed: { headers: { x-a: of-a-private-host } }",
                Words::Shown,
                "feed: { headers: { x-a: of-a************* } }",
            ),
            ("- an-old-secret-of-ours: x", Words::Short, "- an-o*****************: x"),
            ("- ends-in-bracket]", Words::Short, "- ends***********]"),
            ("allowed_sources: []", Words::Short, "allowed_sources: []"),
            ("expires_at: 2026-01-01T00:00:00Z", Words::Short, "expires_at: 2026-01-01T00:00:00Z"),
            ("{ sha256: ü }", Words::Shown, "{ sha256: ü }"),
        ] {
            assert_eq!(masked(line, words), expected);
            assert_eq!(masked(line, words).len(), line.len());
        }
    }
}
