//! One round: sends attacks to one listener, and judges what the upstream received.

use std::net::SocketAddr;
use std::time::Duration;

use crate::generate::Attack;
use crate::mutate::{self, Mutator};
use crate::policy::Caller;
use crate::readings::{Hit, judge};
use crate::request::Wire;
use crate::send::{self, Outcome};
use crate::upstream::{Received, Upstream};

/// The result of a list of attacks.
pub(crate) struct Round {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) finds: Vec<Find>,
}

/// Something that a caller got without permission.
#[derive(Debug)]
pub(crate) struct Find {
    pub(crate) hit: Hit,
    /// The attack's number, or `None` if the received request does not show it.
    pub(crate) number: Option<usize>,
    pub(crate) received: Received,
}

impl Round {
    /// Sends the attacks and judges what reached the upstream.
    pub(crate) fn run(address: SocketAddr, attacks: &[Attack], upstream: &Upstream) -> Self {
        upstream.take();
        let outcomes = send::send(address, attacks);
        // Some requests are still on their way after their sender has given up.
        std::thread::sleep(Duration::from_millis(300));
        let finds = upstream.take().into_iter().filter_map(|received| {
            let number = received.number().filter(|number| *number < attacks.len());
            let caller = number.map_or(Caller::Nobody, |number| attacks[number].request.caller);
            judge(caller, &received).map(|hit| Find { hit, number, received })
        });
        Self { outcomes, finds: finds.collect() }
    }

    /// Returns the bypasses: all findings except those that no filter can know about.
    pub(crate) fn bypasses(&self) -> impl Iterator<Item = &Find> {
        self.finds.iter().filter(|find| !matches!(find.hit, Hit::Outside(..)))
    }

    /// Counts the successful attacks of one mutator. A missing identity does not count, because without the filter
    /// there are no identities.
    fn count(&self, attacks: &[Attack], mutator: &str) -> usize {
        let is_its = |find: &&Find| find.number.is_some_and(|number| attacks[number].families[0] == mutator);
        self.finds.iter().filter(is_its).filter(|find| find.hit != Hit::Nameless).count()
    }
}

/// How often a mutator alone got through without the filter.
pub(crate) struct Vacuity {
    pub(crate) mutator: &'static str,
    /// Through Envoy without the filter.
    pub(crate) through: usize,
    /// Directly to the upstream, for mutators that Envoy never lets through.
    pub(crate) beside: usize,
}

/// Measures each mutator alone without the filter. A mutator that never gets through tests nothing.
pub(crate) fn vacuity(open: SocketAddr, attacks: &[Attack], upstream: &Upstream) -> Vec<Vacuity> {
    let single: Vec<Attack> = attacks.iter().filter(|attack| attack.families.len() == 1).cloned().collect();
    let through = Round::run(open, &single, upstream);
    let is_left = |attack: &&Attack| {
        attack.request.wire != Wire::Http2 && through.count(&single, attack.families[0]) == 0
    };
    let left: Vec<Attack> = single.iter().filter(is_left).cloned().collect();
    let beside = Round::run(upstream.address, &left, upstream);
    let row = |mutator: &Mutator| Vacuity {
        mutator: mutator.name,
        through: through.count(&single, mutator.name),
        beside: beside.count(&left, mutator.name),
    };
    mutate::all().map(row).collect()
}
