//! Secrets: the credential strings of tokens, in the clear for one moment and as digests ever after.
//!
//! In: what a request presents, or random characters for a new secret. Out: a [`SecretDigest`], the
//! only form that a policy, a bundle or a registry holds. Nothing here can print a secret by accident.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use sha2::{Digest, Sha256};

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
    /// The secret in `presented`, if its length and bytes are those of a bearer token.
    ///
    /// The bytes are RFC 6750 §2.1's `b64token`, with `=` allowed anywhere.
    pub fn parse(presented: &'a [u8]) -> Option<Self> {
        let length = (MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&presented.len());
        (length && presented.iter().all(|byte| is_secret_byte(*byte))).then_some(Self(presented))
    }

    /// SHA-256 of the secret.
    pub fn digest(self) -> SecretDigest {
        SecretDigest(Sha256::digest(self.0).into())
    }
}

/// The SHA-256 of a secret: the only form in which a policy knows one.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("pattern" = "^[0-9A-Fa-f]{64}$"))
)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// SHA-256 of what was presented, whatever its bytes are.
    pub fn of(presented: &[u8]) -> Self {
        Self(Sha256::digest(presented).into())
    }

    /// All 64 hex digits, for a registry; nowhere else.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The first half: for what is to change with the secret.
    pub(crate) fn half(self) -> [u8; 16] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// First 8 hex digits: enough to find a secret again, too few to be worth anything.
    pub fn fingerprint(self) -> Fingerprint {
        let [a, b, c, d, ..] = self.0;
        Fingerprint(u32::from_be_bytes([a, b, c, d]))
    }
}

/// Shows the fingerprint, never the digest.
impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretDigest({}…)", self.fingerprint())
    }
}

impl Serialize for SecretDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for SecretDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DigestVisitor)
    }
}

struct DigestVisitor;

impl Visitor<'_> for DigestVisitor {
    type Value = SecretDigest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("64 hex digits in quotes")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretDigest, E> {
        SecretDigest::try_from(text).map_err(E::custom)
    }
}

impl TryFrom<&str> for SecretDigest {
    type Error = BadDigest;

    fn try_from(text: &str) -> Result<Self, BadDigest> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(|_| BadDigest)?;
        Ok(Self(digest))
    }
}

/// A text that is not a SHA-256. It is not shown: it might be a secret in the wrong place.
#[derive(Debug, Eq, PartialEq)]
pub struct BadDigest;

impl fmt::Display for BadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a secret is kept as its SHA-256 in 64 hex digits (`tokenward hash` prints it); this is not one",
        )
    }
}

/// The first 8 hex digits of a digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("pattern" = "^[0-9a-f]{8}$"))
)]
pub struct Fingerprint(u32);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
    fn digest_is_sha_256_of_the_presented_bytes() {
        // FIPS 180-4's example of a message of two blocks.
        let digest = SecretDigest::of(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq");
        let hex = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
        assert_eq!(digest.to_hex(), hex);
        assert!(SecretDigest::try_from(hex) == Ok(digest));
        assert_eq!(digest.fingerprint().to_string(), "248d6a61");
    }

    #[test]
    fn debug_output_of_a_digest_is_its_fingerprint() {
        let digest = SecretDigest::of(b"acme_svc_0123456789");
        assert_eq!(format!("{digest:?}"), format!("SecretDigest({}…)", digest.fingerprint()));
    }

    #[test]
    fn what_no_bearer_token_can_be_is_no_secret() {
        assert!(Secret::parse(b"acme_svc_0123456789").is_some());
        for bad in [&b""[..], b"short", b"acme_svc_0123456789 ", b"acme_svc_0123\xff456789", &[b'a'; 1_025]] {
            assert!(Secret::parse(bad).is_none());
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
