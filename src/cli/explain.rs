//! `tokenward explain`: shows a decision and the steps to it.

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::input::Input;
use crate::cli::position::Position;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, output, registry};
use crate::engine::authoring::case::{Observed, Outcome, Rehearsal, Request, Site};
use crate::engine::authoring::explain::{Explanation, Line};
use crate::engine::config::problem::Place;
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
    /// Path of the request, including the query
    path: String,
    /// Token of the request: its id, or id/secret-id
    #[arg(long)]
    token: Option<String>,
    /// Time of the request, in RFC 3339; now by default
    #[arg(long)]
    at: Option<Time>,
    /// Host of the request
    #[arg(long)]
    host: Option<String>,
    /// Source address of the request
    #[arg(long, value_name = "ADDRESS")]
    source: Option<String>,
    /// Environment of the gateway, instead of the one in gateway.yaml
    #[arg(long)]
    environment: Option<EnvironmentName>,
    /// Service of the gateway, instead of the one in gateway.yaml
    #[arg(long)]
    service: Option<ServiceName>,
}

impl Explain {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let workspace = self.input.open()?;
        if let Some(note) = self.input.without_settings(workspace.gateway()) {
            output::note(&note);
        }
        let site = Site { environment: self.environment.clone(), service: self.service.clone() };
        let bundle = site.bundle(&workspace.bundle()?);
        let rehearsal = Rehearsal::of(bundle, &site.settings(&workspace.settings()?), &[])
            .map_err(|problems| workspace.failures(&problems))?;
        let now = self.at.unwrap_or_else(clock::now);
        let request = self.request(now);
        let document = workspace.bundle()?;
        let known = &document.tokens;
        if let Some(failure) = request.token.as_deref().and_then(|token| registry::stranger(known, token)) {
            return Err(failure.into());
        }
        let prepared = rehearsal.prepare(&request).map_err(|error| Failure::new(error.to_string()))?;
        let mut explanation = Explanation::default();
        let judged = prepared.judge(&mut explanation);
        let lines = explanation.lines(&document, now);
        let places = places(&workspace, &lines);
        let steps: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        match format {
            Format::Text => shown(&judged, &steps, &places).iter().for_each(|line| output::line(line)),
            Format::Json => output::json(&json!({
                "decision": judged.decision,
                "reason": judged.reason,
                "permission": judged.permission,
                "status": judged.status,
                "steps": steps,
                "places": places,
            })),
        }
        Ok(match judged.decision {
            Outcome::Permit => Exit::Yes,
            Outcome::Deny => Exit::No,
        })
    }

    fn request(&self, at: Time) -> Request {
        Request {
            method: self.method.clone(),
            path: self.path.clone(),
            host: self.host.clone(),
            token: self.token.clone(),
            assumed: None,
            secret: None,
            via: None,
            source: self.source.clone(),
            environment: None,
            service: None,
            earlier: 0,
            at: Some(at),
            headers: Entries::default(),
        }
    }
}

/// The document entry of each line, as file, line and column.
fn places(workspace: &Workspace, lines: &[Line]) -> Vec<Option<String>> {
    let named: Vec<&Place> = lines.iter().filter_map(|line| line.place.as_ref()).collect();
    let mut located = workspace.locate(&named).into_iter();
    let place = |line: &Line| {
        let (source, position) = line.place.as_ref().and_then(|_| located.next())?;
        let Position { line, column } = position?;
        Some(format!("{}:{line}:{column}", source.path.display()))
    };
    lines.iter().map(place).collect()
}

/// The lines for people: each step with its place, then the decision.
fn shown(judged: &Observed, steps: &[&str], places: &[Option<String>]) -> Vec<String> {
    let mut lines = Vec::new();
    for (step, place) in steps.iter().zip(places) {
        lines.push(format!("  {step}"));
        lines.extend(place.as_ref().map(|place| format!("    --> {place}")));
    }
    let status = match (judged.decision, judged.forwarded) {
        (Outcome::Permit, _) => "forwarded".to_owned(),
        (Outcome::Deny, true) => "forwarded in shadow".to_owned(),
        (Outcome::Deny, false) => judged.status.to_string(),
    };
    lines.push(format!("{}: {} ({status})", judged.decision, judged.reason));
    lines
}
