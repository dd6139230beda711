//! `tokenward verify`: who signed a bundle, and whether that is enough.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::source::Source;
use crate::cli::{Exit, Format, clock, output, workspace};
use crate::engine::document::{Document, from_json};
use crate::engine::envelope::{Envelope, KeyId, PayloadType, PublicKey, TrustedKeys};
use crate::engine::policy::Policy;
use crate::engine::problem::Problems;
use crate::engine::settings::Settings;
use crate::engine::time::Time;

/// Check who signed a bundle
#[derive(Args, Debug)]
pub(super) struct Verify {
    /// Bundle that `tokenward sign` wrote
    bundle: PathBuf,
    /// Public key that may have signed, or a file with one; may be there several times
    #[arg(long, required_unless_present = "settings", conflicts_with = "settings")]
    key: Vec<String>,
    /// How many of the keys must have signed
    #[arg(long, value_name = "NUMBER", default_value_t = 1, conflicts_with = "settings")]
    threshold: u64,
    /// The gateway's settings, as in gateway.yaml: its `keys` and `threshold`
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl Verify {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let trusted = self.trusted()?;
        let source = Source::read(&self.bundle)?;
        let envelope = Envelope::parse(source.text().as_bytes(), PayloadType::Bundle)
            .map_err(|problems| unusable(&self.bundle, &problems))?;
        let verified = match envelope.verify(&trusted) {
            Ok(verified) => verified,
            Err(problems) => {
                problems.iter().for_each(|problem| {
                    output::failure(&Failure::of(problem, self.bundle.display(), None));
                });
                if format == Format::Json {
                    output::json(&json!({ "trusted": false }));
                }
                return Ok(Exit::No);
            }
        };
        let document: Document =
            from_json(verified.payload).map_err(|problems| unusable(&self.bundle, &problems))?;
        Policy::compile(document.clone()).map_err(|problems| unusable(&self.bundle, &problems))?;
        tell(&document, &verified.signers, format);
        if document.expires_at.is_some_and(|end| end <= clock::now()) {
            let expired = Failure::new(format!("{} has expired", self.bundle.display()));
            output::failure(&expired.hint("a gateway answers everything by 503: build and sign it anew"));
            return Ok(Exit::No);
        }
        Ok(Exit::Yes)
    }

    fn trusted(&self) -> Result<TrustedKeys, Vec<Failure>> {
        let settings = match &self.settings {
            Some(path) => workspace::settings(&Source::read(path)?)?,
            None => {
                let keys = self.key.iter().map(|key| public_key(key)).collect::<Result<Vec<_>, _>>()?;
                Settings { keys: Some(keys), threshold: self.threshold, ..Settings::default() }
            }
        };
        let trusted = settings.trusted().map_err(|problems| {
            let failures = problems.iter().map(|problem| Failure {
                hint: problem.fault.hint(),
                ..Failure::new(problem.fault.to_string())
            });
            failures.collect::<Vec<_>>()
        })?;
        let nobody = || Failure::new("the settings have no `keys`").hint("`tokenward keygen` prints one");
        trusted.ok_or_else(|| nobody().into())
    }
}

fn tell(document: &Document, signers: &[KeyId], format: Format) {
    let Document { name, revision, built_at, expires_at, supersedes, .. } = document;
    if format == Format::Json {
        output::json(&json!({
            "trusted": true,
            "name": name,
            "revision": revision,
            "built_at": built_at,
            "expires_at": expires_at,
            "supersedes": supersedes,
            "signers": signers,
        }));
        return;
    }
    let mut text = format!("{name}, revision {revision}");
    if let Some(supersedes) = supersedes {
        text += &format!(", may follow revision {supersedes}");
    }
    if let Some(built_at) = built_at {
        text += &format!(", built at {}", String::from(*built_at));
    }
    let end = expires_at
        .map_or("never expires".to_owned(), |end: Time| format!("expires at {}", String::from(end)));
    let keys = signers.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    output::data(&format!("{text}, {end}\nsigned by {keys}\n"));
}

/// A public key as it is, or in a file.
fn public_key(text: &str) -> Result<PublicKey, Failure> {
    let path = Path::new(text);
    let text = if path.is_file() { Source::read(path)?.text().trim().to_owned() } else { text.to_owned() };
    text.parse().map_err(|error: crate::engine::envelope::BadKey| Failure::new(error.to_string()))
}

fn unusable(path: &Path, problems: &Problems) -> Failure {
    Failure::new(format!("{} is no usable signed bundle\n{problems}", path.display()))
}
