//! `tokenward explain`: a decision and the steps that led to it.

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::input::Input;
use crate::cli::{Exit, Format, clock, output, registry};
use crate::engine::authoring::case::{Observed, Outcome, Rehearsal, Request, Site};
use crate::engine::authoring::explain::Explanation;
use crate::engine::words::entries::Entries;
use crate::engine::words::name::{EnvironmentName, ServiceName};
use crate::engine::words::time::Time;

/// Show what the policy decides about a request, and why
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward explain GET /v1/users/7 --token ci-deploy
  tokenward explain POST /v1/orders --token shop --bundle bundle.json")]
pub(super) struct Explain {
    #[command(flatten)]
    pub(super) input: Input,
    /// Method of the request
    method: String,
    /// Path of the request, query included
    path: String,
    /// Token that the request brings: its id, or id/secret-id
    #[arg(long)]
    token: Option<String>,
    /// Time of the request, in RFC 3339; now without it
    #[arg(long)]
    at: Option<Time>,
    /// Host of the request
    #[arg(long)]
    host: Option<String>,
    /// Address that the request comes from
    #[arg(long, value_name = "ADDRESS")]
    source: Option<String>,
    /// Environment of the gateway, instead of that in gateway.yaml
    #[arg(long)]
    environment: Option<EnvironmentName>,
    /// Service of the gateway, instead of that in gateway.yaml
    #[arg(long)]
    service: Option<ServiceName>,
}

impl Explain {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let workspace = self.input.open()?;
        if let Some(note) = self.input.without_settings(workspace.gateway()) {
            output::note(&note);
        }
        let site = Site { environment: self.environment, service: self.service };
        let bundle = site.bundle(&workspace.bundle()?);
        let rehearsal = Rehearsal::of(bundle, &site.settings(&workspace.settings()?), &[])
            .map_err(|problems| workspace.failures(&problems))?;
        let request = Request {
            method: self.method,
            path: self.path,
            host: self.host,
            token: self.token,
            assumed: None,
            secret: None,
            via: None,
            source: self.source,
            environment: None,
            service: None,
            earlier: 0,
            at: Some(self.at.unwrap_or_else(clock::now)),
            headers: Entries::default(),
        };
        let known = workspace.bundle()?.tokens;
        if let Some(failure) = request.token.as_deref().and_then(|token| registry::stranger(&known, token)) {
            return Err(failure.into());
        }
        let prepared = rehearsal.prepare(&request).map_err(|error| Failure::new(error.to_string()))?;
        let mut explanation = Explanation::default();
        let judged = prepared.judge(&mut explanation);
        let steps: Vec<String> = explanation.steps().map(ToString::to_string).collect();
        match format {
            Format::Text => output::data(&shown(&judged, &steps)),
            Format::Json => output::json(&json!({
                "decision": judged.decision,
                "reason": judged.reason,
                "permission": judged.permission,
                "status": judged.status,
                "steps": steps,
            })),
        }
        Ok(match judged.decision {
            Outcome::Permit => Exit::Yes,
            Outcome::Deny => Exit::No,
        })
    }
}

fn shown(judged: &Observed, steps: &[String]) -> String {
    let mut text: String = steps.iter().map(|step| format!("  {step}\n")).collect();
    let status = match (judged.decision, judged.forwarded) {
        (Outcome::Permit, _) => "forwarded".to_owned(),
        (Outcome::Deny, true) => "forwarded in shadow".to_owned(),
        (Outcome::Deny, false) => judged.status.to_string(),
    };
    text.push_str(&format!("{}: {} ({status})\n", judged.decision, judged.reason));
    text
}
