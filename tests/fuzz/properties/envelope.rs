//! Signed bundles: any bytes give an envelope or messages, and only signed content is trusted.

use ed25519_dalek::{Signer, SigningKey};
use serde_json::json;
use tokenward::engine::config::envelope::{Envelope, PayloadType, PublicKey, TrustedKeys};
use tokenward::engine::config::problem::Problems;
use tokenward::engine::memory::mark::{Mark, Order};
use tokenward::engine::policy::gateway::Gateway;

use super::is_one_line;

/// The input is an envelope, the payload of one, and a mark.
pub(crate) fn holds(data: &[u8]) {
    let key = SigningKey::from_bytes(&[1; 32]);
    let public = PublicKey::from_bytes(key.verifying_key().as_bytes()).unwrap();
    let trusted = TrustedKeys::new(vec![public.clone()], 1).unwrap();
    is_an_envelope(data, &trusted);
    is_a_payload(data, &key, &trusted);
    if let Some(mark) = Mark::from_bytes(data) {
        assert_eq!(mark.to_bytes(), data);
        assert_eq!(mark.order(&mark), Order::Same);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let configuration = json!({ "bundle": text, "keys": [public] }).to_string();
        if let Err(problems) = Gateway::configure(configuration.as_bytes()) {
            are_told(&problems);
        }
        if let Err(error) = text.parse::<PublicKey>() {
            is_one_line(&error.to_string());
        }
    }
}

fn is_an_envelope(data: &[u8], trusted: &TrustedKeys) {
    let envelope = match Envelope::parse(data, PayloadType::Bundle) {
        Ok(envelope) => envelope,
        Err(problems) => return are_told(&problems),
    };
    let written = envelope.to_json(PayloadType::Bundle);
    let again = Envelope::parse(written.as_bytes(), PayloadType::Bundle).unwrap();
    assert_eq!(again.payload(), envelope.payload());
    match (envelope.verify(trusted), again.verify(trusted)) {
        (Ok(verified), Ok(again)) => assert_eq!(verified.payload, again.payload),
        (Err(problems), Err(again)) => {
            assert_eq!(problems, again);
            are_told(&problems);
        }
        (one, two) => panic!("{one:?} once, {two:?} the other time"),
    }
}

/// Signed content verifies. With one byte of it or of the envelope's text changed, no other content verifies.
fn is_a_payload(data: &[u8], key: &SigningKey, trusted: &TrustedKeys) {
    let payload = &data[..data.len().min(256)];
    let mut envelope = Envelope::unsigned(payload, PayloadType::Bundle);
    let signature = key.sign(envelope.signed_bytes()).to_bytes();
    envelope.add(trusted.keys()[0].id(), signature);
    let text = envelope.to_json(PayloadType::Bundle);
    let parsed = Envelope::parse(text.as_bytes(), PayloadType::Bundle).unwrap();
    assert_eq!(parsed.verify(trusted).unwrap().payload, payload);

    let seed = data.iter().fold(data.len(), |seed, byte| seed.wrapping_mul(31) + usize::from(*byte));
    let bit = 1 << (seed % 8);
    if !payload.is_empty() {
        let mut changed = payload.to_vec();
        changed[seed % payload.len()] ^= bit;
        let mut other = Envelope::unsigned(&changed, PayloadType::Bundle);
        other.add(trusted.keys()[0].id(), signature);
        assert!(other.verify(trusted).is_err());
    }
    let mut changed = text.into_bytes();
    let at = seed % changed.len();
    changed[at] ^= bit;
    if let Ok(other) = Envelope::parse(&changed, PayloadType::Bundle)
        && let Ok(verified) = other.verify(trusted)
    {
        assert_eq!(verified.payload, payload, "byte {at} of the envelope");
    }
}

fn are_told(problems: &Problems) {
    for problem in problems.iter() {
        is_one_line(&problem.fault.to_string());
        is_one_line(&problem.place.to_string());
        problem.fault.hint().iter().for_each(|hint| is_one_line(hint));
    }
}
