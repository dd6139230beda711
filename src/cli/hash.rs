//! `tokenward hash`: the digest of a secret that exists already.

use std::io::Read;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::{Exit, Format, output};
use crate::engine::secret::{MAX_SECRET_BYTES, MIN_SECRET_BYTES, Secret};

/// Print the SHA-256 of a secret read from standard input
#[derive(Args, Debug)]
pub(super) struct Hash {}

impl Hash {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let mut input = Vec::new();
        let limit = u64::try_from(MAX_SECRET_BYTES).unwrap_or(u64::MAX).saturating_add(2);
        std::io::stdin()
            .take(limit)
            .read_to_end(&mut input)
            .map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
        let Some(secret) = Secret::parse(input.trim_ascii_end()) else {
            return Err(Failure::new("standard input is not a secret")
                .hint(format!(
                    "a secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} letters, digits and `- . _ ~ + / =`; \
                     pass it with `printf %s \"$SECRET\" | tokenward hash`"
                ))
                .into());
        };
        let digest = secret.digest().to_hex();
        match format {
            Format::Text => output::data(&format!("{digest}\n")),
            Format::Json => output::json(&json!({ "sha256": digest })),
        }
        Ok(Exit::Yes)
    }
}
