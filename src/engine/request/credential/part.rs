//! Extracts the secret from a header's value.
//!
//! In: a value, and its credential source. Out: the secret's bytes, not yet checked to be a secret. A malformed value
//! also gives bytes, which belong to no token.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::engine::config::credentials::Part;
use crate::engine::request::credential::cut;

/// The secret in a header's value, for a source with this scheme and part; `None` if the value has another scheme.
pub(super) fn part<'a>(value: &'a [u8], scheme: Option<&str>, part: Part) -> Option<Cow<'a, [u8]>> {
    let behind = after_scheme(value, scheme)?;
    // INVARIANT: the whole value is never a valid secret. With its scheme it has a space, or it is shorter than a
    // secret.
    let or_value = |half: Option<Vec<u8>>| half.map_or(Cow::Borrowed(value), Cow::Owned);
    Some(match part {
        Part::Whole => Cow::Borrowed(behind),
        Part::AfterBar => Cow::Borrowed(after_bar(behind)),
        Part::User => or_value(pair(behind).map(|(user, _)| user)),
        Part::Password => or_value(pair(behind).map(|(_, password)| password)),
    })
}

/// Decodes Base64 of a user and a password (RFC 7617 §2): the first colon ends the user. Both are UTF-8 without
/// control characters.
pub(crate) fn pair(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut user = STANDARD.decode(text).ok()?;
    std::str::from_utf8(&user).ok().filter(|text| !text.chars().any(char::is_control))?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.split_off(colon.checked_add(1)?);
    user.truncate(colon);
    Some((user, password))
}

/// The text after the first `|` if an id precedes it. Otherwise the whole value, because the text before the `|` may
/// be another credential.
pub(crate) fn after_bar(value: &[u8]) -> &[u8] {
    let is_id =
        |id: &[u8]| !id.is_empty() && id.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    match cut(value, b'|') {
        (id, Some(rest)) if is_id(id) => rest,
        _ => value,
    }
}

/// The text after the scheme in a header's value; the whole value if the source has no scheme.
fn after_scheme<'a>(value: &'a [u8], scheme: Option<&str>) -> Option<&'a [u8]> {
    let Some(scheme) = scheme else { return Some(value) };
    let (first, secret) = cut(value, b' ');
    first.eq_ignore_ascii_case(scheme.as_bytes()).then(|| secret.unwrap_or_default().trim_ascii_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::words::secret::Secret;

    #[test]
    fn secret_is_a_part_of_the_value() {
        for (value, scheme, which, expected) in [
            ("Bearer 7|Ab3d|x", Some("Bearer"), Part::Whole, "7|Ab3d|x"),
            ("Bearer 7|Ab3d|x", Some("Bearer"), Part::AfterBar, "Ab3d|x"),
            ("Bearer Ab3d", Some("Bearer"), Part::AfterBar, "Ab3d"),
            ("7|", None, Part::AfterBar, ""),
            ("|Ab3d", None, Part::AfterBar, "|Ab3d"),
            ("other,7|Ab3d", None, Part::AfterBar, "other,7|Ab3d"),
            ("other 7|Ab3d", None, Part::AfterBar, "other 7|Ab3d"),
            ("Basic dXNlcjpwYTpzcw==", Some("Basic"), Part::Password, "pa:ss"),
            ("basic  dXNlcjpwYTpzcw==", Some("Basic"), Part::User, "user"),
            ("Basic Og==", Some("Basic"), Part::Password, ""),
        ] {
            assert_eq!(
                part(value.as_bytes(), scheme, which).as_deref(),
                Some(expected.as_bytes()),
                "{value}"
            );
        }
        assert_eq!(part(b"Token abc", Some("Bearer"), Part::Whole), None);
    }

    #[test]
    fn malformed_basic_credential_is_not_a_secret() {
        for value in [
            "Basic",
            "Basic ",
            // No colon, no padding, excess bits, the other alphabet, a space.
            "Basic dXNlcnBhc3N3b3JkLW9mLWJlZm9yZQ==",
            "Basic dXNlcjpwYXNzd29yZC1vZi1iZWZvcmU",
            "Basic dXNlcjpwYXNzd29yZC1vZi1iZWZvcmX=",
            "Basic dXNlcjo_Pz8_Pz8_Pz8_Pz8_Pz8_",
            "Basic dXNlcjpwYXNz d29yZC1vZi1iZWZvcmU=",
            // Invalid UTF-8, a control character.
            "Basic dXNlcjr/cGFzc3dvcmQtb2YtYmVmb3Jl",
            "Basic dXNlcgA6cGFzc3dvcmQtb2YtYmVmb3Jl",
            "Basic user:password-of-before",
        ] {
            for which in [Part::User, Part::Password] {
                let found = part(value.as_bytes(), Some("Basic"), which).unwrap();
                assert!(Secret::parse(&found).is_none(), "{value}: {}", found.escape_ascii());
            }
        }
    }
}
