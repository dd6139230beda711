//! A YAML text and where its nodes are in it, in bytes and lines; and the text with splices put in.

use std::ops::Range;

use saphyr::{MarkedYaml, Marker, YamlData};

use crate::cli::excerpt::lines::starts;

/// A text, with the byte that each of its lines begins at.
pub(super) struct Text<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

/// Bytes of a text and what takes their place.
pub(super) struct Splice {
    range: Range<usize>,
    with: String,
    /// Whether it begins on a line of its own.
    on_lines: bool,
}

impl<'t> Text<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, starts: starts(text) }
    }

    /// Bytes of the text.
    pub(super) fn get(&self, range: Range<usize>) -> Option<&'t str> {
        self.text.get(range)
    }

    /// The byte at which the line begins, counted from 1; the end of the text where it has no such line.
    pub(super) fn line_start(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or(self.text.len())
    }

    /// A line with its end.
    pub(super) fn line(&self, line: usize) -> &'t str {
        self.text.get(self.line_start(line)..self.line_start(line.saturating_add(1))).unwrap_or_default()
    }

    /// The byte that a mark is at.
    pub(super) fn offset(&self, mark: Marker) -> Option<usize> {
        let line = self.text.get(self.line_start(mark.line())..)?;
        let mut columns = line.char_indices().map(|(byte, _)| byte).chain([line.len()]);
        columns.nth(mark.col())?.checked_add(self.line_start(mark.line()))
    }

    /// Whether the node is `[…]` or `{…}`.
    pub(super) fn is_flow(&self, node: &MarkedYaml<'_>) -> bool {
        let bracket = match node.data {
            YamlData::Sequence(_) => '[',
            YamlData::Mapping(_) => '{',
            YamlData::Value(_)
            | YamlData::Representation(..)
            | YamlData::Tagged(..)
            | YamlData::Alias(_)
            | YamlData::BadValue => return false,
        };
        let start = self.offset(node.span.start).and_then(|start| self.text.get(start..));
        start.is_some_and(|rest| rest.starts_with(bracket))
    }

    /// The byte behind the node.
    pub(super) fn end(&self, node: &MarkedYaml<'_>) -> Option<usize> {
        let end = self.offset(node.span.end)?;
        // A `[…]` or `{…}` has the mark of its end before the bracket, a text in quotes behind white space.
        if self.is_flow(node) { end.checked_add(1) } else { Some(self.text.get(..end)?.trim_end().len()) }
    }

    /// The line that the node ends on.
    pub(super) fn end_line(&self, node: &MarkedYaml<'_>) -> usize {
        // A block ends where the next thing begins, behind comments and blank lines: its last child knows better.
        if !self.is_flow(node)
            && let Some(child) = last_child(node)
        {
            return self.end_line(child);
        }
        let (start, end) = (node.span.start, node.span.end);
        // Likewise a text of several lines ends at the beginning of a line that is not its own.
        if end.col() == 0 && end.line() > start.line() { end.line().saturating_sub(1) } else { end.line() }
    }

    /// The line with the `-` of a block list's item.
    pub(super) fn dash_line(&self, item: &MarkedYaml<'_>) -> Option<usize> {
        (1..=item.span.start.line()).rev().find(|line| self.line(*line).trim_start().starts_with('-'))
    }

    /// What goes with a thing between brackets: the comma behind it and, where nothing else is there, its lines.
    pub(super) fn extent(&self, thing: Range<usize>) -> Option<Range<usize>> {
        let before = self.text.get(..thing.start)?.trim_end_matches([' ', '\t']);
        let behind = self.text.get(thing.end..)?;
        let rest = behind.trim_start_matches([' ', '\t']);
        let rest = rest.strip_prefix(',').map_or(behind, |rest| rest.trim_start_matches([' ', '\t']));
        let blank = rest.trim_start_matches([' ', '\t']);
        if !before.ends_with(['\n', '\r']) || !(blank.starts_with(['#', '\n', '\r'])) {
            return Some(thing.start..self.text.len().checked_sub(rest.len())?);
        }
        let next = self.starts.get(self.starts.partition_point(|start| *start <= thing.end));
        Some(before.len()..next.copied().unwrap_or(self.text.len()))
    }

    /// The text with the splices, none of which lies in another.
    pub(super) fn spliced(&self, mut splices: Vec<Splice>) -> Option<String> {
        splices.sort_by_key(|splice| splice.range.start);
        let (mut spliced, mut done) = (String::with_capacity(self.text.len()), 0);
        for Splice { range, with, on_lines } in splices {
            spliced.push_str(self.text.get(done..range.start)?);
            if on_lines && !spliced.ends_with('\n') {
                spliced.push_str(self.line_end());
            }
            spliced.push_str(&with);
            done = range.end;
        }
        spliced.push_str(self.text.get(done..)?);
        Some(spliced)
    }

    /// Lines that are put in before the line `before`.
    pub(super) fn lines(&self, before: usize, lines: &[String]) -> Splice {
        let start = self.line_start(before);
        let with = lines.iter().flat_map(|line| [line.as_str(), self.line_end()]).collect();
        Splice { range: start..start, with, on_lines: true }
    }

    fn line_end(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }
}

impl Splice {
    pub(super) fn replace(range: Range<usize>, with: impl Into<String>) -> Self {
        Self { range, with: with.into(), on_lines: false }
    }

    pub(super) fn insert(at: usize, with: impl Into<String>) -> Self {
        Self::replace(at..at, with)
    }

    pub(super) fn remove(range: Range<usize>) -> Self {
        Self::replace(range, "")
    }
}

/// The last value or item.
fn last_child<'n, 't>(node: &'n MarkedYaml<'t>) -> Option<&'n MarkedYaml<'t>> {
    match &node.data {
        YamlData::Mapping(entries) => entries.iter().next_back().map(|(_, value)| value),
        YamlData::Sequence(items) => items.last(),
        YamlData::Value(_)
        | YamlData::Representation(..)
        | YamlData::Tagged(..)
        | YamlData::Alias(_)
        | YamlData::BadValue => None,
    }
}
