//! Why a signed bundle or its trusted keys are rejected: what is wrong and how to fix it.

use std::fmt;

use crate::engine::words::text::shown;

/// What is wrong with an envelope or with trusted keys.
#[expect(missing_docs, reason = "the fields are what the message names")]
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is not JSON.
    NoEnvelope { why: String },
    /// The payload has another type.
    Type { found: String, expected: &'static str },
    /// A part is not base64.
    NotBase64 { what: &'static str },
    /// A signature with the wrong length for Ed25519.
    SignatureLength { count: usize },
    /// Too few trusted keys have signed. `broken` is a trusted key that a signature names without being its
    /// signature. `strangers` are the names of other keys. `unchecked` is set if signatures remained unchecked
    /// because too many matched no key.
    Untrusted {
        signers: Vec<String>,
        threshold: usize,
        trusted: usize,
        broken: Option<String>,
        strangers: Vec<String>,
        unchecked: bool,
    },
    /// An unsigned bundle, although keys are configured.
    Unsigned,
    /// A signed bundle, but no keys are configured.
    NoKeys,
    /// An empty list of keys, or too many keys.
    KeyCount { count: usize, limit: usize },
    /// A duplicate key in the list.
    KeyTwice { key: String },
    /// A threshold that is 0 or above the number of keys.
    Threshold { threshold: u64, count: usize },
    /// A threshold without keys.
    ThresholdOfNone { threshold: u64 },
}

impl Refusal {
    /// How to fix it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::NoEnvelope { .. } => "a bundle is an object, or a string with what `tokenward sign` wrote",
            Self::Type { .. } => "give what `tokenward sign` wrote: a bundle where a bundle belongs",
            Self::NotBase64 { .. } | Self::SignatureLength { .. } => {
                "the envelope was cut or changed on its way: take what `tokenward sign` wrote as it is"
            }
            Self::Untrusted { unchecked: true, .. } => {
                "remove the signatures that fit no key, and add the `keyid` to each of the others"
            }
            Self::Untrusted { broken: Some(_), .. } => {
                "do not ship it before you know who changed the payload or the signature after signing"
            }
            Self::Untrusted { .. } => {
                "sign it with more of the keys (`tokenward sign` adds signatures), or add the signer's to `keys`"
            }
            Self::Unsigned => "sign it: `tokenward sign bundle.json --key FILE`",
            Self::NoKeys => "put the signers' public keys into `keys`; `tokenward keygen` prints them",
            Self::KeyCount { .. } => "list the signers' keys; omit `keys` for unsigned bundles",
            Self::KeyTwice { .. } => "remove one: a key counts once",
            Self::Threshold { .. } => "`threshold` is from 1 to the number of keys",
            Self::ThresholdOfNone { .. } => "add `keys`, or leave `threshold` out",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEnvelope { why } => write!(f, "this is not a signed bundle: {why}"),
            Self::Type { found, expected } => {
                write!(f, "the payload is of type `{}`, not of `{expected}`", shown(found))
            }
            Self::NotBase64 { what } => write!(f, "the {what} is not base64"),
            Self::SignatureLength { count } => {
                write!(f, "a signature has {count} bytes; an Ed25519 signature has 64")
            }
            Self::Untrusted { signers, threshold, trusted, broken, strangers, unchecked } => {
                write!(f, "signed by {} of {trusted} trusted keys", signers.len())?;
                if !signers.is_empty() {
                    write!(f, " ({})", list(signers.iter().map(String::as_str)))?;
                }
                write!(f, ", and {threshold} must have")?;
                if let Some(key) = broken {
                    write!(f, "; the signature of `{}` does not fit the payload", shown(key))?;
                }
                if !strangers.is_empty() {
                    write!(f, "; {} not trusted", list(strangers.iter().map(String::as_str)))?;
                }
                if *unchecked {
                    f.write_str("; more signatures were not checked, because too many fit no key")?;
                }
                Ok(())
            }
            Self::Unsigned => f.write_str("the bundle is not signed, but `keys` requires a signature"),
            Self::NoKeys => f.write_str("the bundle is signed, but there are no `keys` to verify it"),
            Self::KeyCount { count, limit } => write!(f, "{count} keys, where 1 to {limit} are allowed"),
            Self::KeyTwice { key } => write!(f, "key `{key}` is listed twice"),
            Self::Threshold { threshold, count } => {
                write!(f, "a threshold of {threshold} does not fit {count} keys")
            }
            Self::ThresholdOfNone { threshold } => {
                write!(f, "a threshold of {threshold}, but there are no `keys`")
            }
        }
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>().join(", ")
}
