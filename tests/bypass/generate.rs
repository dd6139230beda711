//! The generator: applies one to three mutators to each seed until there are enough distinct requests.

use std::collections::HashSet;

use crate::mutate::{self, Mutator};
use crate::policy::Caller;
use crate::random::Random;
use crate::request::{Http1, Request, Wire};

/// What an attacker wants to reach, and what the attacker is permitted to do.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) caller: Caller,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) host: &'static str,
    /// A path that the caller may `GET`; at least the public one.
    pub(crate) cover: &'static str,
}

/// A request while mutators change it.
pub(crate) struct Draft {
    pub(crate) goal: &'static Goal,
    pub(crate) request: Request,
    /// The place of the goal's path, for mutators that spell it differently.
    pub(crate) place: Place,
}

/// A place in a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Target,
    Header(usize),
}

impl Draft {
    fn new(goal: &'static Goal) -> Self {
        let request = Request::new(goal.caller, goal.method.as_bytes(), goal.path.as_bytes());
        Self { goal, request: request.at(goal.host.as_bytes()), place: Place::Target }
    }

    /// Returns the text that holds the goal's path.
    pub(crate) fn path(&mut self) -> &mut Vec<u8> {
        match self.place {
            Place::Target => &mut self.request.target,
            Place::Header(number) => &mut self.request.headers[number].1,
        }
    }

    /// Changes the request to HTTP/2, unless its trick needs HTTP/1.
    pub(crate) fn over_http2(&mut self) {
        if self.request.wire == Wire::Http1(Http1::default()) {
            self.request.wire = Wire::Http2;
            for (name, _) in &mut self.request.headers {
                name.make_ascii_lowercase();
            }
        }
    }

    /// Replaces the request with a permitted one. The mutator then adds the goal elsewhere.
    pub(crate) fn take_cover(&mut self) {
        self.request.target = self.goal.cover.as_bytes().to_vec();
        self.request.method = b"GET".to_vec();
        if self.goal.caller == Caller::Partner {
            self.request.authority = b"api.acme.test".to_vec();
        }
    }
}

/// A request that must not bypass the policy.
#[derive(Clone, Debug)]
pub(crate) struct Attack {
    pub(crate) request: Request,
    /// The mutators applied to it, in order. Empty for a request from a file.
    pub(crate) families: Vec<&'static str>,
}

/// Generates `count` distinct attacks, the same for the same seed. The first ones apply each mutator alone to each
/// goal.
pub(crate) fn generate(count: usize, seed: u64) -> Vec<Attack> {
    let mutators: Vec<&Mutator> = mutate::all().collect();
    let mut random = Random::new(seed);
    let mut attacks = Attacks::default();
    for mutator in &mutators {
        for goal in GOALS.iter().cycle().take(GOALS.len() * 3) {
            attacks.add(goal, &[mutator], &mut random);
        }
    }
    let mut tries = 0;
    while attacks.all.len() < count && tries < count * 20 {
        let layers: Vec<&Mutator> = (0..=random.below(3)).map(|_| random.one_of(&mutators)).collect();
        let goal = &GOALS[random.below(GOALS.len())];
        attacks.add(goal, &layers, &mut random);
        tries += 1;
    }
    attacks.all.truncate(count);
    attacks.all
}

#[derive(Default)]
struct Attacks {
    all: Vec<Attack>,
    /// The requests so far, as bytes.
    known: HashSet<String>,
}

impl Attacks {
    fn add(&mut self, goal: &'static Goal, layers: &[&Mutator], random: &mut Random) {
        let mut draft = Draft::new(goal);
        for layer in layers {
            (layer.apply)(&mut draft, random);
        }
        if random.once_in(3) {
            draft.over_http2();
        }
        if self.known.insert(draft.request.shown()) {
            let families = layers.iter().map(|layer| layer.name).collect();
            self.all.push(Attack { request: draft.request, families });
        }
    }
}

const fn goal(caller: Caller, method: &'static str, path: &'static str, cover: &'static str) -> Goal {
    Goal { caller, method, path, host: "gateway.test", cover }
}

/// The seeds: each caller with goals that it may not reach.
pub(crate) const GOALS: [Goal; 25] = [
    goal(Caller::Nobody, "GET", "/v1/admin/keys", "/healthz"),
    goal(Caller::Nobody, "GET", "/v1/users/export", "/healthz"),
    goal(Caller::Stranger, "POST", "/v1/admin/keys", "/healthz"),
    goal(Caller::Nobody, "GET", "/docs/internal", "/docs/intro"),
    goal(Caller::Viewer, "GET", "/docs/internal", "/docs/intro"),
    goal(Caller::Viewer, "GET", "/v1/admin/keys", "/v1/metrics/cpu"),
    goal(Caller::Viewer, "DELETE", "/v1/users/7", "/v1/metrics/cpu"),
    goal(Caller::Viewer, "GET", "/v1/users/export", "/v1/metrics"),
    goal(Caller::Support, "GET", "/v1/users/export", "/v1/users/7"),
    goal(Caller::Support, "DELETE", "/v1/users/7", "/v1/users/7"),
    goal(Caller::Support, "GET", "/v1/admin/keys", "/v1/users/7"),
    goal(Caller::Files, "GET", "/files/private/key", "/files/public/a.txt"),
    goal(Caller::Files, "GET", "/files", "/files/public"),
    Goal {
        caller: Caller::Partner,
        method: "GET",
        path: "/v1/invoices/7",
        host: "billing.acme.test",
        cover: "/v1/invoices/7",
    },
    Goal {
        caller: Caller::Partner,
        method: "GET",
        path: "/v1/invoices/export",
        host: "api.acme.test",
        cover: "/v1/invoices/7",
    },
    goal(Caller::Operator, "GET", "/v1/admin/keys", "/v1/other/7"),
    goal(Caller::Operator, "POST", "/v1/admin", "/v1/metrics"),
    goal(Caller::Operator, "GET", "/v1/users/export", "/v1/users/7"),
    goal(Caller::Operator, "GET", "/v1/epic/orders", "/files"),
    goal(Caller::Operator, "GET", "/v1/caf%C3%A9", "/v1/th%C3%A9"),
    goal(Caller::Operator, "POST", "/v1/stra%C3%9Fe/1", "/v1/stra%C3%9F/1"),
    goal(Caller::Operator, "GET", "/v1/users/m%C3%BCller", "/v1/users/muller"),
    goal(Caller::Support, "GET", "/v1/users/m%C3%BCller", "/v1/users/bj%C3%B6rn"),
    goal(Caller::Tenant, "GET", "/v1/tenants/acme/reports", "/v1/tenants/%C5%BDi%C5%BEkov/reports"),
    goal(Caller::Tenant, "GET", "/v1/tenants/%C3%89pinal/reports", "/v1/tenants/%C5%BDi%C5%BEkov/reports"),
];
