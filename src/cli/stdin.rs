//! A secret on standard input, where no process list and no shell history shows it.

use std::io::Read;

use crate::cli::failure::Failure;
use crate::engine::words::secret::{MAX_SECRET_BYTES, MIN_SECRET_BYTES, Secret, SecretDigest};

/// The digest of the secret on standard input; `command` is how the person can pass one.
///
/// # Errors
/// That standard input cannot be read, or is no secret; it is never shown.
pub(super) fn digest(command: &str) -> Result<SecretDigest, Failure> {
    let mut input = Vec::new();
    let limit = u64::try_from(MAX_SECRET_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    std::io::stdin()
        .take(limit)
        .read_to_end(&mut input)
        .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
    let secret = Secret::parse(input.trim_ascii_end()).ok_or_else(|| {
        Failure::new("standard input is not a secret").hint(format!(
            "a secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} letters, digits and `- . _ ~ + / =`; \
             pass it with `printf %s \"$SECRET\" | {command}`"
        ))
    })?;
    Ok(secret.digest())
}
