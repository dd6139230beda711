//! `tokenward keygen`: a key to sign bundles with.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::key::PrivateKey;
use crate::cli::{Exit, Format, files, output};

/// Make a key to sign bundles with, and print its public key
///
/// Only the signer may have the file; the public key, which FILE.pub has as well, goes into `keys` of
/// each gateway's settings. OpenSSL reads the file, and its keys (`openssl genpkey -algorithm ed25519`) sign as well.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward keygen -o release.key
  tokenward keygen --public release.key")]
pub(super) struct Keygen {
    /// File to write the private key to; one that is there is not overwritten
    #[arg(short, long, value_name = "FILE", required_unless_present = "public")]
    output: Option<PathBuf>,
    /// Make none: print the public key of this private key
    #[arg(long, value_name = "FILE", conflicts_with = "output")]
    public: Option<PathBuf>,
}

impl Keygen {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let key = match &self.public {
            Some(path) => PrivateKey::read(path)?,
            None => PrivateKey::generate()?,
        };
        let public = key.public()?;
        if let Some(path) = &self.output {
            key.create(path)?;
            let mut beside = path.clone().into_os_string();
            beside.push(".pub");
            files::replace(beside.as_ref(), format!("{public}\n"), Readers::Everybody)?;
            output::done(&format!("made key {}; {} holds what signs with it", public.id(), path.display()));
        }
        match format {
            Format::Text => output::data(&format!("{public}\n")),
            Format::Json => {
                output::json(&json!({ "file": self.output, "public": public, "id": public.id() }));
            }
        }
        Ok(Exit::Yes)
    }
}
