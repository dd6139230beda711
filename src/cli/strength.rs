//! Estimates how hard it is to guess a secret from its digest.

use zxcvbn::zxcvbn;

use crate::cli::failure::Failure;

/// A warning about a secret that can be guessed; `words` are words that an attacker knows.
///
/// A registry holds unsalted digests, in git and in bundles. An attacker who reads one can try billions of guesses a
/// second.
pub(super) fn weakness(secret: &[u8], words: &[&str]) -> Option<Failure> {
    let magnitude = zxcvbn(std::str::from_utf8(secret).ok()?, words).guesses_log10();
    if magnitude >= ENOUGH {
        return None;
    }
    let message = format!("the secret is weak: about 10^{:.0} guesses find it", magnitude.ceil());
    Some(Failure::new(message).hint(
        "replace it with one of `tokenward mint`: anyone who reads its digest can try guesses without limit",
    ))
}

/// Guesses, as a power of ten, that take minutes. Random secrets of the minimum length need more.
const ENOUGH: f64 = 12.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_repetitions_are_weak() {
        for weak in [
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "password1234567890",
            "abcabcabcabcabcabc",
            "monkey2024monkey2024",
            "alice-alice-alice",
        ] {
            assert!(weakness(weak.as_bytes(), &["alice"]).is_some(), "{weak}");
        }
        for strong in [
            "acme_svc_gVV1qeg3oguxIdh68NuN5BaDdPUICvXo4EnURu",
            "7|Ab3dEf7GhJkLmNpQrStUvWxYz0123456789abcdef",
            "12345678:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            "user,0f3c9a7be21d4856",
            "9fK2xLq8ZtR4vWm1",
        ] {
            assert!(weakness(strong.as_bytes(), &["user"]).is_none(), "{strong}");
        }
    }
}
