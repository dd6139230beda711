//! Metrics through the host: a counter for each way to decide, and gauges of the bundle in force.
//!
//! A request costs one crossing, and the counters are exact: what a VM that dies has counted is counted. The
//! host's answers change nothing but the metrics themselves.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::config::settings::Mode;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::decision::Decision;
use crate::engine::report::metrics::{
    Counter, Gauge, Tally, good_until, good_until_seconds, is_use_of_retiring_secret, last_success,
    suspended_sources, suspended_tokens,
};
use crate::engine::words::name::PolicyName;
use crate::engine::words::time::Time;
use crate::filter::host::{self, Metric, MetricType};

/// Counts one.
pub(super) fn count(counter: Counter) {
    if let Some(metric) = metric(MetricType::Counter, counter.name()) {
        host::increment(metric);
    }
}

/// Lets the host know all counters, so that one is there before it first counts.
pub(super) fn announce() {
    for counter in Counter::ANNOUNCED {
        metric(MetricType::Counter, counter.name());
    }
}

/// Lets the host know the gauge of what a feed brings: it is 0 until something of use came.
pub(super) fn announce_feed(kind: PayloadType) {
    metric(MetricType::Gauge, last_success(kind));
}

/// Tells that what a feed brings is as the server has it now.
pub(super) fn fed(kind: PayloadType, now: Time) {
    if let (Some(metric), Ok(now)) =
        (metric(MetricType::Gauge, last_success(kind)), u64::try_from(now.seconds()))
    {
        host::record(metric, now);
    }
}

/// The counters of decisions by one policy.
pub(super) struct Decisions {
    /// By slot; `None` until the first such decision, `Some(None)` where the host refused the counter.
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

/// The gauges of the bundle that one root context has in force.
///
/// While a new configuration takes over, the root context of the old one lives on for its last requests: the
/// newest with a bundle of a name is the one that reports it.
pub(super) struct Gauges {
    bundle: PolicyName,
    number: u64,
    is_set: Cell<bool>,
    list_set: Cell<bool>,
}

impl Gauges {
    /// The gauges of a policy; none where there is no usable one.
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

    /// Sets the gauges to what the policy comes to now, and the list of revocations on top of it.
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
    /// A bundle that is no longer in force has no revision: where none of its name takes over, the gauge says so.
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

/// The gauges of those whom one guard has suspended. All guards of this VM with the same gauges set them to the same.
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

    /// Tells how many tokens and sources are suspended now.
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
    /// Where no other guard goes on, nobody is suspended any more.
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

/// A statistic of the host, asked for once in the life of the VM, even where the host refuses it.
fn metric(metric_type: MetricType, name: String) -> Option<Metric> {
    METRICS.with_borrow_mut(|metrics| {
        *metrics.entry(name).or_insert_with_key(|name| host::define_metric(metric_type, name))
    })
}

thread_local! {
    /// The statistics that this VM knows, for all of its root contexts; as many as names, and those are bounded.
    static METRICS: RefCell<BTreeMap<String, Option<Metric>>> = const { RefCell::new(BTreeMap::new()) };
    /// The root contexts of this VM with a bundle, the newest last.
    static LIVE: RefCell<Vec<(u64, PolicyName)>> = const { RefCell::new(Vec::new()) };
    /// The guards of this VM.
    static GUARDS: RefCell<Vec<(PolicyName, Mode)>> = const { RefCell::new(Vec::new()) };
}
