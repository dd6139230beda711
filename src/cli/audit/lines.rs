//! The lines of a log, with a limit for long ones.

use std::io::{self, BufRead, Read};

/// Numbered lines of bytes, from 1. The part of a line beyond the limit is dropped.
pub(super) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, line: Vec::new(), number: 0 }
    }

    /// The next line, without its line end.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        self.line.clear();
        if self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n')?;
        }
        self.number = self.number.saturating_add(1);
        Ok(Some((self.number, self.line.trim_ascii_end())))
    }
}

/// Maximum number of bytes of a line that are read: many times the length of an event.
const MAX_LINE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlong_line_counts_as_one_line() {
        let long = "a".repeat(3 << 20);
        let text = format!("one\r\n\n{long}\nfour");
        let mut lines = Lines::new(text.as_bytes());
        let mut read = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            read.push((number, line.len()));
        }
        assert_eq!(read, [(1, 3), (2, 0), (3, 1 << 20), (4, 4)]);
    }
}
