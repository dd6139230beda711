//! `tokenward hash`: the digest of a secret that exists already.

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::{Exit, Format, output, stdin};

/// Print the SHA-256 of a secret read from standard input
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  printf %s \"$SECRET\" | tokenward hash
  tokenward hash --json < secret.txt")]
pub(super) struct Hash {}

impl Hash {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let digest = stdin::digest("tokenward hash")?.to_hex();
        match format {
            Format::Text => output::data(&format!("{digest}\n")),
            Format::Json => output::json(&json!({ "sha256": digest })),
        }
        Ok(Exit::Yes)
    }
}
