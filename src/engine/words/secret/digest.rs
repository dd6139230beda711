//! Digests: the only form in which a policy, a bundle or a registry holds a secret.
//!
//! In: the credential of a request, or a digest from a registry. Out: a [`SecretDigest`]. Events and messages
//! show only its [`Fingerprint`].

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The SHA-256 of a secret: the only form in which a policy knows one.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("pattern" = DIGEST))
)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The SHA-256 of any bytes.
    pub fn of(presented: &[u8]) -> Self {
        Self(Sha256::digest(presented).into())
    }

    /// All 64 hex digits. Only the registry may contain them.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }

    /// The first half, for values that must change when the secret changes.
    pub(crate) fn half(self) -> [u8; 16] {
        self.0.first_chunk().copied().unwrap_or_default()
    }

    /// The first 8 hex digits: enough to identify a secret, too few to be useful to an attacker.
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

    /// Reads 64 hex digits in either case, or Base64 after `sha256:` or `sha256-`. Without such a prefix, 32
    /// bytes of Base64 could be a secret in the clear.
    fn try_from(text: &str) -> Result<Self, BadDigest> {
        let named = NAMES.iter().find_map(|name| {
            let (start, rest) = text.split_at_checked(name.len())?;
            start.eq_ignore_ascii_case(name).then_some(rest)
        });
        match (hex(named.unwrap_or(text)), base64(named.unwrap_or(text))) {
            (Some(digest), _) => Ok(Self(digest)),
            (None, Some(digest)) if named.is_some() => Ok(Self(digest)),
            (None, Some(_)) => Err(BadDigest::Unnamed),
            (None, None) => Err(BadDigest::Other),
        }
    }
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

/// Decodes 32 bytes of Base64, in either alphabet of RFC 4648, with or without padding.
fn base64(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_suffix('=').unwrap_or(text);
    if digits.len() != BASE64_DIGITS {
        return None;
    }
    let common = digits.replace('-', "+").replace('_', "/");
    let bytes = STANDARD.decode(common + "=").ok()?;
    bytes.try_into().ok()
}

/// The error for text that is not a SHA-256. It never shows the text, which might be a secret in the wrong
/// place.
#[derive(Debug, Eq, PartialEq)]
pub enum BadDigest {
    /// 32 bytes of Base64 without a prefix that marks them as a digest.
    Unnamed,
    /// Any other text.
    Other,
}

impl fmt::Display for BadDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unnamed => {
                "32 bytes in Base64 may be a digest, or a secret in the clear: write `sha256:` before a digest, and \
                 pass a secret to `tokenward hash`"
            }
            Self::Other => {
                "a secret is kept as its SHA-256 in 64 hex digits (`tokenward hash` prints it); this is not one"
            }
        })
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

/// The prefixes of a digest; `sha256-` is the spelling of Subresource Integrity.
const NAMES: [&str; 2] = ["sha256:", "sha256-"];
/// Number of Base64 digits for 32 bytes, without padding.
const BASE64_DIGITS: usize = 43;
/// The JSON Schema pattern for digests. The last Base64 digit has no excess bits.
#[cfg(not(target_arch = "wasm32"))]
const DIGEST: &str =
    "^(?:[0-9A-Fa-f]{64}|[Ss][Hh][Aa]256[:-](?:[0-9A-Fa-f]{64}|[A-Za-z0-9+/_-]{42}[AEIMQUYcgkosw048]=?))$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_is_sha_256_of_the_presented_bytes() {
        // The two-block example of FIPS 180-4.
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
    fn digest_has_several_spellings() {
        let digest = SecretDigest::of(b"test");
        let hex = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let base64 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg";
        for text in [
            hex.to_owned(),
            hex.to_uppercase(),
            format!("sha256:{hex}"),
            format!("SHA256:{}", hex.to_uppercase()),
            format!("sha256-{base64}="),
            format!("sha256:{base64}"),
            format!("sha256:{}", base64.replace('+', "-").replace('/', "_")),
        ] {
            assert!(SecretDigest::try_from(&*text) == Ok(digest), "{text}");
        }
    }

    #[test]
    fn unprefixed_base64_is_rejected_as_possible_secret() {
        let base64 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg";
        for (text, bad) in [
            (base64.to_owned(), BadDigest::Unnamed),
            (format!("{base64}="), BadDigest::Unnamed),
            (format!("{base64}=="), BadDigest::Other),
            (format!("sha256:{base64}=="), BadDigest::Other),
            // The last digit has excess bits.
            (format!("sha256:{}h", base64.get(..42).unwrap()), BadDigest::Other),
            ("sha512:".to_owned() + base64, BadDigest::Other),
            ("sha256:".to_owned(), BadDigest::Other),
        ] {
            assert_eq!(SecretDigest::try_from(&*text).err(), Some(bad), "{text}");
        }
    }
}
