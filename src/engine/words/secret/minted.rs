//! The form of the secrets that `tokenward mint` makes:
//! `<prefix>_<kind letters>_<32 random base62 digits><6 base62 digits of the CRC32 of all before them>`.
//!
//! In: bytes. Out: a checksum, or whether bytes have this form but a wrong checksum. The checksum protects
//! nothing, because anyone can compute it. It distinguishes a mistyped secret from an invented one.

use std::ops::Range;

/// Number of random characters in a minted secret: 32 base62 digits hold 190 bits.
pub const RANDOM_CHARACTERS: usize = 32;

/// First part of minted secrets if the policy sets no `token_prefix`.
pub const DEFAULT_PREFIX: &str = "tw";

/// The CRC32 of `text` in six base62 digits.
pub fn checksum(text: &[u8]) -> [u8; CHECKSUM_DIGITS] {
    let mut rest = crc32(text);
    let mut digits = [b'0'; CHECKSUM_DIGITS];
    for digit in digits.iter_mut().rev() {
        let position = usize::try_from(rest % 62).unwrap_or(0);
        *digit = BASE62.get(position).copied().unwrap_or(b'0');
        rest /= 62;
    }
    digits
}

/// Whether the text has the form of a secret minted with `prefix` but a wrong checksum: a typing error, which
/// an attacker who guesses does not make.
pub fn is_miscopied(presented: &[u8], prefix: &str) -> bool {
    let Some(body) = presented.len().checked_sub(CHECKSUM_DIGITS) else { return false };
    let Some((body, digits)) = presented.split_at_checked(body) else { return false };
    has_form(presented, prefix) && checksum(body) != *digits
}

/// Finds the first part of `text` after `from` with the form of a minted secret. Any prefix and any checksum
/// match: a mistyped secret is nearly a secret. The part includes the letters and digits that follow.
pub(crate) fn minted_stretch(text: &[u8], from: usize) -> Option<Range<usize>> {
    let part = |byte: &u8| byte.is_ascii_alphanumeric();
    let mut starts = (from..text.len()).filter(|at| text.get(*at) == Some(&b'_'));
    starts.find_map(|dash| {
        let (before, after) = text.split_at_checked(dash)?;
        let after = after.get(1..)?;
        let digits = after.iter().take_while(|byte| part(byte)).count();
        if digits < RANDOM_CHARACTERS + CHECKSUM_DIGITS {
            return None;
        }
        let letters = before.iter().rev().take_while(|byte| part(byte)).count();
        let prefix = before.len().checked_sub(letters)?.checked_sub(1)?;
        let prefixed = before.get(..prefix)?.iter().rev().take_while(|byte| part(byte)).count();
        let has_form =
            (1..=KIND_LETTERS).contains(&letters) && before.get(prefix) == Some(&b'_') && prefixed > 0;
        has_form.then(|| prefix.saturating_sub(prefixed)..dash.saturating_add(1).saturating_add(digits))
    })
}

fn has_form(presented: &[u8], prefix: &str) -> bool {
    let rest = presented.strip_prefix(prefix.as_bytes()).and_then(|rest| rest.strip_prefix(b"_"));
    let mut parts = rest.unwrap_or_default().splitn(2, |byte| *byte == b'_');
    let (letters, digits) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let is_letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=KIND_LETTERS).contains(&letters.len())
        && letters.iter().all(is_letter)
        && digits.len() == RANDOM_CHARACTERS + CHECKSUM_DIGITS
        && digits.iter().all(u8::is_ascii_alphanumeric)
}

/// CRC-32/ISO-HDLC, computed bit by bit. Speed does not matter: only unknown credentials are checked.
fn crc32(text: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(crc & 1));
    !text.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

const CHECKSUM_DIGITS: usize = 6;
/// Maximum number of letters in the abbreviation of a kind.
const KIND_LETTERS: usize = 3;
const POLYNOMIAL: u32 = 0xEDB8_8320;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_crc32_in_base62() {
        // The check value of CRC-32/ISO-HDLC: 0xCBF43926 for "123456789".
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
    }

    #[test]
    fn minted_secret_with_wrong_checksum_is_miscopied() {
        let body = format!("acme_svc_{}", "0aZ9".repeat(8));
        let tail = checksum(body.as_bytes());
        let minted = format!("{body}{}", std::str::from_utf8(&tail).unwrap());
        let miscopied = |text: &str| is_miscopied(text.as_bytes(), "acme");
        assert!(!miscopied(&minted));
        assert!(miscopied(&minted.replace("0aZ9", "0aZ8")));
        assert!(miscopied(&minted.replace("_svc_", "_adm_")));
        for other in [
            "",
            "acme_",
            "somebodys-guess-0001",
            &format!("{minted}0"),
            &minted.replace("acme_", "acmf_"),
            &minted.replace("_svc_", "_service_"),
            &minted.replace("0aZ9", "0a-8"),
        ] {
            assert!(!miscopied(other), "{other}");
        }
    }
}
