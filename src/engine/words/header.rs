//! Header names, as lenient programs compare them.

/// Whether some program takes two header names for the same one: CGI and its successors read every character
/// except letters and digits as `_`.
pub(crate) fn same_header(name: &[u8], known: &[u8]) -> bool {
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == known.len() && name.iter().zip(known).all(|(one, two)| fold(one) == fold(two))
}

/// Whether settings accept this header name: lower-case letters, digits, `-` and `_`, at most
/// [`MAX_HEADER_NAME`].
pub(crate) fn is_header_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    !name.is_empty() && name.len() <= MAX_HEADER_NAME && name.bytes().all(is_letter)
}

/// Maximum length of a header name in settings, in bytes.
pub(crate) const MAX_HEADER_NAME: usize = 64;
