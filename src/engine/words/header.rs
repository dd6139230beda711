//! Names of headers, as programs that are not careful compare them.

/// Whether two header names are the same for some program: CGI and its heirs read whatever is no letter
/// or digit as `_`.
pub(crate) fn same_header(name: &[u8], known: &[u8]) -> bool {
    let fold = |byte: &u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == known.len() && name.iter().zip(known).all(|(one, two)| fold(one) == fold(two))
}
