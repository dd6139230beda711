//! The body of an answer: text, or the reason why it is not text.

use std::fmt;

/// Why a body is not text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BadBody {
    /// The body is a compressed file.
    Compressed(&'static str),
    /// The body is some other kind of file.
    NotUtf8,
}

/// Converts a body to text.
///
/// # Errors
/// Fails if the body is not UTF-8.
pub fn text(body: Vec<u8>) -> Result<String, BadBody> {
    String::from_utf8(body).map_err(|error| {
        let format = FORMATS.iter().find(|(magic, _)| error.as_bytes().starts_with(magic));
        format.map_or(BadBody::NotUtf8, |(_, name)| BadBody::Compressed(name))
    })
}

impl fmt::Display for BadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed(name) => write!(f, "the file is compressed ({name}): publish it uncompressed"),
            Self::NotUtf8 => f.write_str("the body is not UTF-8"),
        }
    }
}

/// First bytes of compressed files (RFC 1952 §2.3.1, RFC 8878 §3.1.1).
const FORMATS: [(&[u8], &str); 2] = [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_file_is_named() {
        assert_eq!(text(b"\x1f\x8b\x08\x00".to_vec()), Err(BadBody::Compressed("gzip")));
        assert_eq!(text(b"\x28\xb5\x2f\xfd".to_vec()), Err(BadBody::Compressed("zstd")));
        assert_eq!(text(b"{\xff".to_vec()), Err(BadBody::NotUtf8));
        assert_eq!(text(b"{}".to_vec()).as_deref(), Ok("{}"));
    }
}
