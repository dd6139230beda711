//! `make soak`: a million requests, good ones and hostile ones, and Envoy is as it was: it serves, its memory is what
//! it was after the first of them, and its counters add up to what was sent.

use std::sync::atomic::Ordering;

use crate::envoy::Envoy;
use crate::generate::Attack;
use crate::policy::Caller;
use crate::request::Request;
use crate::send::{self, Outcome, RESENT};
use crate::upstream::Upstream;

/// What the soak found.
pub(crate) struct Soak {
    sent: usize,
    /// Of those so many twice: whether Envoy had seen the first nobody knows.
    resent: usize,
    /// Requests by what became of them.
    forwarded: usize,
    refused: usize,
    /// What Envoy counted meanwhile.
    counted: usize,
    /// Decisions that the filter counted meanwhile.
    decided: usize,
    /// Resident memory in KiB, after warming up and in the end.
    memory: (usize, usize),
    reloads: usize,
}

/// Sends attacks, and good requests between them, again and again, until there were as many as wanted.
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
    // The first round fills pools and caches; the second is what the rest is compared with.
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
    /// What is not as it should be.
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

/// Requests that their callers may make.
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

/// The attacks that get an answer each, on a connection that stays: those can be counted.
fn answered(outcomes: Vec<Outcome>, attacks: &[Attack]) -> Vec<Attack> {
    let is_judged = |outcome: &Outcome| matches!(outcome, Outcome::Forwarded | Outcome::Refused(_));
    let judged = outcomes.into_iter().zip(attacks).filter(|(outcome, _)| is_judged(outcome));
    let judged: Vec<Attack> = judged.map(|(_, attack)| attack.clone()).collect();
    judged.into_iter().filter(|attack| attack.request.is_countable()).collect()
}

fn counter(envoy: &Envoy, listener: &str, name: &str) -> usize {
    number(&envoy.admin(&format!("/stats?filter=^http.{listener}.{name}$")))
}

/// Decisions that the filter counted so far.
fn decisions(envoy: &Envoy) -> usize {
    number(&envoy.admin("/stats?filter=tokenward_decisions_total$"))
}

/// The sum of the statistics in an answer of the admin interface.
fn number(stats: &str) -> usize {
    stats.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<usize>().ok()).sum()
}

/// Resident memory in KiB.
fn resident(envoy: &Envoy) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", envoy.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
