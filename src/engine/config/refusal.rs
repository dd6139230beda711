//! Why a signed bundle, or the keys that it is checked against, are refused: what is wrong and what to do.

use std::fmt;

use crate::engine::words::text::shown;

/// What is wrong with an envelope or with trusted keys.
#[expect(missing_docs, reason = "the fields are what the message names")]
#[derive(Debug, Eq, PartialEq)]
pub enum Refusal {
    /// It is not JSON.
    NoEnvelope { why: String },
    /// The payload is of another type.
    Type { found: String, expected: &'static str },
    /// Something is not base64.
    NotBase64 { what: &'static str },
    /// A signature of another length than Ed25519's.
    SignatureLength { count: usize },
    /// Too few trusted keys have signed. `broken` is a trusted key that a signature names but that it is not of;
    /// `strangers` are names of other keys; `unchecked` is whether signatures were left unchecked, after too many that
    /// fit no key.
    Untrusted {
        signers: Vec<String>,
        threshold: usize,
        trusted: usize,
        broken: Option<String>,
        strangers: Vec<String>,
        unchecked: bool,
    },
    /// An unsigned bundle where keys are given.
    Unsigned,
    /// A signed bundle where no key is given.
    NoKeys,
    /// No keys in the list, or too many.
    KeyCount { count: usize, limit: usize },
    /// A key twice in the list.
    KeyTwice { key: String },
    /// A threshold that cannot be reached, or is reached by nothing.
    Threshold { threshold: u64, count: usize },
    /// A threshold without keys.
    ThresholdOfNone { threshold: u64 },
}

impl Refusal {
    /// What to do about it.
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
