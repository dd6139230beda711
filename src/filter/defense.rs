//! The defense: counts offences and suspends offenders in the host's shared data, for all workers of one Envoy.
//!
//! For every request with a token, the filter reads one small key, whose version changes with every suspension. It
//! reads the list of suspensions only after such a change. If the host fails, the last list stays active and nothing
//! is counted. So a failure neither locks everybody out nor lifts suspensions, and the policy itself stays enforced.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::engine::config::settings::Settings;
use crate::engine::memory::key::Key;
use crate::engine::memory::slot::{Record, SLOTS, Slot};
use crate::engine::memory::suspensions::{Added, Suspended, Suspensions};
use crate::engine::memory::uses::Uses;
use crate::engine::memory::window::Window;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::gateway::Gateway;
use crate::engine::policy::offence::{Offence, Response};
use crate::engine::report::audit::{DefenseEvent, Scene};
use crate::engine::report::metrics::Counter;
use crate::engine::words::time::{Span, Time};
use crate::filter::alerts::Courier;
use crate::filter::host::{self, ANY, Stored};
use crate::filter::journal::Journal;
use crate::filter::metrics::SuspendedGauges;
use crate::filter::{metrics, shared};

/// Where the events of a defense go.
pub(super) struct Report<'a> {
    pub(super) journal: &'a Journal,
    pub(super) courier: Option<&'a Courier>,
    pub(super) settings: &'a Settings,
}

impl Report<'_> {
    fn write(&self, event: &DefenseEvent<'_>, now: Time) {
        let line = self.journal.write(event, now);
        if let Some(courier) = self.courier {
            courier.push(&line, self.settings);
        }
    }
}

/// One worker's view of the suspensions.
pub(super) struct Guard {
    /// The start of all keys.
    prefix: String,
    /// The version of the key that marks changes, at the time when the suspensions were read.
    epoch: Cell<Option<u32>>,
    suspensions: RefCell<Rc<Suspensions>>,
    /// Makes the places of counters unpredictable.
    salt: RefCell<Option<Vec<u8>>>,
    /// When the filter last logged that the host failed to store something.
    complained: Cell<Time>,
    gauges: SuspendedGauges,
}

impl Guard {
    /// The guard of a gateway; `None` if its policy has no defense.
    pub(super) fn of(gateway: &Gateway) -> Option<Self> {
        gateway.policy.defense()?;
        let name = gateway.policy.name()?;
        // A gateway in shadow mode must not suspend tokens of an enforcing gateway.
        let mode = gateway.settings.mode.as_str();
        Some(Self {
            // Other modules may share the namespace (every WasmPlugin of Istio does).
            prefix: format!("tokenward/defense/{mode}/{name}"),
            epoch: Cell::new(None),
            suspensions: RefCell::default(),
            salt: RefCell::default(),
            complained: Cell::new(Time::BEGINNING),
            gauges: SuspendedGauges::of(name.clone(), gateway.settings.mode),
        })
    }

    /// The current suspensions.
    pub(super) fn suspensions(&self) -> Rc<Suspensions> {
        if let Stored::Value(_, epoch) = host::shared_data(self.key("epoch").as_bytes())
            && self.epoch.get() != Some(epoch)
            && let (Some(tokens), Some(sources)) = (self.read(TOKENS), self.read(SOURCES))
        {
            // The epoch was read first, so a change in between is read with the next request.
            self.epoch.set(Some(epoch));
            *self.suspensions.borrow_mut() = Rc::new(Suspensions { tokens, sources });
        }
        Rc::clone(&self.suspensions.borrow())
    }

    /// Sets the gauges for suspensions.
    pub(super) fn set_gauges(&self, policy: &Policy, now: Time) {
        if let Some(defense) = policy.defense() {
            let suspensions = self.suspensions();
            let count = |list: &Suspended, longest: Option<Span>| {
                longest.map_or(0, |longest| list.count(now, longest))
            };
            let tokens = count(&suspensions.tokens, defense.longest_of_tokens());
            let sources = count(&suspensions.sources, defense.longest_of_sources());
            self.gauges.record(tokens, sources);
        }
    }

    /// Counts an offence, and suspends or alerts if that is due.
    pub(super) fn answer(&self, offence: &Offence<'_>, scene: Scene<'_>, report: &Report<'_>) {
        match offence.response {
            Response::Alert => self.alert(offence, scene, report),
            Response::Suspend(span) => self.suspend(offence, scene, 1, span, report),
            Response::Count(threshold) => {
                let space = if offence.subject.is_some() { "token" } else { "source" };
                let counted = self.counted(space, offence.key, scene, |slot: &mut Slot<Window>| {
                    slot.count(offence.key, threshold, scene.now)
                });
                if let Some(count) = counted {
                    self.suspend(offence, scene, count, threshold.suspend, report);
                }
            }
        }
    }

    fn alert(&self, offence: &Offence<'_>, scene: Scene<'_>, report: &Report<'_>) {
        let due = self.counted("retired", offence.key, scene, |slot: &mut Slot<Uses>| {
            slot.note(offence.key, scene.now)
        });
        if let Some(count) = due.and_then(|count| usize::try_from(count).ok()) {
            metrics::count(Counter::Alert);
            report.write(&DefenseEvent::alert(offence, scene, count), scene.now);
        }
    }

    /// Adds a suspension. Only the worker that stores the suspension logs it.
    fn suspend(
        &self,
        offence: &Offence<'_>,
        scene: Scene<'_>,
        count: usize,
        span: Span,
        report: &Report<'_>,
    ) {
        let Some(defense) = scene.policy.defense() else { return };
        let (list, longest) = match offence.subject {
            Some(_) => (TOKENS, defense.longest_of_tokens()),
            None => (SOURCES, defense.longest_of_sources()),
        };
        let added = shared::change(self.key(list).as_bytes(), |bytes| {
            let mut suspended = bytes.map_or_else(Suspended::default, Suspended::from_bytes);
            let added = suspended.add(offence.key, scene.now, span, longest.unwrap_or(span));
            ((added == Added::Now).then(|| suspended.to_bytes()), added)
        });
        match added {
            Some(Added::Now) => {
                if !host::replace_shared_data(self.key("epoch").as_bytes(), b"1", ANY) {
                    self.complain(scene.now, "the host does not store suspensions");
                }
                metrics::count(match offence.subject {
                    Some(_) => Counter::TokenSuspension,
                    None => Counter::SourceSuspension,
                });
                let until = scene.now.plus(span);
                report.write(&DefenseEvent::suspended(offence, scene, count, until), scene.now);
            }
            Some(Added::Before) => {}
            Some(Added::Full) => self.complain(scene.now, "the limit of suspensions is reached"),
            None => self.complain(scene.now, "the host does not store suspensions"),
        }
    }

    /// Changes the slot of the key.
    fn counted<R: Record, T>(
        &self,
        space: &str,
        key: Key,
        Scene { policy, now, .. }: Scene<'_>,
        mut change: impl FnMut(&mut Slot<R>) -> Option<T>,
    ) -> Option<T> {
        let place = key.place(&self.salt(policy, now)?, SLOTS);
        let counted = shared::change(self.key(&format!("{space}/{place}")).as_bytes(), |bytes| {
            let mut slot = bytes.map_or_else(Slot::default, Slot::from_bytes);
            let answer = change(&mut slot);
            (Some(slot.to_bytes()), answer)
        });
        if counted.is_none() {
            self.complain(now, "the host does not store counts");
        }
        counted.flatten()
    }

    /// The salt, which all workers share. The first worker that needs it makes it. It outlives policies, as the
    /// counters do.
    fn salt(&self, policy: &Policy, now: Time) -> Option<Vec<u8>> {
        if let Some(salt) = &*self.salt.borrow() {
            return Some(salt.clone());
        }
        let salt = shared::change(self.key("salt").as_bytes(), |bytes| match bytes {
            Some(salt) if !salt.is_empty() => (None, salt.to_vec()),
            Some(_) | None => {
                let salt = policy.salt(now);
                (Some(salt.to_vec()), salt.to_vec())
            }
        });
        if salt.is_none() {
            self.complain(now, "the host does not store counts");
        }
        self.salt.borrow_mut().clone_from(&salt);
        salt
    }

    fn read(&self, list: &str) -> Option<Suspended> {
        match host::shared_data(self.key(list).as_bytes()) {
            Stored::Value(bytes, _) => Some(Suspended::from_bytes(&bytes)),
            Stored::Nothing => Some(Suspended::default()),
            Stored::Failed => None,
        }
    }

    fn key(&self, rest: &str) -> String {
        format!("{}/{rest}", self.prefix)
    }

    /// Logs a failure at most once a minute, because under attack there may be many.
    fn complain(&self, now: Time, what: &str) {
        if self.complained.get().shifted(MINUTE_MILLIS) <= now {
            self.complained.set(now);
            log::error!("tokenward: {what}: the filter rejects offending requests, but cannot suspend");
        }
    }
}

/// Key of the list of suspended tokens.
const TOKENS: &str = "tokens";
/// Key of the list of suspended sources.
const SOURCES: &str = "sources";
const MINUTE_MILLIS: i64 = 60_000;
