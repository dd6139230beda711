//! Signatures, and which of the trusted keys made them.
//!
//! In: the signatures of an envelope in their order, and the trusted keys. Out: which keys have signed. Each check of
//! a signature hashes the whole payload, and anyone can write signatures that match no key. So malformed signatures
//! are never checked. Signatures that name a trusted key are checked first, against that key only. The number of
//! hashed bytes bounds the failing checks.

use crate::engine::config::envelope::{KeyId, PublicKey, SIGNATURE_BYTES, TrustedKeys};

/// A signature, not verified yet.
#[derive(Debug)]
pub(super) struct Signature {
    /// The key id that the signature names. It is not trusted.
    pub(super) key: Option<String>,
    pub(super) bytes: [u8; SIGNATURE_BYTES],
}

/// The keys that have signed.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Signers {
    /// Whether each trusted key has signed, in the order of the keys.
    pub(super) signed: Vec<bool>,
    /// Whether signatures remained unchecked because too many matched no key.
    pub(super) exhausted: bool,
}

impl Signature {
    fn names(&self, key: &KeyId) -> bool {
        self.key.as_deref() == Some(key.as_str())
    }

    /// Whether any key could have made it: its point is not of small order, and its number is below the group's order
    /// (RFC 8032 §5.1.7, step 1). This check needs no hash.
    fn is_well_formed(&self) -> bool {
        let Some((point, number)) = self.bytes.split_first_chunk::<32>() else { return false };
        number.iter().rev().lt(GROUP_ORDER.iter().rev()) && PublicKey::from_bytes(point).is_ok()
    }
}

impl Signers {
    /// Finds the keys that have signed a payload of this length; `fits` checks a signature against a key.
    ///
    /// Stops once enough of the named keys have signed.
    pub(super) fn of(
        signatures: &[Signature],
        trusted: &TrustedKeys,
        payload: usize,
        mut fits: impl FnMut(&PublicKey, &Signature) -> bool,
    ) -> Self {
        let keys: Vec<(&PublicKey, KeyId)> = trusted.keys().iter().map(|key| (key, key.id())).collect();
        let mut signers = Self { signed: vec![false; keys.len()], exhausted: false };
        let mut in_vain = most_in_vain(payload);
        let well_formed = signatures.iter().filter(|signature| signature.is_well_formed());
        let is_named = |signature: &Signature| keys.iter().any(|(_, id)| signature.names(id));
        let mut candidates: Vec<(bool, &Signature)> = well_formed.map(|one| (is_named(one), one)).collect();
        candidates.sort_by_key(|(is_named, _)| !is_named);
        for (is_named, signature) in candidates {
            if !is_named && signers.count() >= trusted.threshold() {
                break;
            }
            for ((key, id), signed) in keys.iter().zip(&mut signers.signed) {
                if *signed || (is_named && !signature.names(id)) {
                    continue;
                }
                let Some(left) = usize::checked_sub(in_vain, 1) else {
                    signers.exhausted = true;
                    return signers;
                };
                *signed = fits(key, signature);
                if *signed {
                    break;
                }
                in_vain = left;
            }
        }
        signers
    }

    fn count(&self) -> usize {
        self.signed.iter().filter(|signed| **signed).count()
    }
}

/// The maximum number of failing checks for a payload of this length.
fn most_in_vain(payload: usize) -> usize {
    MAX_HASHED.checked_div(payload).unwrap_or(MAX_IN_VAIN).clamp(1, MAX_IN_VAIN)
}

/// Maximum number of bytes to hash for signatures that match no key. At least one signature is checked for any
/// payload.
const MAX_HASHED: usize = 32 << 20;
/// Maximum number of failing checks.
const MAX_IN_VAIN: usize = 32;
/// L of RFC 8032 §5.1, little-endian.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 24 << 20;
    const SMALL: usize = 1_000;

    fn keys(count: u8) -> Vec<PublicKey> {
        let key = |seed: u8| ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
        (0..count).map(|seed| PublicKey::from_bytes(key(seed).as_bytes()).unwrap()).collect()
    }

    /// Well-formed signatures that match no key; the last byte of the number makes them distinct.
    fn junk(count: usize, name: Option<&KeyId>) -> Vec<Signature> {
        let point = keys(1)[0].to_bytes();
        let bytes = |number: u8| {
            let mut bytes = [0; SIGNATURE_BYTES];
            bytes[..32].copy_from_slice(&point);
            bytes[32] = number;
            bytes
        };
        let one = |number: usize| Signature {
            key: name.map(|name| name.as_str().to_owned()),
            bytes: bytes(u8::try_from(number).unwrap()),
        };
        (0..count).map(one).collect()
    }

    /// The keys found and the number of checks, if the key at `good` matches the signature with `fitting`.
    fn checked(
        signatures: &[Signature],
        trusted: &TrustedKeys,
        payload: usize,
        good: Option<(usize, u8)>,
    ) -> (Signers, usize) {
        let mut checks = 0;
        let signers = Signers::of(signatures, trusted, payload, |key, signature| {
            checks = usize::saturating_add(checks, 1);
            good.is_some_and(|(at, fitting)| trusted.keys()[at] == *key && signature.bytes[32] == fitting)
        });
        (signers, checks)
    }

    #[test]
    fn junk_signatures_cost_few_hashes() {
        let one = TrustedKeys::new(keys(1), 1).unwrap();
        let all = TrustedKeys::new(keys(16), 1).unwrap();
        let name = one.keys()[0].id();
        for (trusted, named, payload, expected) in [
            (&one, Some(&name), LARGE, 1),
            (&one, None, LARGE, 1),
            (&all, None, LARGE, 1),
            (&all, Some(&name), LARGE, 1),
            (&all, None, 16 << 20, 2),
            (&all, None, usize::MAX, 1),
            (&one, Some(&name), SMALL, 16),
            (&all, None, SMALL, 32),
            (&all, None, 0, 32),
        ] {
            let (signers, checks) = checked(&junk(16, named), trusted, payload, None);
            assert_eq!((signers.count(), checks), (0, expected), "{named:?} {payload}");
            assert_eq!(signers.exhausted, expected < 16 || trusted.keys().len() > 1 && named.is_none());
        }
    }

    #[test]
    fn junk_never_displaces_a_named_signature() {
        let trusted = TrustedKeys::new(keys(16), 1).unwrap();
        let name = trusted.keys()[7].id();
        let mut signatures = junk(15, None);
        signatures.push(Signature { key: Some(name.as_str().to_owned()), ..junk(16, None).remove(15) });
        let (signers, checks) = checked(&signatures, &trusted, LARGE, Some((7, 15)));
        assert_eq!((signers.count(), signers.signed[7], signers.exhausted, checks), (1, true, false, 1));
    }

    #[test]
    fn unnamed_signature_is_tried_with_each_key() {
        let trusted = TrustedKeys::new(keys(16), 1).unwrap();
        let (signers, checks) = checked(&junk(1, None), &trusted, SMALL, Some((15, 0)));
        assert_eq!((signers.count(), checks), (1, 16));
    }

    #[test]
    fn malformed_signature_is_never_checked() {
        let trusted = TrustedKeys::new(keys(1), 1).unwrap();
        let with = |change: fn(&mut [u8; SIGNATURE_BYTES])| {
            let mut signatures = junk(1, Some(&trusted.keys()[0].id()));
            signatures.iter_mut().for_each(|signature| change(&mut signature.bytes));
            checked(&signatures, &trusted, LARGE, None).1
        };
        assert_eq!(with(|_| {}), 1);
        assert_eq!(with(|bytes| bytes[32..].copy_from_slice(&GROUP_ORDER)), 0, "S = L");
        assert_eq!(with(|bytes| bytes[32..].fill(0xFF)), 0, "S > L");
        assert_eq!(with(|bytes| bytes[..32].fill(0)), 0, "R of small order");
        assert_eq!(with(|bytes| bytes[..32].fill(2)), 0, "R is no point");
    }
}
