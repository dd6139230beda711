//! `tokenward build`: builds the bundle that ships, from policy document and registry.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::files::Readers;
use crate::cli::input::PolicyFiles;
use crate::cli::numbering::{Former, superseded};
use crate::cli::workspace::{Workspace, both};
use crate::cli::{Exit, Format, clock, files, output};
use crate::engine::config::bundle::Bundle;
use crate::engine::config::revocations::Revocations;
use crate::engine::words::name::{EnvironmentName, ServiceName};
use crate::engine::words::text::visible_json;
use crate::engine::words::time::Span;

/// Build the bundle that ships
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward build -o bundle.json
  tokenward build --expires-in 30d --good-for 24h -o bundle.json")]
pub(super) struct Build {
    #[command(flatten)]
    pub(super) files: PolicyFiles,
    /// File to write; standard output by default
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    contents: Contents,
    /// Newest revision that the bundle may replace although its own is lower; for signed bundles
    #[arg(long, value_name = "REVISION")]
    allow_rollback: Option<u64>,
    /// Build the revocation list instead: a small file, shipped beside the bundle
    #[arg(long, conflicts_with_all = ["environment", "service", "expires_in", "settings"])]
    revocations: bool,
}

/// The parts of a bundle beside the policy and its tokens.
#[derive(Args, Clone, Debug, Default)]
#[group(skip)]
pub(super) struct Contents {
    /// Revision of the bundle, higher than the last one; by default milliseconds since 1970, and above the revision
    /// of the file
    #[arg(long)]
    revision: Option<u64>,
    /// Environment of the bundle; gateways in another one reject it
    #[arg(long)]
    environment: Option<EnvironmentName>,
    /// Service of the bundle; gateways of another one reject it
    #[arg(long)]
    service: Option<ServiceName>,
    /// How long the bundle is valid, as in 30d; after that, gateways deny everything. By default it never expires
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    /// When a newer bundle must have arrived, as in 24h; without one a gateway continues, and reports that this one
    /// is stale
    #[arg(long, value_name = "SPAN")]
    good_for: Option<Span>,
}

impl Build {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let workspace = self.files.open()?;
        if self.revocations {
            return self.build_revocations(&workspace, format);
        }
        let former = Former::read(self.output.as_deref());
        let document = self.contents.bundle(&workspace, &former, self.allow_rollback)?;
        let bundle = text(&document)?;
        match &self.output {
            None => output::data(&bundle),
            Some(path) => {
                files::replace(path, &bundle, Readers::Everybody)?;
                let (name, revision, tokens) = (&document.name, document.revision, document.tokens.len());
                if format == Format::Json {
                    output::json(
                        &json!({ "file": path, "name": name, "revision": revision, "tokens": tokens }),
                    );
                }
                let file = path.display();
                output::done(&format!("built {file}: {name}, revision {revision}, {tokens} tokens"));
            }
        }
        Ok(Exit::Yes)
    }

    /// Builds the revocation list. It needs only the registry and the policy's name, so other mistakes do not delay
    /// it.
    fn build_revocations(&self, workspace: &Workspace, format: Format) -> Result<Exit, Vec<Failure>> {
        if let Some(missing) = workspace.missing_registry() {
            return Err(missing.into());
        }
        let now = clock::now();
        let list = Revocations::of(workspace.policy()?.name, &workspace.registry()?);
        let former = Former::read(self.output.as_deref());
        let revision = former.number(self.contents.revision, self.allow_rollback, clock::precise())?;
        let supersedes =
            self.allow_rollback.map(|newest| superseded(revision, newest, clock::precise())).transpose()?;
        let good_until = self.contents.good_for.map(|span| now.plus(span));
        let list = Revocations { revision, good_until, supersedes, ..list };
        let built = |built_at| Revocations { built_at, ..list.clone() };
        let list = built(former.same(revision, supersedes, built)?.or(Some(now)));
        let mut text = serde_json::to_string(&list)
            .map_err(|error| Failure::new(format!("cannot write the revocations: {error}")))?;
        text.push('\n');
        let Some(path) = &self.output else {
            output::data(&text);
            return Ok(Exit::Yes);
        };
        files::replace(path, &text, Readers::Everybody)?;
        let Revocations { name, revision, tokens, secrets, .. } = &list;
        let (tokens, secrets) = (tokens.len(), secrets.len());
        if format == Format::Json {
            output::json(&json!({
                "file": path, "name": name, "revision": revision, "tokens": tokens, "secrets": secrets
            }));
        }
        let file = path.display();
        output::done(&format!(
            "built {file}: {name}, revision {revision}, revokes {tokens} tokens and {secrets} secrets"
        ));
        Ok(Exit::Yes)
    }
}

impl Contents {
    /// Builds the bundle of a policy's folder, to replace an earlier one.
    ///
    /// # Errors
    /// The problems of the policy or the gateway's settings, or why the gateway would reject the bundle.
    pub(super) fn bundle(
        &self,
        workspace: &Workspace,
        former: &Former,
        allow_rollback: Option<u64>,
    ) -> Result<Bundle, Vec<Failure>> {
        let ((mut document, _), _) = both(workspace.compile(), workspace.settings())?;
        if let Some(missing) = workspace.missing_registry() {
            return Err(missing.into());
        }
        let now = clock::now();
        document.revision = former.number(self.revision, allow_rollback, clock::precise())?;
        if self.environment.is_some() {
            document.environment.clone_from(&self.environment);
        }
        if self.service.is_some() {
            document.service.clone_from(&self.service);
        }
        document.expires_at = self.expires_in.map(|span| now.plus(span));
        document.good_until = self.good_for.map(|span| now.plus(span));
        if document.expires_at.is_some() && document.expires_at < document.good_until {
            let failure = Failure::new("`--good-for` is longer than `--expires-in`");
            return Err(failure
                .hint("make `--good-for` shorter: after its expiry the gateway denies everything")
                .into());
        }
        if let Some(newest) = allow_rollback {
            document.supersedes = Some(superseded(document.revision, newest, clock::precise())?);
        }
        fits_gateway(&document, workspace)?;
        let built = |built_at| Bundle { built_at, ..document.clone() };
        document.built_at = former.same(document.revision, document.supersedes, built)?.or(Some(now));
        Ok(document)
    }
}

/// Rejects a bundle that the gateway beside the policy would reject.
fn fits_gateway(document: &Bundle, workspace: &Workspace) -> Result<(), Vec<Failure>> {
    let Some(gateway) = workspace.gateway() else { return Ok(()) };
    let Err(problems) = workspace.settings()?.place(document.clone()) else { return Ok(()) };
    let shown = |problem| {
        let failure = Failure::of(problem, gateway.path.display(), None);
        failure
            .hint("omit `--environment` and `--service`, or name that gateway's settings with `--settings`")
    };
    Err(problems.iter().map(shown).collect())
}

/// The bundle as the text of a file.
///
/// # Errors
/// Fails if it cannot be written as JSON.
pub(super) fn text(document: &Bundle) -> Result<String, Failure> {
    let text = serde_json::to_string(document)
        .map_err(|error| Failure::new(format!("cannot write the bundle: {error}")))?;
    Ok(format!("{}\n", visible_json(&text)))
}
