//! How hard a secret is to guess for someone who has its digest.

use zxcvbn::zxcvbn;

use crate::cli::failure::Failure;

/// A warning about a secret that can be guessed; `words` are what a guesser of it knows.
///
/// A registry keeps digests without salt, in git and in bundles: who reads one tries billions of guesses a second.
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

/// The magnitude of guesses that take minutes: random secrets of the shortest length are above it.
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
