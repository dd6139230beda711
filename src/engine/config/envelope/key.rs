//! Public keys, and the threshold of signatures.
//!
//! In: keys from a configuration. Out: distinct keys that can verify signatures.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::config::envelope::SIGNATURE_BYTES;
use crate::engine::config::refusal::Refusal;

/// An Ed25519 public key, written as `ed25519:` and the base64 of its 32 bytes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(with = "String", extend("pattern" = "^ed25519:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$"))
)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

/// Name of a key: the first 16 hex digits of the SHA-256 of its bytes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^[0-9a-f]{16}$"))
)]
pub struct KeyId(String);

/// The trusted keys, and how many of them must sign.
#[derive(Clone, Debug)]
pub struct TrustedKeys {
    keys: Vec<PublicKey>,
    threshold: usize,
}

impl PublicKey {
    /// The key with these bytes.
    ///
    /// # Errors
    /// Fails if the bytes are not a key, if the key has small order (such a key matches signatures that nobody made),
    /// or if they are a second encoding of another key.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadKey> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| BadKey::NoPoint)?;
        let usable = !key.is_weak() && key.to_edwards().compress().to_bytes() == *bytes;
        if usable { Ok(Self(key)) } else { Err(BadKey::Weak) }
    }

    /// The key's bytes (RFC 8032 §5.1.5).
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Name of the key.
    pub fn id(&self) -> KeyId {
        let digest = Sha256::digest(self.0.as_bytes());
        KeyId(hex::encode(digest.first_chunk::<KEY_ID_BYTES>().map_or(&[][..], |bytes| &bytes[..])))
    }

    /// Whether this key made the signature for this message (RFC 8032 §5.1.7, strict rules).
    pub fn verifies(&self, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0.as_bytes()))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = BadKey;

    fn try_from(text: String) -> Result<Self, BadKey> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl std::str::FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let encoded = text.strip_prefix(PREFIX).ok_or(BadKey::Text)?;
        let bytes = STANDARD.decode(encoded).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        Self::from_bytes(&bytes.ok_or(BadKey::Length)?)
    }
}

/// Why text or bytes are not a valid public key.
#[derive(Debug, Eq, PartialEq)]
pub enum BadKey {
    /// It lacks the prefix of a key. It is not shown: it might be a private key in the wrong place.
    Text,
    /// The text after `ed25519:` is not the base64 of 32 bytes.
    Length,
    /// The 32 bytes are not a point of the curve.
    NoPoint,
    /// The key has small order or a non-canonical encoding.
    Weak,
}

impl std::error::Error for BadKey {}

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("this is not a public key: it does not begin with `ed25519:`")?,
            Self::Length => f.write_str("this is not a public key: it has no 32 bytes in base64")?,
            Self::NoPoint => {
                f.write_str("this is not a public key: its 32 bytes are no point of the curve")?
            }
            Self::Weak => f.write_str("this is not a public key: it would match forged signatures")?,
        }
        f.write_str("; `tokenward keygen` prints one, `ed25519:` and 44 characters of base64")
    }
}

impl KeyId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TrustedKeys {
    /// Trusts these keys, of which at least `threshold` must sign.
    ///
    /// # Errors
    /// Fails if there are no keys, too many keys, a duplicate key, or a threshold that is 0 or above the number of
    /// keys.
    pub fn new(keys: Vec<PublicKey>, threshold: u64) -> Result<Self, Refusal> {
        let count = keys.len();
        let mut earlier = keys.iter().enumerate();
        let twice = earlier.find(|(number, key)| keys.iter().take(*number).any(|earlier| earlier == *key));
        if let Some((_, key)) = twice {
            return Err(Refusal::KeyTwice { key: key.id().to_string() });
        }
        let enough = usize::try_from(threshold).ok().filter(|needed| (1..=count).contains(needed));
        match enough {
            _ if count == 0 || count > MAX_KEYS => Err(Refusal::KeyCount { count, limit: MAX_KEYS }),
            Some(threshold) => Ok(Self { keys, threshold }),
            None => Err(Refusal::Threshold { threshold, count }),
        }
    }

    /// The keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// How many of them must sign.
    pub fn threshold(&self) -> usize {
        self.threshold
    }
}

const PREFIX: &str = "ed25519:";
const KEY_ID_BYTES: usize = 8;
/// Maximum number of keys in a configuration.
pub(crate) const MAX_KEYS: usize = 16;
