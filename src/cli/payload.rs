//! The content to sign: a bundle, or a revocation list.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::source::Source;
use crate::engine::authoring::lint::{Code, is_endless};
use crate::engine::config::bundle::{Bundle, from_json};
use crate::engine::config::envelope::{Envelope, PayloadType};
use crate::engine::config::problem::Problems;
use crate::engine::config::revocations::Revocations;
use crate::engine::policy::compiled::Policy;
use crate::engine::words::name::PolicyName;
use crate::engine::words::time::Time;

/// The content of a file that is signed or will be signed.
pub(super) enum Payload {
    Bundle(Box<Bundle>),
    Revocations(Revocations),
}

/// The kind of a file, judged by its outline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Signed(PayloadType),
    Unsigned(PayloadType),
}

impl Kind {
    pub(super) fn of(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        let list = |is: bool| if is { PayloadType::Revocations } else { PayloadType::Bundle };
        match value.get("payloadType") {
            Some(name) => Self::Signed(list(name == PayloadType::Revocations.as_str())),
            None => Self::Unsigned(list(value.get("tokens").is_some_and(Value::is_array))),
        }
    }

    pub(super) fn payload(self) -> PayloadType {
        match self {
            Self::Signed(kind) | Self::Unsigned(kind) => kind,
        }
    }

    /// The file's payload, with its signatures.
    ///
    /// # Errors
    /// The mistake in the envelope.
    pub(super) fn envelope(self, text: &str) -> Result<Envelope, Problems> {
        match self {
            Self::Signed(kind) => Envelope::parse(text.as_bytes(), kind),
            Self::Unsigned(kind) => Ok(Envelope::unsigned(text.as_bytes(), kind)),
        }
    }
}

/// The name of the policy in a bundle or list file.
pub(super) fn name_in(path: &Path) -> Option<PolicyName> {
    let source = Source::read(path).ok()?;
    let envelope = Kind::of(source.text()).envelope(source.text()).ok()?;
    let payload: Value = serde_json::from_slice(envelope.payload()).ok()?;
    payload.get("name")?.as_str()?.parse().ok()
}

impl Payload {
    /// Reads a payload, which gateways would accept.
    ///
    /// # Errors
    /// The mistakes in the bytes.
    pub(super) fn read(bytes: &[u8], kind: PayloadType) -> Result<Self, Problems> {
        match kind {
            PayloadType::Bundle => {
                let bundle: Box<Bundle> = from_json(bytes)?;
                Policy::compile(bundle.as_ref().clone())?;
                Ok(Self::Bundle(bundle))
            }
            PayloadType::Revocations => from_json(bytes).map(Self::Revocations),
        }
    }

    pub(super) fn name(&self) -> &PolicyName {
        match self {
            Self::Bundle(bundle) => &bundle.name,
            Self::Revocations(list) => &list.name,
        }
    }

    pub(super) fn revision(&self) -> u64 {
        match self {
            Self::Bundle(bundle) => bundle.revision,
            Self::Revocations(list) => list.revision,
        }
    }

    pub(super) fn built_at(&self) -> Option<Time> {
        match self {
            Self::Bundle(bundle) => bundle.built_at,
            Self::Revocations(list) => list.built_at,
        }
    }

    pub(super) fn expires_at(&self) -> Option<Time> {
        match self {
            Self::Bundle(bundle) => bundle.expires_at,
            Self::Revocations(_) => None,
        }
    }

    pub(super) fn good_until(&self) -> Option<Time> {
        match self {
            Self::Bundle(bundle) => bundle.good_until,
            Self::Revocations(list) => list.good_until,
        }
    }

    /// The warning for content that gateways can never recognize as old; `name` is its name.
    pub(super) fn endless(&self, name: impl fmt::Display) -> Option<Failure> {
        match self {
            Self::Bundle(bundle) if is_endless(bundle) => Some(
                Failure::new(format!("{name} never expires [{}]", Code::EndlessBundle))
                    .hint(Code::EndlessBundle.hint()),
            ),
            Self::Revocations(list) if list.good_until.is_none() => {
                Some(Failure::new(format!("{name} has no `good_until`")).hint(
                    "build it with `--good-for 24h`: then the gateway reports a server that repeats it",
                ))
            }
            Self::Bundle(_) | Self::Revocations(_) => None,
        }
    }

    pub(super) fn supersedes(&self) -> Option<u64> {
        match self {
            Self::Bundle(bundle) => bundle.supersedes,
            Self::Revocations(list) => list.supersedes,
        }
    }

    /// Makes it supersede revisions up to `newest`; returns the bytes to sign.
    pub(super) fn supersede(&mut self, newest: u64) -> Result<Vec<u8>, Failure> {
        let written = match self {
            Self::Bundle(bundle) => {
                bundle.supersedes = Some(newest);
                serde_json::to_vec(bundle)
            }
            Self::Revocations(list) => {
                list.supersedes = Some(newest);
                serde_json::to_vec(list)
            }
        };
        written.map_err(|error| Failure::new(format!("cannot write the payload: {error}")))
    }
}
