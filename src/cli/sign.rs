//! `tokenward sign`: signatures on a bundle, so that a gateway takes it from nobody else.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::key::PrivateKey;
use crate::cli::source::Source;
use crate::cli::{Exit, Format, files, output};
use crate::engine::document::{Document, from_json};
use crate::engine::envelope::{Envelope, KeyId, PayloadType};
use crate::engine::policy::Policy;
use crate::engine::problem::Problems;

/// Sign a bundle, or add a signature to a signed one
///
/// Several keys may sign: all at once, or each where it is kept, one after the other. A gateway takes the bundle when
/// `threshold` of its `keys` have signed.
#[derive(Args, Debug)]
pub(super) struct Sign {
    /// Bundle that `tokenward build` or `tokenward sign` wrote
    bundle: PathBuf,
    /// Private key that `tokenward keygen` wrote; may be there several times
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    /// Newest revision that the bundle may follow though its own is lower; earlier signatures no longer fit
    #[arg(long, value_name = "REVISION")]
    allow_rollback: Option<u64>,
    /// File to write; standard output without it
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Sign {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let keys = self.key.iter().map(|path| PrivateKey::read(path)).collect::<Result<Vec<_>, _>>()?;
        let (mut envelope, document) = self.envelope()?;
        let mut signers: Vec<KeyId> = Vec::new();
        for key in &keys {
            signers.push(key.sign(&mut envelope)?.id());
        }
        let mut text = envelope.to_json(PayloadType::Bundle);
        text.push('\n');
        match &self.output {
            None => output::data(&text),
            Some(path) => {
                files::replace(path, &text, Readers::Everybody)?;
                let (name, revision) = (&document.name, document.revision);
                if format == Format::Json {
                    output::json(
                        &json!({ "file": path, "name": name, "revision": revision, "signers": signers }),
                    );
                }
                let keys = signers.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
                output::done(&format!("signed {}: {name}, revision {revision}, by {keys}", path.display()));
            }
        }
        Ok(Exit::Yes)
    }

    /// The bundle to sign, with the signatures that it has, and what it says.
    fn envelope(&self) -> Result<(Envelope, Document), Vec<Failure>> {
        let source = Source::read(&self.bundle)?;
        let mut envelope = match serde_json::from_str::<serde_json::Value>(source.text()) {
            Ok(value) if value.get("payloadType").is_some() => {
                Envelope::parse(source.text().as_bytes(), PayloadType::Bundle)
                    .map_err(|problems| unusable(&self.bundle, &problems))?
            }
            Ok(_) | Err(_) => Envelope::unsigned(source.text().as_bytes(), PayloadType::Bundle),
        };
        let mut document: Document =
            from_json(envelope.payload()).map_err(|problems| unusable(&self.bundle, &problems))?;
        if let Some(revision) = self.allow_rollback {
            allow_rollback(&mut document, revision)?;
            let payload = serde_json::to_vec(&document)
                .map_err(|error| Failure::new(format!("cannot write the bundle: {error}")))?;
            envelope = Envelope::unsigned(&payload, PayloadType::Bundle);
        }
        // What a gateway would refuse is not signed.
        Policy::compile(document.clone()).map_err(|problems| unusable(&self.bundle, &problems))?;
        Ok((envelope, document))
    }
}

/// Lets the bundle follow those up to a revision.
///
/// # Errors
/// That it may anyway.
pub(super) fn allow_rollback(document: &mut Document, revision: u64) -> Result<(), Failure> {
    if revision < document.revision {
        let own = document.revision;
        return Err(Failure::new(format!("the bundle's own revision, {own}, is above {revision}"))
            .hint("`--allow-rollback` names the revision that is in force, which this bundle is to take the place of"));
    }
    document.supersedes = Some(revision);
    Ok(())
}

fn unusable(path: &Path, problems: &Problems) -> Failure {
    Failure::new(format!("{} is no usable bundle\n{problems}", path.display()))
}
