//! Finds the parts of a text that are secrets.
//!
//! A secret may be delimited by bytes that no secret contains, or by separators (`/ = + . ~`). A random-looking
//! secret may also contain separators (Base64 has `/`, `+`, `=`): then every part between two separators, including
//! `-` and `_`, is looked up.
//!
//! If the text has bytes that only secrets of other programs contain (`7|Ab3d…`), it is searched twice: once between
//! these bytes, and once across them. Base64 of a user and a password is decoded, and both are looked up.

use std::ops::Range;

use crate::engine::policy::compiled::Policy;
use crate::engine::request::credential::part::pair;
use crate::engine::words::secret::minted::minted_stretch;
use crate::engine::words::secret::{
    MAX_SECRET_BYTES, MIN_SECRET_BYTES, Secret, is_bearer_byte, is_secret_byte,
};

/// The remaining work for one text.
pub(super) struct Work {
    bearer: Budget,
    any: Budget,
}

impl Work {
    pub(super) fn new() -> Self {
        Self { bearer: Budget(MAX_WORK), any: Budget(MAX_WORK) }
    }
}

struct Budget(usize);

impl Budget {
    /// Uses some of the budget; false if it is exhausted.
    fn take(&mut self, cost: usize) -> bool {
        let left = self.0.checked_sub(cost);
        self.0 = left.unwrap_or_default();
        left.is_some()
    }
}

/// Hides the secrets in `text` that start before `limit`, and everything that cannot be looked up within `work`.
pub(super) fn find_secrets(
    text: &[u8],
    limit: usize,
    policy: &Policy,
    work: &mut Work,
    hide: &mut impl FnMut(Range<usize>),
) {
    for_each_run(text, limit, is_bearer_byte, |start, run| {
        let run = Run { text: run, limit: limit.saturating_sub(start), policy };
        run.find(&mut work.bearer, &mut |range| hide(shifted(&range, start)));
    });
    for_each_run(text, limit, is_secret_byte, |start, run| {
        if !run.iter().all(|byte| is_bearer_byte(*byte)) {
            let run = Run { text: run, limit: limit.saturating_sub(start), policy };
            run.find_any(&mut work.any, &mut |range| hide(shifted(&range, start)));
        }
    });
}

/// Calls `each` with every run of such bytes that is at least as long as a secret, and with its start.
fn for_each_run<'t>(
    text: &'t [u8],
    limit: usize,
    is_part: impl Fn(u8) -> bool,
    mut each: impl FnMut(usize, &'t [u8]),
) {
    let mut start = 0_usize;
    for run in text.split(|byte| !is_part(*byte)) {
        if start >= limit {
            return;
        }
        if run.len() >= MIN_SECRET_BYTES {
            each(start, run);
        }
        start = start.saturating_add(run.len()).saturating_add(1);
    }
}

/// A run of bytes that a secret may contain.
struct Run<'t> {
    text: &'t [u8],
    limit: usize,
    policy: &'t Policy,
}

impl Run<'_> {
    /// Finds the secrets that consist of bearer-token bytes only.
    fn find(&self, work: &mut Budget, hide: &mut impl FnMut(Range<usize>)) {
        let mut from = 0;
        while let Some(found) = minted_stretch(self.text, from) {
            from = found.end;
            hide(found);
        }
        self.pieces(0..self.text.len(), &SEPARATORS, hide);
        if self.text.iter().any(u8::is_ascii_uppercase) && self.text.iter().any(|byte| is_edge(*byte)) {
            self.between_edges(is_edge, work, hide);
        }
    }

    /// Finds the secrets with other bytes.
    fn find_any(&self, work: &mut Budget, hide: &mut impl FnMut(Range<usize>)) {
        for separators in ANY_SEPARATORS {
            let mut start = 0_usize;
            for piece in self.text.split(|byte| separators.contains(byte)) {
                let range = start..start.saturating_add(piece.len());
                start = range.end.saturating_add(1);
                if piece.len() < MIN_SECRET_BYTES || range.start >= self.limit {
                    continue;
                }
                if !work.take(HASH.saturating_add(piece.len())) {
                    hide(range.start..self.text.len());
                    return;
                }
                if self.is_secret(&range) {
                    hide(range);
                }
            }
        }
        if self.text.iter().any(u8::is_ascii_uppercase) {
            self.between_edges(|byte| !byte.is_ascii_alphanumeric(), work, hide);
        }
    }

    /// Looks up the pieces between separators: first with few kinds of separators, then with more.
    fn pieces(&self, range: Range<usize>, separators: &[&[u8]], hide: &mut impl FnMut(Range<usize>)) {
        let Some((level, finer)) = separators.split_first() else { return };
        let mut start = range.start;
        for piece in self.text.get(range).unwrap_or_default().split(|byte| level.contains(byte)) {
            let range = start..start.saturating_add(piece.len());
            start = range.end.saturating_add(1);
            if piece.len() < MIN_SECRET_BYTES || range.start >= self.limit {
                continue;
            }
            if self.is_secret(&range) {
                hide(range);
            } else if finer.iter().any(|level| piece.iter().any(|byte| level.contains(byte))) {
                self.pieces(range, finer, hide);
            }
        }
    }

    /// Looks up random-looking parts between any two edges. Hides the rest of the text if the work is too much.
    fn between_edges(
        &self,
        is_edge: impl Fn(u8) -> bool,
        work: &mut Budget,
        hide: &mut impl FnMut(Range<usize>),
    ) {
        let density = Density::of(self.text);
        if density.changes(&(0..self.text.len())) < MIN_CHANGES {
            return;
        }
        let edges = self.edges(is_edge);
        for (number, start) in edges.iter().copied().enumerate() {
            if start >= self.limit {
                return;
            }
            for end in edges.get(number..).unwrap_or_default().iter().copied() {
                let range = start..end;
                if range.len() < MIN_SECRET_BYTES {
                    continue;
                }
                if range.len() > MAX_SECRET_BYTES {
                    break;
                }
                let random = density.is_random(&range);
                if !work.take(if random { HASH.saturating_add(range.len()) } else { 1 }) {
                    hide(start..self.text.len());
                    return;
                }
                if random && self.is_secret(&range) {
                    hide(range);
                }
            }
        }
    }

    /// The start, the end, and both sides of each separator.
    fn edges(&self, is_edge: impl Fn(u8) -> bool) -> Vec<usize> {
        let mut edges = vec![0];
        for (at, _) in self.text.iter().enumerate().filter(|(_, byte)| is_edge(**byte)) {
            edges.extend([at, at.saturating_add(1)]);
        }
        edges.push(self.text.len());
        edges.dedup();
        edges
    }

    fn is_secret(&self, range: &Range<usize>) -> bool {
        let text = self.text.get(range.clone()).unwrap_or_default();
        self.knows(text)
            || unarmored(text).is_some_and(|(user, password)| self.knows(&user) || self.knows(&password))
    }

    fn knows(&self, text: &[u8]) -> bool {
        Secret::parse(text).is_some_and(|secret| self.policy.find(secret.digest()).is_some())
    }
}

/// Decodes Base64 of a user and a password, in either alphabet, padded or not.
fn unarmored(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if text.len() < MIN_PAIR {
        return None;
    }
    let end = text.iter().rposition(|byte| *byte != b'=')?.checked_add(1)?;
    let common = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    let mut digits: Vec<u8> = text.get(..end)?.iter().map(common).collect();
    digits.resize(digits.len().next_multiple_of(4), b'=');
    pair(&digits)
}

/// Measures how random a text looks: how often a capital letter is next to another letter or digit. In Base64 that is
/// every second pair. In words, even capitalized ones, and in hex digits of one case it is rare.
struct Density {
    /// For each position: the changes from or to a capital, and the letters and digits so far.
    counts: Vec<(usize, usize)>,
}

impl Density {
    fn of(text: &[u8]) -> Self {
        let mut counts = Vec::with_capacity(text.len().saturating_add(1));
        counts.push((0, 0));
        let (mut changes, mut letters, mut last) = (0_usize, 0_usize, None);
        for byte in text {
            if byte.is_ascii_alphanumeric() {
                let capital = byte.is_ascii_uppercase();
                changes = changes.saturating_add(usize::from(last.is_some_and(|last| last != capital)));
                letters = letters.saturating_add(1);
                last = Some(capital);
            }
            counts.push((changes, letters));
        }
        Self { counts }
    }

    fn changes(&self, range: &Range<usize>) -> usize {
        self.between(range).0
    }

    /// Whether such changes make up at least a quarter of the letters and digits.
    fn is_random(&self, range: &Range<usize>) -> bool {
        let (changes, letters) = self.between(range);
        changes > 0 && changes.saturating_mul(4) >= letters
    }

    fn between(&self, range: &Range<usize>) -> (usize, usize) {
        let at = |index| self.counts.get(index).copied().unwrap_or_default();
        let ((changes, letters), (before, letters_before)) = (at(range.end), at(range.start));
        (changes.saturating_sub(before), letters.saturating_sub(letters_before))
    }
}

fn shifted(range: &Range<usize>, by: usize) -> Range<usize> {
    range.start.saturating_add(by)..range.end.saturating_add(by)
}

/// Whether a random-looking secret may start or end next to this byte.
fn is_edge(byte: u8) -> bool {
    b"/=+.~-_".contains(&byte)
}

/// The separators of pieces, coarsest first.
const SEPARATORS: [&[u8]; 3] = [b"/", b"/=+", b"/=+.~"];
/// The separators of pieces that may contain the other bytes.
const ANY_SEPARATORS: [&[u8]; 9] = [
    b"",
    b"/",
    b"/&=?#;",
    b"/&=?#;.~",
    b"/&=?#;+:@",
    b"/&=?#;+:@.~",
    b"/&=?#;+,",
    b"/&=?#;+|",
    b"/&=?#;+<>()[]{}'*",
];
/// Length of the shortest secret with a colon, in Base64 digits without padding.
const MIN_PAIR: usize = 23;
/// Number of changes from or to a capital in the shortest random-looking secret.
const MIN_CHANGES: usize = 4;
/// Maximum work for one text: a pair of edges costs 1; a hash costs 64, plus 1 for each byte.
const MAX_WORK: usize = 16_384;
const HASH: usize = 64;
