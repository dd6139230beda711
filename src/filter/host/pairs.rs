//! Header maps in the host's serialization: a count, the sizes, then names and values, each followed by a NUL.
//!
//! proxy-wasm ABI 0.2.1, "serialized maps"; little-endian 32-bit numbers.

/// A header map in the host's serialization, read in place.
pub(in crate::filter) struct Pairs(Vec<u8>);

impl Pairs {
    /// Reads a header map. Bytes that are not a whole map give no pairs: the filter rejects a request without a
    /// method, but might accept one with unseen headers.
    pub(super) fn new(serialized: Vec<u8>) -> Self {
        Self(if is_whole(&serialized) { serialized } else { Vec::new() })
    }

    /// The number of pairs.
    pub(in crate::filter) fn count(&self) -> usize {
        number(&self.0, 0).unwrap_or(0)
    }

    /// The names and values in order.
    pub(in crate::filter) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        let count = self.count();
        let mut at = count.saturating_mul(PAIR).saturating_add(NUMBER);
        (0..count).map_while(move |pair| {
            let sizes = pair.saturating_mul(PAIR).saturating_add(NUMBER);
            let name = text(&self.0, &mut at, number(&self.0, sizes)?)?;
            let value = text(&self.0, &mut at, number(&self.0, sizes.saturating_add(NUMBER))?)?;
            Some((name, value))
        })
    }
}

/// Serializes headers for the host.
pub(super) fn serialize(headers: &[(&'static str, String)]) -> Vec<u8> {
    let mut serialized = Vec::with_capacity(256);
    let mut push = |number: usize| serialized.extend(u32::try_from(number).unwrap_or(0).to_le_bytes());
    push(headers.len());
    for (name, value) in headers {
        push(name.len());
        push(value.len());
    }
    for (name, value) in headers {
        for text in [name.as_bytes(), value.as_bytes()] {
            serialized.extend(text);
            serialized.push(0);
        }
    }
    serialized
}

/// Whether count and sizes match the length of the bytes.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(count) = number(bytes, 0) else { return false };
    let head = count.saturating_mul(PAIR).saturating_add(NUMBER);
    let sizes = bytes.get(NUMBER..head).unwrap_or_default().chunks_exact(NUMBER);
    let texts = sizes.filter_map(|size| number(size, 0)).fold(0, |sum: usize, size| {
        // A NUL follows each text.
        sum.saturating_add(size).saturating_add(1)
    });
    head.checked_add(texts) == Some(bytes.len())
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(at..)?.first_chunk::<NUMBER>()?;
    usize::try_from(u32::from_le_bytes(*number)).ok()
}

fn text<'a>(bytes: &'a [u8], at: &mut usize, size: usize) -> Option<&'a [u8]> {
    let end = at.checked_add(size)?;
    let text = bytes.get(*at..end)?;
    *at = end.checked_add(1)?;
    Some(text)
}

const NUMBER: usize = 4;
const PAIR: usize = 8;
