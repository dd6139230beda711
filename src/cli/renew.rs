//! `tokenward renew`: mints, ships and delivers new secrets for tokens whose newest secret ends soon, without a gap.
//!
//! ```text
//! mint ──▶ ship ──▶ wait ──▶ deliver each ──▶ settle ──▶ ship
//!                                            (retire, revoke, unmark)
//! ```
//!
//! A client gets a secret only after the gateways know it, and an old secret is retired only after the client has the
//! new one. The registry marks a secret as `undelivered` from the first step to the fourth, so the next run knows what
//! a killed run left behind. Secrets never appear in arguments, variables or files.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::cli::dry_run::{DryRun, Writing};
use crate::cli::failure::Failure;
use crate::cli::folder::PolicyFolder;
use crate::cli::lock::Held;
use crate::cli::registry::{self, RegistryFile};
use crate::cli::renew::due::{Choice, Due};
use crate::cli::renew::notes::{described, unsettled, unshipped, warn_of_past_and_future};
use crate::cli::renew::renewal::{Outcome, Renewal, Unminted, Unused};
use crate::cli::renew::settle::{Settled, Settlement};
use crate::cli::renew::shell::{Ended, Shell};
use crate::cli::renew::stop::Stop;
use crate::cli::renew::turn::Turn;
use crate::cli::retiring::{Grace, zero_or_span};
use crate::cli::secret::NewSecret;
use crate::cli::workspace::Workspace;
use crate::cli::{Exit, Format, clock, output};
use crate::engine::config::bundle::{PolicyDocument, Registry};
use crate::engine::words::time::{Span, Time};

mod due;
mod notes;
mod renewal;
mod settle;
mod shell;
mod stop;
mod turn;

/// Renew secrets that end soon: mint, ship, deliver, then retire the old ones
///
/// Both commands run by `sh -c` in the current folder, with TOKENWARD_POLICY. The shipping command runs once for all
/// tokens before the deliveries, and once after them if the registry has changed. The delivery command runs for each token.
/// Its standard input is the secret, without a line end; TOKENWARD_TOKEN, TOKENWARD_SECRET_ID and TOKENWARD_EXPIRES_AT say
/// which one it is. Its standard output is discarded. If a command fails, the new secret is taken back, the old one stays
/// as it is, and the exit code is 1.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tokenward renew --expiring 8h --ship ./ship.sh --deliver './deliver.sh'
  tokenward renew --expiring 8h --ship ./ship.sh --deliver 'vault kv put -mount=kv $TOKENWARD_TOKEN token=-'")]
pub(super) struct Renew {
    #[command(flatten)]
    pub(super) folder: PolicyFolder,
    #[command(flatten)]
    choice: Choice,
    /// Shell command that brings the registry to the gateways: build, sign, publish
    #[arg(long, value_name = "CMD", value_parser = command)]
    ship: String,
    /// Shell command that stores the secret on its standard input where the client reads it
    #[arg(long, value_name = "CMD", value_parser = command)]
    deliver: String,
    /// How long to wait after shipping until each gateway has the new digests, as in 30s or 0; by default twice the
    /// `interval` of the feed in gateway.yaml, at least 30s
    #[arg(long, value_name = "SPAN", value_parser = Wait::parse)]
    wait: Option<Wait>,
    /// How long a command may take before it is killed, and how long to wait for another run of `renew`
    #[arg(long, value_name = "SPAN", default_value = "10m")]
    timeout: Span,
    /// How long the old secrets keep working, as in 24h, but never longer than before; 0 ends them now
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = Grace::parse)]
    grace: Grace,
    /// Lifetime of the new secrets, as in 24h; by default that of the old secret
    #[arg(long, value_name = "SPAN")]
    expires_in: Option<Span>,
    #[command(flatten)]
    dry_run: DryRun,
}

/// How long to wait for the gateways.
#[derive(Clone, Copy, Debug)]
struct Wait(Option<Span>);

/// The tokens that are due: some got a new secret, others did not.
struct Minted {
    renewals: Vec<Renewal>,
    unminted: Vec<Unminted>,
}

impl Renew {
    pub(super) fn run(self, format: Format) -> Result<Exit, Vec<Failure>> {
        let folder = self.folder.find()?;
        let (stop, writing) = (Stop::watch()?, self.dry_run.writing());
        let shell = Shell::new(&folder, seconds(self.timeout), &stop)?;
        let turn = match writing {
            Writing::Real => Some(Turn::take(&registry::home(&folder)?, seconds(self.timeout), &stop)?),
            Writing::DryRun => None,
        };
        let wait = self.wait(&Workspace::open_folder(&folder)?)?;
        let mut minted = self.mint(&folder, writing)?;
        if minted.is_empty() {
            output::done(&format!("no token is due within {}", self.choice.expiring.words()));
            return Ok(Exit::Yes);
        }
        let shipped = match writing {
            Writing::Real => self.give_away(&folder, &shell, wait, &mut minted.renewals),
            Writing::DryRun => Ok(Ended::Done),
        };
        drop(turn);
        minted.report(writing, format);
        match shipped.inspect_err(|_| output::failure(&unsettled()))? {
            Ended::Done if minted.is_done() => Ok(Exit::Yes),
            Ended::Done => Ok(Exit::No),
            Ended::Failed(why) | Ended::Killed(why) => {
                output::failure(&unshipped(&why));
                Ok(Exit::No)
            }
        }
    }

    /// Ships the digests, delivers the secrets, retires the old ones, and ships again. Returns how the last shipping
    /// ended.
    fn give_away(
        &self,
        folder: &Path,
        shell: &Shell<'_>,
        wait: Duration,
        renewals: &mut [Renewal],
    ) -> Result<Ended, Vec<Failure>> {
        if renewals.is_empty() {
            return Ok(Ended::Done);
        }
        let shipped = shell.run(&self.ship);
        if let Ended::Failed(why) | Ended::Killed(why) = &shipped {
            let unused = |renewal: &mut Renewal| {
                renewal.outcome = Outcome::Unused(Unused::NotShipped(why.clone()));
            };
            renewals.iter_mut().for_each(unused);
        } else {
            self.deliver(folder, shell, wait, renewals);
        }
        let settlement = Settlement { now: clock::now(), grace: self.grace, expiring: self.choice.expiring };
        let settled = settlement.write(folder, renewals)?;
        // If the first shipping failed, its digests are removed again, so there is nothing to ship.
        if settled == Settled::Unchanged || shipped != Ended::Done {
            return Ok(Ended::Done);
        }
        if shell.stop.is_asked() {
            return Ok(Ended::Killed("a signal stopped the run".to_owned()));
        }
        Ok(shell.run(&self.ship))
    }

    /// Waits until the gateways have the digests, and gives each secret to the delivery command.
    fn deliver(&self, folder: &Path, shell: &Shell<'_>, wait: Duration, renewals: &mut [Renewal]) {
        output::done(&format!("shipped; waiting {} s until the gateways have the digests", wait.as_secs()));
        shell.stop.sleep(wait);
        // Another command may have revoked or rotated the secret in the meantime.
        let registry = registry::read(folder).ok();
        let wants = |renewal: &Renewal| {
            registry.as_ref().is_none_or(|registry| renewal.is_wanted(registry, clock::now()))
        };
        for renewal in renewals {
            if shell.stop.is_asked() {
                renewal.outcome = Outcome::Unused(Unused::Stopped);
            } else if wants(renewal) {
                let ended = shell.hand(&self.deliver, &renewal.secret, &renewal.variables());
                renewal.delivered(ended);
            } else {
                renewal.outcome = Outcome::Unused(Unused::Overtaken);
            }
        }
    }

    /// Returns how long to wait after shipping.
    fn wait(&self, workspace: &Workspace) -> Result<Duration, Vec<Failure>> {
        if let Some(Wait(wait)) = self.wait {
            return Ok(wait.map_or(Duration::ZERO, seconds));
        }
        let feed = workspace.settings()?.feed;
        let interval = feed.map_or(Duration::ZERO, |feed| seconds(feed.interval));
        Ok(interval.saturating_mul(2).max(SHORTEST_WAIT))
    }

    /// Mints a secret for each due token, and writes the digests.
    fn mint(&self, folder: &Path, writing: Writing) -> Result<Minted, Vec<Failure>> {
        let workspace = Workspace::open_folder(folder)?;
        let policy = workspace.policy()?;
        let file = RegistryFile::open_existing(folder, Held::Fail)?;
        self.choice.check(&policy, file.registry())?;
        let now = clock::now();
        let mut minted = Minted { renewals: Vec::new(), unminted: Vec::new() };
        for due in self.choice.due(file.registry(), now) {
            match self.mint_one(&policy, &due, now) {
                Ok(renewal) => minted.renewals.push(renewal),
                Err(why) => minted.unminted.push(Unminted { token: due.id.clone(), why }),
            }
        }
        let mut lines = self.choice.passed_over(file.registry(), now);
        let warning = clock::disagreement(file.registry(), now);
        if !minted.renewals.is_empty() {
            let registry = with(file.registry(), &minted.renewals);
            let path = file.edit(registry)?.check(&workspace)?.write(writing)?;
            lines.push(writing.describe(&described(&minted.renewals, &path)));
        }
        lines.iter().for_each(|line| output::done(line));
        warning.iter().for_each(output::warning);
        Ok(minted)
    }

    fn mint_one(&self, policy: &PolicyDocument, due: &Due<'_>, now: Time) -> Result<Renewal, Failure> {
        let Due { id, token, newest } = due;
        let longest = policy.kinds.get(&token.kind).and_then(|kind| kind.max_lifetime);
        if let (Some(wanted), Some(longest)) = (self.expires_in, longest)
            && wanted > longest
        {
            let (wanted, longest) = (wanted.words(), longest.words());
            let message =
                format!("`--expires-in` is {wanted}, but kind `{}` allows at most {longest}", token.kind);
            return Err(Failure::new(message).hint("choose a shorter `--expires-in`"));
        }
        let (begin, end) = (newest.life().begins, newest.expires_at);
        let old = begin.zip(end).and_then(|(begin, end)| Span::between(begin, end));
        let old = old.map(|old| longest.map_or(old, |longest| old.min(longest)));
        let named = (*id, &token.kind);
        let mut secret = NewSecret::mint(policy, named, &token.secrets, now, self.expires_in.or(old))?;
        secret.entry.undelivered = true;
        warn_of_past_and_future(due, &secret, self.choice.expiring, now);
        Ok(Renewal { token: (*id).clone(), secret, outcome: Outcome::Minted })
    }
}

impl Minted {
    fn is_empty(&self) -> bool {
        self.renewals.is_empty() && self.unminted.is_empty()
    }

    /// Whether each due token is renewed.
    fn is_done(&self) -> bool {
        self.unminted.is_empty() && self.renewals.iter().all(Renewal::is_done)
    }

    fn report(&self, writing: Writing, format: Format) {
        let now = clock::now();
        self.renewals.iter().for_each(|renewal| renewal.report(now, writing, format));
        self.unminted.iter().for_each(|unminted| unminted.report(writing, format));
    }
}

impl Wait {
    fn parse(text: &str) -> Result<Self, String> {
        zero_or_span(text).map(Self).map_err(|error| format!("{error}; 0 does not wait"))
    }
}

/// Returns the registry with the new secrets. `renewals` is in the order of the registry.
fn with(registry: &Registry, renewals: &[Renewal]) -> Registry {
    let (mut registry, mut renewals) = (registry.clone(), renewals.iter().peekable());
    for (id, token) in &mut registry.tokens.0 {
        let new = renewals.next_if(|renewal| renewal.token == *id);
        token.secrets.extend(new.map(|renewal| renewal.secret.entry.clone()));
    }
    registry
}

fn command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("a command is needed, as in `./ship.sh`".to_owned());
    }
    Ok(text.to_owned())
}

fn seconds(span: Span) -> Duration {
    Duration::from_secs(u64::from(span.seconds()))
}

/// Minimum default time for the gateways to fetch the digests.
const SHORTEST_WAIT: Duration = Duration::from_secs(30);
