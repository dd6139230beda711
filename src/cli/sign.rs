//! `tokenward sign`: signs a bundle, so that a gateway accepts it only from holders of the keys.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::build::{self, Contents};
use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::input::PolicyFiles;
use crate::cli::key::PrivateKey;
use crate::cli::numbering::{self, Former};
use crate::cli::payload::{Kind, Payload};
use crate::cli::source::Source;
use crate::cli::{Exit, Format, clock, files, output};
use crate::engine::config::envelope::{Envelope, KeyId, PayloadType};
use crate::engine::config::problem::Problems;

/// Sign a bundle, or add a signature to a signed one
///
/// It signs a revocation list (`build --revocations`) too. Several keys may sign: all in one call, or one after the
/// other where each key is kept. A gateway accepts the bundle when `threshold` of its `keys` have signed.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward sign bundle.json --key release.key -o bundle.dsse.json
  tokenward sign bundle.dsse.json --key security.key -o bundle.dsse.json")]
pub(super) struct Sign {
    /// Bundle from `build` or `sign`; by default the policy's folder is built, as a bundle that never expires
    #[arg(value_name = "FILE", conflicts_with_all = ["policy", "settings"])]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    pub(super) files: PolicyFiles,
    /// Private key from `tokenward keygen`; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// Newest revision that it may replace although its own is lower; earlier signatures become invalid
    #[arg(long, value_name = "REVISION")]
    allow_rollback: Option<u64>,
    /// File to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let keys = self.key.iter().map(|path| PrivateKey::read(path)).collect::<Result<Vec<_>, _>>()?;
        let (mut envelope, kind, payload) = self.envelope()?;
        let mut signers: Vec<KeyId> = Vec::new();
        for key in &keys {
            signers.push(key.sign(&mut envelope)?.id());
        }
        let mut text = envelope.to_json(kind);
        text.push('\n');
        match &self.output {
            None => output::data(&text),
            Some(path) => {
                files::replace(path, &text, Readers::Everybody)?;
                let (name, revision) = (payload.name(), payload.revision());
                if format == Format::Json {
                    output::json(
                        &json!({ "file": path, "name": name, "revision": revision, "signers": signers }),
                    );
                }
                let keys = signers.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
                output::done(&format!("signed {}: {name}, revision {revision}, by {keys}", path.display()));
            }
        }
        let noun = match kind {
            PayloadType::Bundle => "the signed bundle",
            PayloadType::Revocations => "the signed list",
        };
        if let Some(warning) = payload.endless(noun) {
            output::warning(&warning);
        }
        Ok(Exit::Yes)
    }

    /// The text to sign, and its name for messages.
    fn unsigned(&self) -> Result<(String, String), Vec<Failure>> {
        if let Some(path) = &self.bundle {
            return Ok((path.display().to_string(), Source::read(path)?.text().to_owned()));
        }
        let workspace = self.files.open()?;
        let former = Former::read(self.output.as_deref());
        let bundle = Contents::default().bundle(&workspace, &former, None)?;
        Ok((workspace.folder().display().to_string(), build::text(&bundle)?))
    }

    /// The envelope to sign, with its earlier signatures. Content that gateways would reject is not signed.
    fn envelope(&self) -> Result<(Envelope, PayloadType, Payload), Vec<Failure>> {
        let (name, text) = self.unsigned()?;
        let kind = Kind::of(&text);
        let unusable = |problems: Problems| Failure::unusable(&name, "a usable bundle", &problems);
        let envelope = kind.envelope(&text).map_err(unusable)?;
        let mut payload = Payload::read(envelope.payload(), kind.payload()).map_err(unusable)?;
        let bytes = match self.allow_rollback {
            Some(newest) => Some(payload.supersede(numbering::superseded(
                payload.revision(),
                newest,
                clock::precise(),
            )?)?),
            None => None,
        };
        let newest = payload.revision().max(payload.supersedes().unwrap_or(0));
        if let Some(ahead) = numbering::ahead(newest, clock::precise()) {
            return Err(ahead.into());
        }
        let kind = kind.payload();
        let envelope = bytes.map_or(envelope, |bytes| Envelope::unsigned(&bytes, kind));
        Ok((envelope, kind, payload))
    }
}
