//! A YAML text with the positions of its nodes, in bytes and lines, and a function that applies splices.

use std::ops::Range;

use saphyr::{MarkedYaml, Marker, YamlData};

use crate::cli::excerpt::lines::starts;

/// A text, and the offset of the first byte of each line.
pub(super) struct Text<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

/// A range of bytes in a text, and its replacement.
pub(super) struct Splice {
    range: Range<usize>,
    with: String,
    /// Whether the replacement must start on a line of its own.
    on_lines: bool,
}

impl<'t> Text<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, starts: starts(text) }
    }

    /// Returns bytes of the text.
    pub(super) fn get(&self, range: Range<usize>) -> Option<&'t str> {
        self.text.get(range)
    }

    /// Returns the offset of a line, counted from 1, or the end of the text if there is no such line.
    pub(super) fn line_start(&self, line: usize) -> usize {
        line.checked_sub(1).and_then(|line| self.starts.get(line)).copied().unwrap_or(self.text.len())
    }

    /// Returns a line with its line ending.
    pub(super) fn line(&self, line: usize) -> &'t str {
        self.text.get(self.line_start(line)..self.line_start(line.saturating_add(1))).unwrap_or_default()
    }

    /// Returns the byte offset of a marker.
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

    /// Returns the offset after the node.
    pub(super) fn end(&self, node: &MarkedYaml<'_>) -> Option<usize> {
        let end = self.offset(node.span.end)?;
        // For `[…]` and `{…}`, the end marker is before the bracket. For a quoted text, it is after white space.
        if self.is_flow(node) { end.checked_add(1) } else { Some(self.text.get(..end)?.trim_end().len()) }
    }

    /// Returns the line on which the node ends.
    pub(super) fn end_line(&self, node: &MarkedYaml<'_>) -> usize {
        // A block's end marker is after comments and blank lines, where the next node starts. The last child's end is
        // correct.
        if !self.is_flow(node)
            && let Some(child) = last_child(node)
        {
            return self.end_line(child);
        }
        let (start, end) = (node.span.start, node.span.end);
        // For a text of several lines, the end marker is also at the start of the next line.
        if end.col() == 0 && end.line() > start.line() { end.line().saturating_sub(1) } else { end.line() }
    }

    /// Returns the line with the `-` of an item in a block list.
    pub(super) fn dash_line(&self, item: &MarkedYaml<'_>) -> Option<usize> {
        (1..=item.span.start.line()).rev().find(|line| self.line(*line).trim_start().starts_with('-'))
    }

    /// Extends a range inside brackets by the comma after it and, if nothing else is on its lines, by those lines.
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

    /// Applies the splices, which must not overlap.
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

    /// Returns a splice that inserts lines before the line `before`.
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

/// Returns the last value or item.
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
