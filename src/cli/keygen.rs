//! `tokenward keygen`: makes a key that signs bundles.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::key::PrivateKey;
use crate::cli::{Exit, Format, files, output};

/// Make a key that signs bundles, and print its public key
///
/// Only the signer may have the file. The public key, also in FILE.pub, goes into `keys` of each gateway's settings.
/// OpenSSL can read the file, and keys from OpenSSL (`openssl genpkey -algorithm ed25519`) can sign too.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward keygen -o release.key
  tokenward keygen --public release.key")]
pub(super) struct Keygen {
    /// File for the private key; an existing file is never overwritten
    #[arg(short, long, value_name = "FILE", required_unless_present = "public")]
    output: Option<PathBuf>,
    /// Print the public key of this private key, and make no new key
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
