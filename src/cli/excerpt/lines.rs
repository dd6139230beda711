//! The lines of a text. As in YAML, a line ends with `\n`, `\r\n` or `\r`.

use std::cell::OnceCell;

use crate::cli::position::Position;

/// A text, and the byte at which each line starts.
#[derive(Debug)]
pub(in crate::cli) struct Lines {
    text: String,
    /// Computed when the first line is needed, because most texts have no mistakes.
    starts: OnceCell<Vec<usize>>,
}

impl Lines {
    pub(in crate::cli) fn of(text: String) -> Self {
        Self { text, starts: OnceCell::new() }
    }

    /// The whole text.
    pub(in crate::cli) fn text(&self) -> &str {
        &self.text
    }

    /// A line without its end, counted from 1; empty if the text has no such line.
    pub(in crate::cli) fn line(&self, number: usize) -> &str {
        let starts = self.starts.get_or_init(|| starts(&self.text));
        let start = number.checked_sub(1).and_then(|index| starts.get(index)).copied();
        let end = starts.get(number).copied().unwrap_or(self.text.len());
        let line = start.and_then(|start| self.text.get(start..end)).unwrap_or_default();
        let line = line.trim_end_matches(['\n', '\r']);
        if number == 1 { line.trim_start_matches(BYTE_ORDER_MARK) } else { line }
    }

    /// Number of lines.
    pub(in crate::cli) fn count(&self) -> usize {
        self.starts.get_or_init(|| starts(&self.text)).len()
    }

    /// The index of the byte in its line for a position.
    pub(in crate::cli) fn byte(&self, at: Position) -> usize {
        let line = self.line(at.line);
        let column = at.column.saturating_sub(1);
        line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte)
    }

    /// The position of a byte in a line.
    pub(in crate::cli) fn position(&self, line: usize, byte: usize) -> Position {
        let before = self.line(line).get(..byte).unwrap_or_default();
        Position { line, column: before.chars().count().saturating_add(1) }
    }
}

impl Lines {
    /// The position of a byte in the text.
    pub(in crate::cli) fn at_byte(&self, byte: usize) -> Position {
        let starts = self.starts.get_or_init(|| starts(&self.text));
        let line = starts.partition_point(|start| *start <= byte).max(1);
        let start = line.checked_sub(1).and_then(|index| starts.get(index)).copied().unwrap_or_default();
        self.position(line, byte.saturating_sub(start))
    }
}

/// The byte at which each line of a text starts.
pub(in crate::cli) fn starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let ends = bytes.iter().zip(bytes.iter().skip(1).map(Some).chain([None])).enumerate();
    let ends = ends.filter(|(_, (byte, next))| **byte == b'\n' || **byte == b'\r' && *next != Some(&b'\n'));
    [0].into_iter().chain(ends.map(|(end, _)| end.saturating_add(1))).collect()
}

const BYTE_ORDER_MARK: char = '\u{feff}';
