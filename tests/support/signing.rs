//! Signing keys for the tests, and signed content.

use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use tokenward::engine::config::envelope::{Envelope, PayloadType, PublicKey};

/// A key that is always the same for the same number.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

/// Its public key.
pub(crate) fn public(number: u8) -> PublicKey {
    PublicKey::from_bytes(key(number).verifying_key().as_bytes()).unwrap()
}

/// The public keys as a configuration lists them.
pub(crate) fn publics(numbers: &[u8]) -> Value {
    json!(numbers.iter().map(|number| public(*number)).collect::<Vec<_>>())
}

/// The bundle, signed by these keys.
pub(crate) fn signed(bundle: &Value, numbers: &[u8]) -> Value {
    signed_as(bundle, PayloadType::Bundle, numbers)
}

/// A payload of any type, signed by these keys.
pub(crate) fn signed_as(payload: &Value, kind: PayloadType, numbers: &[u8]) -> Value {
    let mut envelope = Envelope::unsigned(payload.to_string().as_bytes(), kind);
    for number in numbers {
        let signature = key(*number).sign(envelope.signed_bytes());
        envelope.add(public(*number).id(), signature.to_bytes());
    }
    serde_json::from_str(&envelope.to_json(kind)).unwrap()
}

/// A configuration with an envelope that these keys must sign.
pub(crate) fn configuration(envelope: &Value, numbers: &[u8], threshold: usize) -> Value {
    json!({ "bundle": envelope.to_string(), "keys": publics(numbers), "threshold": threshold })
}
