//! `make soak`: sends a million good and hostile requests, and checks that Envoy still works: it serves, its memory has
//! not grown since the first requests, and its counters match the requests sent.

use std::sync::atomic::Ordering;

use crate::envoy::Envoy;
use crate::generate::Attack;
use crate::policy::Caller;
use crate::request::Request;
use crate::send::{self, Outcome, RESENT};
use crate::upstream::Upstream;

/// The result of the soak.
pub(crate) struct Soak {
    sent: usize,
    /// Requests sent twice. It is unknown whether Envoy saw the first copy.
    resent: usize,
    /// Requests by outcome.
    forwarded: usize,
    refused: usize,
    /// Requests that Envoy counted in the meantime.
    counted: usize,
    /// Decisions that the filter counted in the meantime.
    decided: usize,
    /// Resident memory in KiB, after the warm-up and at the end.
    memory: (usize, usize),
    reloads: usize,
}

/// Sends attacks mixed with good requests until `wanted` requests were sent.
pub(crate) fn soak(
    envoy: &Envoy,
    listener: &str,
    attacks: &[Attack],
    wanted: usize,
    upstream: &Upstream,
) -> Soak {
    let address = envoy.listener(listener);
    let mixed: Vec<Attack> =
        attacks.iter().cloned().zip(good()).flat_map(|(bad, good)| [bad, good]).collect();
    let answered = answered(send::send(address, &mixed), &mixed);
    upstream.take();
    // The first round fills pools and caches. The second one is the baseline.
    send::send(address, &answered);
    upstream.take();
    let (before, memory) = (counter(envoy, listener, "downstream_rq_completed"), resident(envoy));
    let decided = decisions(envoy);
    let resent = RESENT.load(Ordering::Relaxed);
    let mut soak = Soak {
        sent: 0,
        resent: 0,
        forwarded: 0,
        refused: 0,
        counted: 0,
        decided: 0,
        memory: (memory, 0),
        reloads: 0,
    };
    while soak.sent < wanted {
        for outcome in send::send(address, &answered) {
            soak.sent += 1;
            match outcome {
                Outcome::Forwarded => soak.forwarded += 1,
                Outcome::Refused(_) => soak.refused += 1,
                Outcome::Envoy(_) => {}
            }
        }
        upstream.take();
    }
    soak.counted = counter(envoy, listener, "downstream_rq_completed") - before;
    soak.decided = decisions(envoy) - decided;
    soak.resent = RESENT.load(Ordering::Relaxed) - resent;
    soak.memory.1 = resident(envoy);
    soak.reloads = number(&envoy.admin("/stats?filter=vm_reload"));
    soak
}

impl Soak {
    /// Returns what is wrong.
    pub(crate) fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let answered = self.forwarded + self.refused;
        let adds_up = |count: usize| (self.sent..=self.sent + self.resent).contains(&count);
        if answered != self.sent || !adds_up(self.counted) || !adds_up(self.decided) {
            failures.push(format!(
                "{} sent and {} of them twice, {answered} judged, {} counted by Envoy, {} by the filter",
                self.sent, self.resent, self.counted, self.decided
            ));
        }
        let (before, after) = self.memory;
        if before.abs_diff(after) * 100 > before * 5 {
            failures.push(format!("memory went from {before} to {after} KiB"));
        }
        if self.reloads > 0 {
            failures.push(format!("the filter was reloaded {} times", self.reloads));
        }
        failures
    }
}

impl std::fmt::Display for Soak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (before, after) = self.memory;
        write!(
            f,
            "soak: {} requests and {} of them twice, {} forwarded, {} refused; Envoy counted {}, the filter {}; \
             memory {before} KiB before, {after} KiB after",
            self.sent, self.resent, self.forwarded, self.refused, self.counted, self.decided
        )
    }
}

/// Returns requests that their callers may make.
fn good() -> impl Iterator<Item = Attack> {
    let callers = [
        (Caller::Viewer, "/v1/metrics/"),
        (Caller::Support, "/v1/users/u"),
        (Caller::Files, "/files/public/"),
        (Caller::Operator, "/v1/other/"),
        (Caller::Nobody, "/healthz?"),
    ];
    (0..).zip(callers.into_iter().cycle()).map(|(number, (caller, path)): (usize, _)| Attack {
        request: Request::new(caller, b"GET", format!("{path}{number}").as_bytes()),
        families: vec!["good"],
    })
}

/// Returns the attacks that get exactly one answer on a connection that stays open. Only these can be counted.
fn answered(outcomes: Vec<Outcome>, attacks: &[Attack]) -> Vec<Attack> {
    let is_judged = |outcome: &Outcome| matches!(outcome, Outcome::Forwarded | Outcome::Refused(_));
    let judged = outcomes.into_iter().zip(attacks).filter(|(outcome, _)| is_judged(outcome));
    let judged: Vec<Attack> = judged.map(|(_, attack)| attack.clone()).collect();
    judged.into_iter().filter(|attack| attack.request.is_countable()).collect()
}

fn counter(envoy: &Envoy, listener: &str, name: &str) -> usize {
    number(&envoy.admin(&format!("/stats?filter=^http.{listener}.{name}$")))
}

/// Returns the number of decisions that the filter has counted.
fn decisions(envoy: &Envoy) -> usize {
    number(&envoy.admin("/stats?filter=tokenward_decisions_total$"))
}

/// Returns the sum of the statistics in an answer of the admin interface.
fn number(stats: &str) -> usize {
    stats.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<usize>().ok()).sum()
}

/// Returns the resident memory in KiB.
fn resident(envoy: &Envoy) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", envoy.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
