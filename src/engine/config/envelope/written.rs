//! The envelope as JSON text (DSSE, envelope.md, "Standard JSON envelope").
//!
//! In: untrusted text. Out: its parts, with the payload still in base64. At most [`MAX_SIGNATURES`] signatures are
//! read. Reading stops at the first one beyond that, so a long list costs no memory.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use base64::{DecodeError, Engine as _, decoded_len_estimate};
use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::engine::config::envelope::signature::Signature;
use crate::engine::config::envelope::{MAX_KEY_ID, SIGNATURE_BYTES, at_most, pae_header, refused};
use crate::engine::config::problem::{Place, Problems};
use crate::engine::config::refusal::Refusal;
use crate::engine::words::fields::Mapping;

/// The envelope as written.
#[derive(Deserialize, Serialize)]
#[serde(
    remote = "Self",
    deny_unknown_fields,
    expecting = "a signed envelope: a mapping with `payload`, `payloadType`, `signatures`"
)]
pub(super) struct Written<'t> {
    #[serde(borrow, rename = "payloadType")]
    pub(super) payload_type: Cow<'t, str>,
    #[serde(borrow)]
    pub(super) payload: Cow<'t, str>,
    #[serde(borrow, deserialize_with = "few")]
    pub(super) signatures: Vec<WrittenSignature<'t>>,
}

#[derive(Deserialize, Serialize)]
#[serde(remote = "Self", deny_unknown_fields, expecting = "a mapping with `keyid` and `sig`")]
pub(super) struct WrittenSignature<'t> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    keyid: Option<Cow<'t, str>>,
    #[serde(borrow)]
    sig: Cow<'t, str>,
}

impl Written<'_> {
    /// The bytes that are signed for a type, and the offset of the payload in them. The payload is decoded in place,
    /// once.
    ///
    /// # Errors
    /// Fails if the payload is not base64.
    pub(super) fn signed_bytes(&self, kind: &str) -> Result<(Vec<u8>, usize), Problems> {
        let text = self.payload.as_bytes();
        let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
        let length = (text.len() / 4).saturating_mul(3).saturating_sub(padding);
        let header = pae_header(kind, length);
        let mut signed = Vec::with_capacity(header.len().saturating_add(decoded_len_estimate(text.len())));
        signed.extend(header.as_bytes());
        decode(text, &mut signed).ok_or_else(|| {
            refused(Place::default().key("payload"), Refusal::NotBase64 { what: "payload" })
        })?;
        Ok((signed, header.len()))
    }
}

impl<'t> WrittenSignature<'t> {
    /// A signature in the form to write.
    pub(super) fn of(signature: &'t Signature) -> Self {
        Self {
            keyid: signature.key.as_deref().map(Cow::Borrowed),
            sig: STANDARD.encode(signature.bytes).into(),
        }
    }

    /// Reads the signature at a place.
    ///
    /// # Errors
    /// Fails if the signature is malformed.
    pub(super) fn read(&self, place: &Place) -> Result<Signature, Problems> {
        if let Some(key) = &self.keyid {
            at_most(key.chars().count(), MAX_KEY_ID, "characters of a key id", place.key("keyid"))?;
        }
        let place = place.key("sig");
        let length = |count| refused(place.clone(), Refusal::SignatureLength { count });
        if self.sig.len() > SIGNATURE_TEXT {
            return Err(length((self.sig.len() / 4).saturating_mul(3)));
        }
        let mut bytes = Vec::new();
        decode(self.sig.as_bytes(), &mut bytes)
            .ok_or_else(|| refused(place.clone(), Refusal::NotBase64 { what: "signature" }))?;
        let bytes = <[u8; SIGNATURE_BYTES]>::try_from(bytes).map_err(|bytes| length(bytes.len()))?;
        Ok(Signature { key: self.keyid.as_ref().map(|key| key.clone().into_owned()), bytes })
    }
}

/// Appends the bytes of base64 text. The text may use either alphabet (protocol.md, "Protocol": verifiers must accept
/// both) but no mix, needs padding, and must have no excess bits. Only text that may be in the other alphabet is
/// decoded again.
fn decode(text: &[u8], bytes: &mut Vec<u8>) -> Option<()> {
    let begin = bytes.len();
    match STANDARD.decode_vec(text, bytes) {
        Ok(()) => Some(()),
        Err(DecodeError::InvalidByte(_, b'-' | b'_')) => {
            bytes.truncate(begin);
            URL_SAFE.decode_vec(text, bytes).ok()
        }
        Err(_) => None,
    }
}

/// Reads a list of signatures and stops beyond the maximum.
fn few<'de: 't, 't, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<WrittenSignature<'t>>, D::Error> {
    deserializer.deserialize_seq(Few(PhantomData))
}

struct Few<'t>(PhantomData<WrittenSignature<'t>>);

impl<'de: 't, 't> Visitor<'de> for Few<'t> {
    type Value = Vec<WrittenSignature<'t>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of signatures")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut signatures = Vec::new();
        while signatures.len() < MAX_SIGNATURES {
            let Some(signature) = list.next_element()? else { return Ok(signatures) };
            signatures.push(signature);
        }
        match list.next_element::<IgnoredAny>()? {
            None => Ok(signatures),
            Some(_) => Err(A::Error::custom(format_args!("more than {MAX_SIGNATURES} signatures"))),
        }
    }
}

// The derived functions are inherent, so they take precedence over the traits' functions.
impl<'de: 't, 't> Deserialize<'de> for Written<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(Mapping(deserializer))
    }
}

impl<'de: 't, 't> Deserialize<'de> for WrittenSignature<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(Mapping(deserializer))
    }
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl Serialize for WrittenSignature<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

/// Number of base64 characters of a signature.
const SIGNATURE_TEXT: usize = 88;
const MAX_SIGNATURES: usize = 16;
