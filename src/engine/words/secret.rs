//! Secrets: the credential strings of tokens. They are in the clear for one moment and stored only as
//! digests.
//!
//! In: the credential of a request, or random characters for a new secret. Out: a [`SecretDigest`], the only
//! form in which a policy, a bundle or a registry holds a secret. Nothing here can print a secret by
//! accident.

pub use crate::engine::words::secret::digest::{BadDigest, Fingerprint, SecretDigest};

mod digest;
pub mod minted;

/// Maximum length of a secret, in bytes. The filter looks up no longer credential.
pub const MAX_SECRET_BYTES: usize = 1_024;

/// Minimum length of a secret, in bytes. The filter looks up no shorter credential.
pub const MIN_SECRET_BYTES: usize = 16;

/// A secret in the clear, borrowed from the request.
///
/// Not `Debug`, `Display` or `Serialize`: it cannot be logged by accident.
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// Reads a secret; `None` if `presented` has a length or a byte that no secret can have.
    ///
    /// A secret may have any visible ASCII character except `"` and `\`, which programs use to quote and escape.
    /// That is more than the `b64token` of RFC 6750 §2.1: keys from other programs contain `|`, `:` or `,`.
    pub fn parse(presented: &'a [u8]) -> Option<Self> {
        let length = (MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&presented.len());
        (length && presented.iter().all(|byte| is_secret_byte(*byte))).then_some(Self(presented))
    }

    /// SHA-256 of the secret.
    pub fn digest(self) -> SecretDigest {
        SecretDigest::of(self.0)
    }
}

/// Shortens everything in a text that looks like a secret: a secret written in place of a name must not
/// appear in a log. Names that people choose rarely have this many letters and digits in a row.
pub(crate) fn discreet(text: &str) -> String {
    let mut discreet = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, from) = rest.split_at_checked(start).unwrap_or((rest, ""));
        let end = from.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(from.len());
        let (word, after) = from.split_at_checked(end).unwrap_or((from, ""));
        discreet.push_str(before);
        if is_suspicious(word) {
            discreet.extend(word.chars().take(SHOWN).chain(['…']));
        } else {
            discreet.push_str(word);
        }
        rest = after;
    }
    discreet + rest
}

fn is_suspicious(word: &str) -> bool {
    let has = |is_it: fn(&u8) -> bool| word.bytes().any(|byte| is_it(&byte));
    word.len() >= SUSPICIOUS && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// Whether a secret may have this byte.
pub(crate) fn is_secret_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"\\".contains(&byte)
}

/// Whether a bearer token may have this byte (RFC 6750 §2.1). `=` may be anywhere in it.
pub(crate) fn is_bearer_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Length of an unbroken run of letters and digits that is too long for a name.
const SUSPICIOUS: usize = 20;
/// Number of characters of a secret that are shown.
const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_visible_ascii_of_allowed_length() {
        for good in [
            &b"acme_svc_0123456789"[..],
            b"7|Ab3dEf7GhJkLmNp",
            b"12345678:AAHdqTcvCH1",
            b"user,key-of-before",
            b"!#$%&'()*;<>?@[]^`{}",
        ] {
            assert!(Secret::parse(good).is_some(), "{}", good.escape_ascii());
        }
        for bad in [
            &b""[..],
            b"short",
            b"acme_svc_0123456789 ",
            b"acme_svc_\t0123456789",
            b"acme_svc_\"0123456789",
            b"acme_svc_\\0123456789",
            b"acme_svc_0123\x7f456789",
            b"acme_svc_0123\xff456789",
            &[b'a'; 1_025],
        ] {
            assert!(Secret::parse(bad).is_none(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn secrets_are_shortened_and_names_kept() {
        for (text, discreet_text) in [
            ("token `acme_svc_gVV1qeg3oguxIdh68NuN5BaDdPUICvXo4EnURu` has", "token `acme_svc_gVV1…` has"),
            ("248d6a61d20638b8e5c026930c3e6039 é", "248d… é"),
            ("eyJhbGciOiJFUzI1NiJ9AA0.eyJzdWIiOiIxMjM0NTY3ODkwIn0x.c2ln", "eyJh….eyJz….c2ln"),
            ("token `ci-deploy-2026-production-eu-west-1`", "token `ci-deploy-2026-production-eu-west-1`"),
            ("role `internationalizationteam`", "role `internationalizationteam`"),
            (
                "268435457 bytes are more than the 268435456 allowed",
                "268435457 bytes are more than the 268435456 allowed",
            ),
        ] {
            assert_eq!(discreet(text), discreet_text);
        }
    }
}
