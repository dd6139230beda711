//! The output of the demo: readable at 80 columns, with a reason in plain words from 120.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::gateway::Gateway;
use crate::requests::{Exchange, Who};
use crate::secrets::CLI;

/// Prints a line.
pub(crate) fn line(text: &str) {
    writeln!(anstream::stdout(), "{text}").unwrap();
}

/// Prints a heading after an empty line.
pub(crate) fn heading(text: &str) {
    line(&format!("\n{BOLD}{text}{BOLD:#}\n"));
}

/// Prints a finished step, and how long it took.
pub(crate) fn step(verb: &str, what: &str, begin: Instant) {
    line(&format!("  {verb:<10}{what}, {:.1} s", begin.elapsed().as_secs_f64()));
}

/// Prints a line for each request.
pub(crate) fn table(exchanges: &[Exchange]) {
    let wide = width() >= WIDE;
    let note = if wide { "why, in words" } else { "" };
    heading(&row("who", "request", "", "why", note));
    for exchange in exchanges {
        let request = exchange.request;
        let style = match (exchange.is_as_expected(), exchange.response.status) {
            (false, _) => UNEXPECTED,
            (true, 200) => PERMITTED,
            (true, _) => DENIED,
        };
        let note = if wide { request.note } else { "" };
        let text = row(
            &who(request.who),
            &format!("{} {}", request.method, request.path),
            &exchange.response.status.to_string(),
            exchange.reason(),
            note,
        );
        line(&format!("{style}{text}{style:#}"));
    }
    let expected = exchanges.iter().filter(|exchange| exchange.is_as_expected()).count();
    line(&format!("\n{expected} of {} requests were answered as expected.", exchanges.len()));
}

/// Prints the audit events of a permitted and a denied request, field by field.
pub(crate) fn events(exchanges: &[Exchange]) {
    let first = |reason: &str| exchanges.iter().find(|exchange| exchange.reason() == reason).unwrap();
    let permitted = first("permitted");
    heading("The audit event of the first permitted request:");
    fields(&permitted.event, &PERMITTED_FIELDS);
    line("\n  The upstream got no credential. It got these headers:");
    for name in ["x-tokenward-token", "x-tokenward-identity"] {
        line(&format!("  {name}: {}", permitted.upstream_header(name)));
    }
    heading("The audit event of the first request without a permission:");
    fields(&first("insufficient_scope").event, &DENIED_FIELDS);
}

fn fields(event: &Value, fields: &[(&str, &str)]) {
    for (field, meaning) in fields {
        line(format!("  {field:<12}{:<30}{meaning}", text(&event[field])).trim_end());
    }
}

/// Prints what to try next; with `serve`, writes the secrets to a file that only the user can read.
pub(crate) fn next(gateway: &Gateway, serve: bool) {
    if !serve {
        heading("Next: `make run` starts the same and keeps serving; README.md has a quickstart.");
        return;
    }
    write_secrets(gateway);
    let (url, acme) = (format!("http://{}", gateway.address), gateway.path("acme"));
    heading("Try it from another terminal:");
    line(&format!("  . {}", gateway.path("tokens.sh")));
    let authorization = "-H \"Authorization: Bearer $CI_DEPLOY\"";
    line(&format!("  curl -i {authorization} {url}/v1/users/7"));
    line(&format!("  curl -i {authorization} -X POST {url}/v1/services/web/deployments"));
    line(&format!("  {CLI} explain -p {acme} GET /v1/users/7 --token ci-deploy"));
    heading(&format!("Edit {acme}/policy.yaml, and render it; Envoy loads it at once:"));
    let filter = gateway.path("filter.json");
    line(&format!("  {CLI} render ecds -p {acme} --wasm $PWD/dist/tokenward.wasm -o {filter}"));
}

fn write_secrets(gateway: &Gateway) {
    let path = gateway.path("tokens.sh");
    let _ = fs::remove_file(&path);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    for (token, secret) in &gateway.secrets.newest {
        writeln!(file, "export {}={secret}", token.replace('-', "_").to_uppercase()).unwrap();
    }
}

fn row(who: &str, request: &str, status: &str, reason: &str, note: &str) -> String {
    format!("  {who:<20}{request:<34}{status:<4}{reason:<20}{note}").trim_end().to_owned()
}

fn who(who: Who) -> String {
    match who {
        Who::Anonymous => "(no token)".to_owned(),
        Who::Token(token) => token.to_owned(),
        Who::Mistyped(token) => format!("{token}, mistyped"),
        Who::Retiring(token) => format!("{token}, old"),
        Who::Expired(token) => token.to_owned(),
    }
}

/// An event's value as people would write it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// The terminal's width, or `COLUMNS`.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    columns.or_else(terminal).unwrap_or(WIDE)
}

const PERMITTED_FIELDS: [(&str, &str); 9] = [
    ("decision", "permit or deny"),
    ("token", "the id; the secret is nowhere"),
    ("secret", "which of its secrets"),
    ("roles", "the token's roles"),
    ("permission", "what permits the request"),
    ("path", "as judged, without the query"),
    ("source", "the caller's address"),
    ("revision", "of the policy that decided"),
    ("seq", "`audit verify` finds gaps"),
];
const DENIED_FIELDS: [(&str, &str); 5] = [
    ("decision", "permit or deny"),
    ("reason", "no role has a permission for it"),
    ("token", "whose request it was"),
    ("method", "what it wanted to do"),
    ("path", "and where"),
];
const BOLD: Style = Style::new().bold();
const PERMITTED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const DENIED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Yellow)));
const UNEXPECTED: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Magenta)));
/// Minimum number of columns at which the notes fit.
const WIDE: usize = 120;
