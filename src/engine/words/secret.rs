//! Secrets: the credential strings of tokens, in the clear for one moment and as digests ever after.
//!
//! In: what a request presents, or random characters for a new secret. Out: a [`SecretDigest`], the
//! only form that a policy, a bundle or a registry holds. Nothing here can print a secret by accident.

pub use crate::engine::words::secret::digest::{BadDigest, Fingerprint, SecretDigest};

mod digest;
pub mod minted;

/// Longest secret that is looked up; a longer credential belongs to no token.
pub const MAX_SECRET_BYTES: usize = 1_024;

/// Shortest secret that is looked up.
pub const MIN_SECRET_BYTES: usize = 16;

/// A secret in the clear, borrowed from where it was presented.
///
/// Not `Debug`, `Display` or `Serialize`: it cannot be logged by accident.
pub struct Secret<'a>(&'a [u8]);

impl<'a> Secret<'a> {
    /// The secret in `presented`, if its length and bytes are those of a secret.
    ///
    /// The bytes are visible ASCII without `"` and `\`, which programs quote and escape by. That is more than RFC 6750
    /// §2.1's `b64token`: keys that other programs made have `|`, `:` or `,`.
    pub fn parse(presented: &'a [u8]) -> Option<Self> {
        let length = (MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&presented.len());
        (length && presented.iter().all(|byte| is_secret_byte(*byte))).then_some(Self(presented))
    }

    /// SHA-256 of the secret.
    pub fn digest(self) -> SecretDigest {
        SecretDigest::of(self.0)
    }
}

/// A text with whatever looks like a secret cut short: one that was written in the place of a name would else be told
/// to all who read a log. A name of a person's making has few letters and digits without anything in between.
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

/// Whether a bearer token as RFC 6750 §2.1 has it may have this byte; `=` may stand anywhere.
pub(crate) fn is_bearer_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Letters and digits in a row that are more than a name has.
const SUSPICIOUS: usize = 20;
/// Characters of a secret that are shown.
const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_visible_ascii_of_some_length() {
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
    fn a_secret_in_a_text_is_cut_short_and_a_name_is_not() {
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
