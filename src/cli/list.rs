//! `tokenward list`: lists tokens and their secrets, with the state of each.

use std::cmp::Ordering;
use std::path::Path;

use clap::{Args, ValueEnum};
use comfy_table::{Table, presets};
use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;
use crate::cli::nearest::help;
use crate::cli::secret_state::State;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, output, registry};
use crate::engine::config::bundle::{Registry, Secret, Token};
use crate::engine::words::name::{KindName, RoleName, SecretId, TokenId};
use crate::engine::words::text::shown;
use crate::engine::words::time::{Span, Time};

/// List tokens and their secrets, with the state of each
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward list --expiring 7d
  tokenward list --role deployer --state active --sort expires")]
pub(super) struct List {
    #[command(flatten)]
    pub(super) folder: PolicyFolder,
    /// Only secrets that expire within this span, as in 7d, without expired ones
    #[arg(long, value_name = "SPAN")]
    expiring: Option<Span>,
    /// Only tokens of this kind
    #[arg(long)]
    kind: Option<KindName>,
    /// Only tokens with this role in tokens.yaml
    #[arg(long)]
    role: Option<RoleName>,
    /// Only tokens of this owner
    #[arg(long)]
    owner: Option<String>,
    /// Only secrets in this state; may be repeated
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<State>,
    /// Sort order; by default the order of tokens.yaml
    #[arg(long, value_name = "COLUMN")]
    sort: Option<Order>,
    /// Time to list for, in RFC 3339; now by default
    #[arg(long, value_name = "TIME")]
    at: Option<Time>,
}

/// The sort order of the lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// By id
    Token,
    Kind,
    /// Tokens without an owner first
    Owner,
    State,
    /// First what expires first, last what never expires
    Expires,
}

/// A secret of a token, or a token without secrets.
#[derive(Serialize)]
struct Line<'r> {
    token: &'r TokenId,
    secret_id: Option<&'r SecretId>,
    kind: &'r KindName,
    roles: &'r [RoleName],
    owner: Option<&'r str>,
    purpose: Option<&'r str>,
    state: State,
    created_at: Option<Time>,
    not_before: Option<Time>,
    expires_at: Option<Time>,
    retired_at: Option<Time>,
    revoked_at: Option<Time>,
    revoked_reason: Option<&'r str>,
    /// Whether a run of `renew` has not delivered it, or was killed before it could say so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    undelivered: bool,
}

impl List {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let folder = self.folder.find()?;
        let registry = registry::read(&folder)?;
        self.check(&folder, &registry)?;
        let now = self.at.unwrap_or_else(clock::now);
        let lines = registry.tokens.iter().flat_map(|(id, token)| Line::of_token(id, token, now));
        let mut lines: Vec<Line<'_>> = lines.filter(|line| self.wants(line, now)).collect();
        if let Some(order) = self.sort {
            lines.sort_by(|one, two| order.compare(one, two));
        }
        match format {
            Format::Json => lines.iter().for_each(output::json),
            Format::Text if lines.is_empty() => output::done("no token or secret is to be listed"),
            Format::Text => output::data(&table(&lines, now)),
        }
        Ok(Exit::Yes)
    }

    /// Rejects a filter that no token can match.
    fn check(&self, folder: &Path, registry: &Registry) -> Result<(), Vec<Failure>> {
        let tokens = || registry.tokens.iter().map(|(_, token)| token);
        let mut failures = Vec::new();
        // The registry alone is enough, so a policy with mistakes is ignored here.
        let policy = || Workspace::open_folder(folder).ok().and_then(|workspace| workspace.policy().ok());
        if let Some(kind) = &self.kind {
            let policy = policy();
            let mut known: Vec<&str> = tokens().map(|token| token.kind.as_str()).collect();
            let defined = policy.iter().flat_map(|policy| policy.kinds.iter());
            known.extend(defined.map(|(name, _)| name.as_str()));
            failures.extend(stranger("kind", kind.as_str(), known));
        }
        if let Some(role) = &self.role {
            let policy = policy();
            let mut known: Vec<&str> =
                tokens().flat_map(|token| &token.roles).map(RoleName::as_str).collect();
            let defined = policy.iter().flat_map(|policy| policy.roles.iter());
            known.extend(defined.map(|(name, _)| name.as_str()));
            failures.extend(stranger("role", role.as_str(), known));
        }
        if let Some(owner) = &self.owner {
            let known = tokens().filter_map(|token| token.owner.as_deref()).collect();
            failures.extend(stranger("owner", owner, known));
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    fn wants(&self, line: &Line<'_>, now: Time) -> bool {
        self.kind.as_ref().is_none_or(|kind| kind == line.kind)
            && self.role.as_ref().is_none_or(|role| line.roles.contains(role))
            && self.owner.as_ref().is_none_or(|owner| Some(owner.as_str()) == line.owner)
            && (self.states.is_empty() || self.states.contains(&line.state))
            && self.expiring.is_none_or(|span| line.ends_by(now.plus(span)))
    }
}

impl<'r> Line<'r> {
    fn of_token(id: &'r TokenId, token: &'r Token, now: Time) -> Vec<Self> {
        if token.secrets.is_empty() {
            return vec![Self::of(id, token, None, State::without_secret(token))];
        }
        let line = |secret| Self::of(id, token, Some(secret), State::of(token, secret, now));
        token.secrets.iter().map(line).collect()
    }

    fn of(id: &'r TokenId, token: &'r Token, secret: Option<&'r Secret>, state: State) -> Self {
        let revoked = secret.filter(|_| token.revoked_at.is_none());
        Self {
            token: id,
            secret_id: secret.map(|secret| &secret.id),
            kind: &token.kind,
            roles: &token.roles,
            owner: token.owner.as_deref(),
            purpose: token.purpose.as_deref(),
            state,
            created_at: secret.and_then(|secret| secret.created_at),
            not_before: secret.and_then(|secret| secret.not_before),
            expires_at: secret.and_then(|secret| secret.expires_at),
            retired_at: secret.and_then(|secret| secret.retired_at),
            revoked_at: revoked.map_or(token.revoked_at, |secret| secret.revoked_at),
            revoked_reason: revoked
                .map_or(token.revoked_reason.as_deref(), |secret| secret.revoked_reason.as_deref()),
            undelivered: secret.is_some_and(|secret| secret.undelivered),
        }
    }

    /// Whether it has not expired yet, but will have expired by `time`.
    fn ends_by(&self, time: Time) -> bool {
        match self.state {
            State::Active | State::Retiring | State::NotYetValid => {
                self.expires_at.is_some_and(|end| end <= time)
            }
            State::Retired | State::Expired | State::Revoked | State::NoSecret => false,
        }
    }

    fn cells(&self, now: Time) -> [String; 8] {
        let none = || "-".to_owned();
        let roles: Vec<&str> = self.roles.iter().map(RoleName::as_str).collect();
        [
            self.token.to_string(),
            self.secret_id.map_or_else(none, ToString::to_string),
            self.kind.to_string(),
            if roles.is_empty() { none() } else { roles.join(" ") },
            self.owner.map_or_else(none, shown),
            self.purpose.map_or_else(none, shown),
            self.state.to_string(),
            self.expires_at.map_or_else(|| endless(self.secret_id), |end| expiry(end, now)),
        ]
    }
}

impl Order {
    fn compare(self, one: &Line<'_>, two: &Line<'_>) -> Ordering {
        let end = |line: &Line<'_>| (line.expires_at.is_none(), line.expires_at);
        match self {
            Self::Token => one.token.as_str().cmp(two.token.as_str()),
            Self::Kind => one.kind.as_str().cmp(two.kind.as_str()),
            Self::Owner => one.owner.cmp(&two.owner),
            Self::State => one.state.cmp(&two.state),
            Self::Expires => end(one).cmp(&end(two)),
        }
    }
}

/// The text shown if there is no expiry.
fn endless(secret: Option<&SecretId>) -> String {
    if secret.is_some() { "never" } else { "-" }.to_owned()
}

/// The expiry, in words and as a date.
fn expiry(end: Time, now: Time) -> String {
    let time = String::from(end);
    let date = time.split('T').next().unwrap_or(&time);
    format!("{} ({date})", end.from_now(now))
}

/// The failure for a name that is not a known one.
fn stranger(what: &str, name: &str, mut known: Vec<&str>) -> Option<Failure> {
    known.sort_unstable();
    known.dedup();
    let failure = || Failure::new(format!("no token has the {what} `{name}`")).hint(help(what, name, &known));
    (!known.contains(&name)).then(failure)
}

fn table(lines: &[Line<'_>], now: Time) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(HEADER);
    table.add_rows(lines.iter().map(|line| line.cells(now)));
    for column in table.column_iter_mut() {
        column.set_padding((0, GAP));
    }
    format!("{}\n", table.trim_fmt())
}

const HEADER: [&str; 8] = ["token", "secret", "kind", "roles", "owner", "purpose", "state", "expires"];
const GAP: u16 = 2;
