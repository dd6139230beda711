//! One round: attacks sent to one listener, and what the upstream got to see of them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::generate::Attack;
use crate::policy::Caller;
use crate::readings::{Hit, judge};
use crate::request::Wire;
use crate::send::{self, Outcome};
use crate::upstream::{Received, Upstream};

/// What became of a list of attacks.
pub(crate) struct Round {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) finds: Vec<Find>,
}

/// Something that a caller got without the right.
#[derive(Debug)]
pub(crate) struct Find {
    pub(crate) hit: Hit,
    /// The attack's number; none where what reached the upstream does not say.
    pub(crate) number: Option<usize>,
    pub(crate) received: Received,
}

impl Round {
    /// Sends the attacks and judges what reached the upstream.
    pub(crate) fn run(address: SocketAddr, attacks: &[Attack], upstream: &Upstream) -> Self {
        upstream.take();
        let outcomes = send::send(address, attacks);
        // What is still on its way when its sender has given up.
        std::thread::sleep(Duration::from_millis(300));
        let finds = upstream.take().into_iter().filter_map(|received| {
            let number = received.number().filter(|number| *number < attacks.len());
            let caller = number.map_or(Caller::Nobody, |number| attacks[number].request.caller);
            judge(caller, &received).map(|hit| Find { hit, number, received })
        });
        Self { outcomes, finds: finds.collect() }
    }

    /// What must not be: all but what no filter can know of.
    pub(crate) fn bypasses(&self) -> impl Iterator<Item = &Find> {
        self.finds.iter().filter(|find| !matches!(find.hit, Hit::Outside(..)))
    }
}

/// The mutators, with how often each alone got through where there is no filter: each must, or it tests nothing.
///
/// What Envoy itself refuses is sent to the upstream without it.
pub(crate) fn vacuity(
    open: SocketAddr,
    attacks: &[Attack],
    families: &[&'static str],
    upstream: &Upstream,
) -> Vec<(&'static str, usize, usize)> {
    let single: Vec<Attack> = attacks.iter().filter(|attack| attack.families.len() == 1).cloned().collect();
    let through = Round::run(open, &single, upstream);
    let missing = |family: &&str| counted(&through, &single, family) == 0;
    let direct: Vec<Attack> = single
        .iter()
        .filter(|attack| attack.request.wire != Wire::Http2 && missing(&attack.families[0]))
        .cloned()
        .collect();
    let beside = Round::run(upstream.address, &direct, upstream);
    let row = |family: &&'static str| (*family, counted(&through, &single, family), counted(&beside, &direct, family));
    families.iter().map(row).collect()
}

fn counted(round: &Round, attacks: &[Attack], family: &str) -> usize {
    let of_family = |find: &&Find| find.number.is_some_and(|number| attacks[number].families[0] == family);
    round.finds.iter().filter(of_family).filter(|find| find.hit != Hit::Nameless).count()
}
