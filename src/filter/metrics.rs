//! Metrics through the host: a counter for each kind of decision, and gauges of the active bundle.
//!
//! Each request costs one host call. The counters are exact: the counts of a VM that dies are kept. Failures of the
//! host affect only the metrics.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::config::settings::Mode;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::Decision;
use crate::engine::report::metrics::{
    Counter, Gauge, Tally, feed_processes, good_until, good_until_seconds, is_use_of_retiring_secret,
    last_success, suspended_sources, suspended_tokens,
};
use crate::engine::words::name::PolicyName;
use crate::engine::words::time::Time;
use crate::filter::host::{self, Metric, MetricType};

/// Adds one to a counter.
pub(super) fn count(counter: Counter) {
    if let Some(metric) = metric(MetricType::Counter, counter.name()) {
        host::increment(metric);
    }
}

/// Defines all counters, so that each exists before it first counts.
pub(super) fn announce() {
    for counter in Counter::ANNOUNCED {
        metric(MetricType::Counter, counter.name());
    }
}

/// Defines the gauge for the last success of a feed. It is 0 until the first success.
pub(super) fn announce_feed(kind: PayloadType) {
    metric(MetricType::Gauge, last_success(kind));
    if let Some(metric) = metric(MetricType::Gauge, feed_processes(kind)) {
        host::record(metric, 1);
    }
}

/// Records that the content of a feed is current.
pub(super) fn fed(kind: PayloadType, now: Time) {
    if let (Some(metric), Ok(now)) =
        (metric(MetricType::Gauge, last_success(kind)), u64::try_from(now.seconds()))
    {
        host::record(metric, now);
    }
}

/// The counters of decisions by one policy.
pub(super) struct Decisions {
    /// By slot: `None` before the first such decision, `Some(None)` if the host rejected the counter.
    counters: Box<[Cell<Option<Option<Metric>>>]>,
}

impl Decisions {
    pub(super) fn new() -> Self {
        Self { counters: std::iter::repeat_with(Cell::default).take(Tally::SLOTS).collect() }
    }

    /// Counts a decision by the policy of a gateway in `mode`.
    pub(super) fn count(&self, decision: &Decision<'_>, policy: &Policy, mode: Mode) {
        let tally = Tally::of(decision, mode);
        let Some(slot) = self.counters.get(tally.slot()) else {
            return;
        };
        let known = slot.get().unwrap_or_else(|| metric(MetricType::Counter, tally.name(policy)));
        slot.set(Some(known));
        if let Some(metric) = known {
            host::increment(metric);
        }
        if is_use_of_retiring_secret(decision) {
            count(Counter::RetiringSecretUse);
        }
    }
}

/// The gauges of the active bundle of one root context.
///
/// While a new configuration takes over, the old root context lives on for its last requests. For each bundle name,
/// only the newest root context sets the gauges.
pub(super) struct Gauges {
    bundle: PolicyName,
    number: u64,
    is_set: Cell<bool>,
    list_set: Cell<bool>,
}

impl Gauges {
    /// The gauges of a policy; `None` without a usable one.
    pub(super) fn of(policy: &Policy) -> Option<Self> {
        let bundle = policy.name()?.clone();
        let number = LIVE.with_borrow_mut(|live| {
            let number = live.last().map_or(0, |(last, _)| last.saturating_add(1));
            live.push((number, bundle.clone()));
            number
        });
        Some(Self { bundle, number, is_set: Cell::new(false), list_set: Cell::new(false) })
    }

    /// Whether this root context is the newest with a bundle of its name.
    pub(super) fn are_newest(&self) -> bool {
        let newest = LIVE.with_borrow(|live| {
            live.iter().rev().find(|(_, bundle)| *bundle == self.bundle).map(|(number, _)| *number)
        });
        newest == Some(self.number)
    }

    /// Sets the gauges to the current values of the policy and of its revocation list.
    pub(super) fn record(&self, policy: &Policy, list: Option<&Revocations>, now: Time) {
        self.is_set.set(true);
        self.set(|gauge| gauge.of(policy, now));
        self.set_good_until(PayloadType::Bundle, good_until_seconds(policy.good_until()));
        if let Some(list) = list {
            self.list_set.set(true);
            self.set_good_until(PayloadType::Revocations, good_until_seconds(list.good_until));
        }
    }

    fn set_good_until(&self, kind: PayloadType, value: u64) {
        if let Some(metric) = metric(MetricType::Gauge, good_until(kind, &self.bundle)) {
            host::record(metric, value);
        }
    }

    fn set(&self, value: impl Fn(Gauge) -> u64) {
        for gauge in Gauge::ALL {
            if let Some(metric) = metric(MetricType::Gauge, gauge.name(&self.bundle)) {
                host::record(metric, value(gauge));
            }
        }
    }
}

impl Drop for Gauges {
    /// Sets the revision to 0 if no other bundle of this name takes over.
    fn drop(&mut self) {
        let succeeded = LIVE.with_borrow_mut(|live| {
            live.retain(|(number, _)| *number != self.number);
            live.iter().any(|(_, bundle)| *bundle == self.bundle)
        });
        if succeeded {
            return;
        }
        if self.is_set.get() {
            self.set(|_| 0);
            self.set_good_until(PayloadType::Bundle, 0);
        }
        if self.list_set.get() {
            self.set_good_until(PayloadType::Revocations, 0);
        }
    }
}

/// The gauges for the suspensions of one guard. All guards of this VM with the same gauges set them to the same
/// values.
pub(super) struct SuspendedGauges {
    bundle: PolicyName,
    mode: Mode,
    is_set: Cell<bool>,
}

impl SuspendedGauges {
    /// The gauges of a gateway in `mode` with a bundle of this name.
    pub(super) fn of(bundle: PolicyName, mode: Mode) -> Self {
        GUARDS.with_borrow_mut(|guards| guards.push((bundle.clone(), mode)));
        Self { bundle, mode, is_set: Cell::new(false) }
    }

    /// Sets the numbers of suspended tokens and sources.
    pub(super) fn record(&self, tokens: usize, sources: usize) {
        self.is_set.set(true);
        let names = [suspended_tokens(&self.bundle, self.mode), suspended_sources(&self.bundle, self.mode)];
        for (name, count) in names.into_iter().zip([tokens, sources]) {
            if let (Some(metric), Ok(count)) = (metric(MetricType::Gauge, name), u64::try_from(count)) {
                host::record(metric, count);
            }
        }
    }
}

impl Drop for SuspendedGauges {
    /// Sets the gauges to 0 if no other guard continues.
    fn drop(&mut self) {
        let goes_on = GUARDS.with_borrow_mut(|guards| {
            let same = |(bundle, mode): &(PolicyName, Mode)| *bundle == self.bundle && *mode == self.mode;
            guards.iter().position(same).map(|position| guards.swap_remove(position));
            guards.iter().any(same)
        });
        if self.is_set.get() && !goes_on {
            self.record(0, 0);
        }
    }
}

/// A statistic of the host. It is defined once in the life of the VM, even if the host rejects it.
fn metric(metric_type: MetricType, name: String) -> Option<Metric> {
    METRICS.with_borrow_mut(|metrics| {
        *metrics.entry(name).or_insert_with_key(|name| host::define_metric(metric_type, name))
    })
}

thread_local! {
    /// The statistics of this VM, for all its root contexts. The number of names is bounded.
    static METRICS: RefCell<BTreeMap<String, Option<Metric>>> = const { RefCell::new(BTreeMap::new()) };
    /// The root contexts of this VM that have a bundle, newest last.
    static LIVE: RefCell<Vec<(u64, PolicyName)>> = const { RefCell::new(Vec::new()) };
    /// The guards of this VM.
    static GUARDS: RefCell<Vec<(PolicyName, Mode)>> = const { RefCell::new(Vec::new()) };
}
