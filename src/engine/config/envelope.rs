//! Signed bundles: a DSSE envelope with Ed25519 signatures (github.com/secure-systems-lab/dsse; RFC 8032).
//!
//! In: the envelope's text, and the trusted keys. Out: the payload's bytes, once enough distinct keys have signed
//! them for the requested type. Nothing reads a payload before that, and later code reads exactly the bytes that were
//! verified. A `keyid` only narrows down which key is tried.
//!
//! ed25519-dalek, a maintained and audited implementation that shares its SHA-2 with this crate, verifies signatures
//! by its strict rules. It rejects a key or `R` of small order and an `S` beyond the group's order. So nobody can
//! make a second signature from a first one, and no key matches a message that it never signed.

use std::cell::OnceCell;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::engine::config::bundle;
use crate::engine::config::bundle::MAX_BYTES;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::engine::config::envelope::key::MAX_KEYS;
pub use crate::engine::config::envelope::key::{BadKey, KeyId, PublicKey, TrustedKeys};
use crate::engine::config::envelope::signature::{Signature, Signers};
use crate::engine::config::envelope::written::{Written, WrittenSignature};
use crate::engine::config::problem::{Fault, Place, Problem, Problems};
use crate::engine::config::refusal::Refusal;

mod key;
mod signature;
mod written;

/// The type of a payload. A signature for one type is invalid for another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PayloadType {
    /// A bundle.
    Bundle,
    /// A list of revocations.
    Revocations,
}

impl PayloadType {
    /// The media type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "application/vnd.tokenward.bundle+json",
            Self::Revocations => "application/vnd.tokenward.revocations+json",
        }
    }

    /// A noun for messages.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Revocations => "revocations",
        }
    }
}

/// A payload with its signatures, not verified yet.
#[derive(Debug)]
pub struct Envelope {
    /// The signed bytes: DSSE's pre-authentication encoding, with the payload at its end.
    signed: Vec<u8>,
    payload_at: usize,
    signatures: Vec<Signature>,
}

/// A payload that enough trusted keys have signed.
#[derive(Clone, Debug)]
pub struct Verified<'e> {
    /// The payload.
    pub payload: &'e [u8],
    /// The keys that signed it, in the order of the trusted keys.
    pub signers: Vec<KeyId>,
    digest: OnceCell<[u8; 32]>,
}

impl Envelope {
    /// Reads an envelope and checks that its payload has the expected type.
    ///
    /// # Errors
    /// The first mistake, with its place in the envelope.
    pub fn parse(text: &[u8], kind: PayloadType) -> Result<Self, Problems> {
        let root = Place::default;
        at_most(text.len(), MAX_BYTES, "bytes", root())?;
        few_escapes(text)?;
        let written: Written<'_> = bundle::from_json(text).map_err(no_envelope)?;
        if written.payload_type != kind.as_str() {
            let found = written.payload_type.chars().take(MAX_KEY_ID).collect();
            return Err(refused(root().key("payloadType"), Refusal::Type { found, expected: kind.as_str() }));
        }
        let mut signatures = Vec::new();
        for (number, entry) in written.signatures.iter().enumerate() {
            signatures.push(entry.read(&root().key("signatures").index(number))?);
        }
        let (signed, payload_at) = written.signed_bytes(kind.as_str())?;
        Ok(Self { signed, payload_at, signatures })
    }

    /// An envelope without signatures.
    pub fn unsigned(payload: &[u8], kind: PayloadType) -> Self {
        let signed = pre_authentication_encoding(kind.as_str(), payload);
        Self { payload_at: signed.len().saturating_sub(payload.len()), signed, signatures: Vec::new() }
    }

    /// Verifies the signatures. Each check hashes the payload, so the number of failing checks is bounded.
    ///
    /// # Errors
    /// Fails if fewer distinct keys than the threshold signed the payload.
    pub fn verify(&self, trusted: &TrustedKeys) -> Result<Verified<'_>, Problems> {
        let fits = |key: &PublicKey, signature: &Signature| key.verifies(&self.signed, &signature.bytes);
        let Signers { signed, exhausted } =
            Signers::of(&self.signatures, trusted, self.payload().len(), fits);
        let signers = trusted.keys().iter().zip(&signed).filter(|(_, signed)| **signed);
        let signers: Vec<KeyId> = signers.map(|(key, _)| key.id()).collect();
        if signers.len() < trusted.threshold() {
            let refusal = self.untrusted(signers, trusted, exhausted);
            return Err(refused(Place::default().key("signatures"), refusal));
        }
        Ok(Verified { payload: self.payload(), signers, digest: OnceCell::new() })
    }

    /// The unverified payload. Only signers may use it.
    pub fn payload(&self) -> &[u8] {
        self.signed.get(self.payload_at..).unwrap_or_default()
    }

    /// The bytes that a signer signs.
    pub fn signed_bytes(&self) -> &[u8] {
        &self.signed
    }

    /// The key ids that the signatures name, for display.
    pub fn named_keys(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().filter_map(|signature| signature.key.as_deref())
    }

    /// Adds a signature, or replaces an earlier one that names the same key.
    pub fn add(&mut self, key: KeyId, signature: [u8; SIGNATURE_BYTES]) {
        let key = key.as_str().to_owned();
        self.signatures.retain(|earlier| earlier.key.as_ref() != Some(&key));
        self.signatures.push(Signature { key: Some(key), bytes: signature });
    }

    /// The envelope as text.
    pub fn to_json(&self, kind: PayloadType) -> String {
        let written = Written {
            payload_type: kind.as_str().into(),
            payload: STANDARD.encode(self.payload()).into(),
            signatures: self.signatures.iter().map(WrittenSignature::of).collect(),
        };
        serde_json::to_string(&written).unwrap_or_default()
    }

    #[cold]
    fn untrusted(&self, signers: Vec<KeyId>, trusted: &TrustedKeys, unchecked: bool) -> Refusal {
        let known = |name: &&str| trusted.keys().iter().any(|key| key.id().as_str() == *name);
        let missing = |name: &&str| signers.iter().all(|signer| signer.as_str() != *name);
        Refusal::Untrusted {
            broken: self.named_keys().filter(known).find(missing).map(str::to_owned),
            strangers: self.named_keys().filter(|name| !known(name)).map(str::to_owned).collect(),
            signers: signers.iter().map(ToString::to_string).collect(),
            threshold: trusted.threshold(),
            trusted: trusted.keys().len(),
            unchecked,
        }
    }
}

impl Verified<'_> {
    /// SHA-256 of the payload, to compare payloads.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| Sha256::digest(self.payload).into())
    }
}

/// DSSE's `PAE(type, body)` (protocol.md, "Signature Definition").
pub fn pre_authentication_encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let header = pae_header(kind, payload.len());
    let mut encoded = Vec::with_capacity(header.len().saturating_add(payload.len()));
    encoded.extend(header.as_bytes());
    encoded.extend(payload);
    encoded
}

/// The bytes before a payload of this length.
fn pae_header(kind: &str, length: usize) -> String {
    format!("DSSEv1 {} {kind} {length} ", kind.len())
}

/// Rejects text with too many escapes, because reading an escape is slow. Base64 needs no escapes, but some programs
/// escape each `+` or `/`.
fn few_escapes(text: &[u8]) -> Result<(), Problems> {
    let count = text.iter().filter(|byte| **byte == b'\\').count();
    if count <= MAX_ESCAPES.max(text.len() / BYTES_PER_ESCAPE) {
        return Ok(());
    }
    let message = format!("{count} escapes in {} bytes are more than an envelope needs", text.len());
    Err(Problem { place: Place::default(), fault: Fault::Shape(message) }.into())
}

fn at_most(count: usize, limit: usize, what: &'static str, place: Place) -> Result<(), Problems> {
    let fault = Fault::TooMany { what, count, limit };
    if count > limit { Err(Problem { place, fault }.into()) } else { Ok(()) }
}

/// Reports text that is not JSON as not an envelope.
fn no_envelope(problems: Problems) -> Problems {
    let syntax = |fault: &Fault| matches!(fault, Fault::Syntax { .. }).then(|| fault.to_string());
    let why = problems.iter().find_map(|problem| syntax(&problem.fault));
    why.map_or(problems, |why| refused(Place::default(), Refusal::NoEnvelope { why }))
}

fn refused(place: Place, refusal: Refusal) -> Problems {
    Problem { place, fault: Fault::Signed(refusal) }.into()
}

/// Length of a signature (RFC 8032 §5.1.6).
pub const SIGNATURE_BYTES: usize = 64;
const MAX_KEY_ID: usize = 128;
/// Number of escapes that every envelope may have; a longer one may have more.
const MAX_ESCAPES: usize = 1_024;
const BYTES_PER_ESCAPE: usize = 24;
