//! `tokenward verify`: checks who signed a bundle, and whether a gateway would accept it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::input::PolicyFiles;
use crate::cli::payload::{Kind, Payload};
use crate::cli::source::Source;
use crate::cli::{Exit, Format, clock, numbering, output, workspace};
use crate::engine::config::envelope::{BadKey, KeyId, PublicKey, TrustedKeys};
use crate::engine::config::problem::{Place, Problems};
use crate::engine::config::settings::Settings;
use crate::engine::config::settings::trust::Trust;
use crate::engine::policy::rollback::is_stale;
use crate::engine::words::time::Time;

/// Check who signed a bundle
///
/// The keys are those of the gateway's settings: the keys of its `feed`, or its `keys` if it fetches nothing. The
/// bundle must also match the gateway's environment and service.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward verify bundle.dsse.json
  tokenward verify bundle.dsse.json --key release.key.pub")]
pub(super) struct Verify {
    /// Signed bundle from `tokenward sign`
    #[arg(value_name = "FILE")]
    bundle: PathBuf,
    /// Trusted public key, or a file with one, instead of the settings' keys; may be repeated
    #[arg(long, conflicts_with = "settings")]
    key: Vec<String>,
    /// How many of the keys must sign
    #[arg(long, value_name = "NUMBER", default_value_t = 1, requires = "key")]
    threshold: u64,
    #[command(flatten)]
    pub(super) files: PolicyFiles,
}

impl Verify {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let settings = self.settings()?;
        let trusted = trusted(&settings)?;
        let source = Source::read(&self.bundle)?;
        let path = self.bundle.display();
        let unusable = |problems: Problems| Failure::unusable(&path, "a usable signed bundle", &problems);
        let kind = Kind::of(source.text());
        let envelope = kind.envelope(source.text()).map_err(unusable)?;
        if let Kind::Unsigned(kind) = kind {
            Payload::read(envelope.payload(), kind).map_err(unusable)?;
            let unsigned = Failure::new(format!("{path} is not signed"));
            return Ok(no(&[unsigned.hint("`tokenward sign` signs it")], format));
        }
        let verified = match envelope.verify(&trusted) {
            Ok(verified) => verified,
            Err(problems) => {
                let failures = problems.iter().map(|problem| Failure::of(problem, &path, None));
                return Ok(no(&failures.collect::<Vec<_>>(), format));
            }
        };
        let payload = Payload::read(verified.payload, kind.payload()).map_err(unusable)?;
        if let Some(end) = payload.expires_at().filter(|end| *end <= clock::now()) {
            let expired = Failure::new(format!("{path} expired at {}", time(end)));
            let hint = "build and sign it again: a gateway answers everything with 503";
            return Ok(no(&[expired.hint(hint)], format));
        }
        let newest = payload.revision().max(payload.supersedes().unwrap_or(0));
        if let Some(ahead) = numbering::ahead(newest, clock::precise()) {
            return Ok(no(&[ahead.at(&path, None, &Place::default())], format));
        }
        if let Payload::Bundle(bundle) = &payload
            && let Err(problems) = settings.place(bundle.as_ref().clone())
        {
            let failures = problems.iter().map(|problem| Failure::of(problem, &path, None));
            return Ok(no(&failures.collect::<Vec<_>>(), format));
        }
        report(&payload, &verified.signers, format);
        if let Some(note) = note(&payload, &self.bundle) {
            output::note(&note);
        }
        Ok(Exit::Yes)
    }

    /// The settings of the gateway, or of one that trusts the named keys.
    fn settings(&self) -> Result<Settings, Vec<Failure>> {
        if self.key.is_empty() {
            let settings = self.files.settings_for(&self.bundle)?.ok_or_else(no_settings)?;
            return workspace::settings(&settings);
        }
        let keys = self.key.iter().map(|key| public_key(key)).collect::<Result<Vec<_>, _>>()?;
        Ok(Settings { keys: Some(keys), threshold: self.threshold, ..Settings::default() })
    }
}

/// The keys that must sign the content for a gateway.
fn trusted(settings: &Settings) -> Result<TrustedKeys, Vec<Failure>> {
    let trust = Trust::of(settings).map_err(|problems| {
        let failures = problems
            .iter()
            .map(|problem| Failure { hint: problem.fault.hint(), ..Failure::new(problem.fault.to_string()) });
        failures.collect::<Vec<_>>()
    })?;
    let nobody = || Failure::new("the settings have no `keys`").hint("`tokenward keygen` prints one");
    trust.feed.or(trust.configuration).ok_or_else(|| nobody().into())
}

fn no_settings() -> Failure {
    Failure::new("there is no gateway.yaml with the keys to check against")
        .hint("name a key with `--key`, the settings with `--settings`, or the policy's folder with `-p DIR`")
}

/// Reports why the bundle is not trusted.
fn no(failures: &[Failure], format: Format) -> Exit {
    failures.iter().for_each(output::failure);
    if format == Format::Json {
        output::json(&json!({ "trusted": false }));
    }
    Exit::No
}

/// A note about an accepted bundle: it is stale, or cannot become stale.
fn note(payload: &Payload, path: &Path) -> Option<Failure> {
    let path = path.display();
    if is_stale(payload.good_until(), clock::now()) {
        let stale = Failure::new(format!("{path} is stale: its `good_until` has passed"));
        return Some(stale.hint("build and sign it again: a gateway accepts it, but reports it as stale"));
    }
    payload.endless(path)
}

fn report(payload: &Payload, signers: &[KeyId], format: Format) {
    let (name, revision) = (payload.name(), payload.revision());
    if format == Format::Json {
        output::json(&json!({
            "trusted": true,
            "name": name,
            "revision": revision,
            "built_at": payload.built_at(),
            "expires_at": payload.expires_at(),
            "good_until": payload.good_until(),
            "supersedes": payload.supersedes(),
            "signers": signers,
        }));
        return;
    }
    let mut text = format!("{name}, revision {revision}");
    if let Some(supersedes) = payload.supersedes() {
        text += &format!(", may follow revision {supersedes}");
    }
    if let Some(built_at) = payload.built_at() {
        text += &format!(", built at {}", String::from(built_at));
    }
    if let Some(good_until) = payload.good_until() {
        text += &format!(", good until {}", time(good_until));
    }
    text += &match payload {
        Payload::Revocations(list) => {
            format!(", revokes {} tokens and {} secrets", list.tokens.len(), list.secrets.len())
        }
        Payload::Bundle(bundle) => bundle
            .expires_at
            .map_or(", never expires".to_owned(), |end| format!(", expires at {}", time(end))),
    };
    let keys = signers.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    output::data(&format!("{text}\nsigned by {keys}\n"));
}

/// A time, and its distance from now.
fn time(time: Time) -> String {
    format!("{} ({})", String::from(time), time.from_now(clock::now()))
}

/// Reads a public key from the text itself or from the file that it names.
fn public_key(text: &str) -> Result<PublicKey, Failure> {
    let path = Path::new(text);
    let text = if path.is_file() { Source::read(path)?.text().trim().to_owned() } else { text.to_owned() };
    text.parse().map_err(|error: BadKey| Failure::new(error.to_string()))
}
