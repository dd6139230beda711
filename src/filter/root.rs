//! One configuration on one thread: its active bundle, and all work outside of requests.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::engine::config::envelope::PayloadType;
use crate::engine::config::revocations::Revocations;
use crate::engine::config::settings::shipped::Shipped;
use crate::engine::fetching::body;
use crate::engine::memory::marks::Setback;
use crate::engine::policy::compiled::Policy;
use crate::engine::policy::gateway::Gateway;
use crate::engine::policy::rollback::is_stale;
use crate::engine::report::audit::{ConfiguredEvent, FeedEvent, RefusedEvent, StaleEvent};
use crate::engine::report::metrics::Counter;
use crate::engine::words::secret::SecretDigest;
use crate::engine::words::time::Time;
use crate::filter::feed::{Came, Feed, Missed};
use crate::filter::fetched::{Fetched, Refused, open_kept};
use crate::filter::http::Request;
use crate::filter::kept::Kept;
use crate::filter::metrics::Gauges;
use crate::filter::staleness::Staleness;
use crate::filter::{Shared, host, metrics, rollback};

/// The root context. It denies everything until it is configured.
pub(super) struct Root {
    shared: Rc<Shared>,
    /// Whether this is a canary VM, in which Envoy only tries the configuration.
    canary: bool,
    gauges: Option<Gauges>,
    feed: Option<Feed>,
    /// Whether the active bundle was fetched.
    is_fetched: bool,
    revocations: Option<Revocations>,
    /// The signed bundle of an earlier configuration, if the current configuration's bundle was rejected.
    kept: Option<Kept>,
    /// Whether the bundle and the list were reported as stale.
    staleness: Option<[Staleness; 2]>,
}

impl Default for Root {
    fn default() -> Self {
        let shared = Rc::new(Shared::of(Gateway::deny_all(), b""));
        Self {
            shared,
            canary: false,
            gauges: None,
            feed: None,
            is_fetched: false,
            revocations: None,
            kept: None,
            staleness: None,
        }
    }
}

impl Drop for Root {
    /// Envoy would keep the timer of a root context that is gone for as long as the VM lives. Running requests may
    /// last for hours, so write their counts now.
    fn drop(&mut self) {
        self.shared.sum_up_all(host::now().unwrap_or(Time::EPOCH));
        host::set_tick_period(NO_TICK);
    }
}

impl Root {
    /// Applies a configuration that was read from these bytes. The newer of its own bundle and the fetched one
    /// becomes active. A rejected signed bundle changes nothing: the earlier one stays active.
    ///
    /// Envoy gets the same answer whatever shared data contains. It asks its threads at different times, and skips
    /// the filter on a thread that fails.
    fn configure(&mut self, mut gateway: Gateway, configuration: &[u8]) {
        let now = host::now().unwrap_or(Time::EPOCH);
        let policy = std::mem::replace(&mut gateway.policy, Policy::deny_all());
        let signed = gateway.settings.bundle.take();
        let settings = &gateway.settings;
        self.feed = settings.feed.as_ref().map(|feed| Feed::new(feed, settings, policy.name()));
        self.staleness =
            Some([PayloadType::Bundle, PayloadType::Revocations].map(|kind| Staleness::of(kind, settings)));
        let kept = Kept::new("bundle", settings);
        let setback = rollback::check(&policy, settings, now).err();
        self.shared = Rc::new(Shared::of(gateway, configuration));
        self.canary = self.shared.journal.open();
        self.is_fetched = false;
        let refused = policy.withdrawn();
        if setback.is_none() {
            keep(&kept, signed.as_ref());
            self.replace(policy, now);
        } else {
            self.kept = Some(kept);
            self.replace(refused.withdrawn(), now);
            self.stay(now);
        }
        let brought = self.take_news(now);
        match setback {
            // With a feed that is ahead of it, the bundle in the configuration may be old.
            Some(Setback::Older(_)) if brought => self.log_configured(now),
            Some(setback) => self.log_refused(&refused, setback, now),
            None => self.log_configured(now),
        }
    }

    /// Activates the signed bundle of an earlier configuration, if it has changed; returns whether it did.
    fn stay(&mut self, now: Time) -> bool {
        let Some(content) = self.kept.as_mut().and_then(Kept::news) else { return false };
        // The worker that received it has reported why it is rejected.
        let Ok(policy) = open_kept(&self.shared.gateway, &content, now) else { return false };
        self.replace(policy, now);
        self.is_fetched = false;
        true
    }

    fn log_configured(&self, now: Time) {
        let Shared { gateway, journal, .. } = &*self.shared;
        journal.write(&ConfiguredEvent::of(&gateway.policy, self.canary), now);
    }

    fn log_refused(&self, refused: &Policy, setback: Setback, now: Time) {
        let Shared { gateway, journal, .. } = &*self.shared;
        let active = gateway.policy.is_usable().then(|| gateway.policy.revision());
        let event = RefusedEvent::of(refused, setback, active, self.canary);
        journal.write(&event, now);
        log::error!("{}", event.message());
        metrics::count(Counter::ConfigurationRefused);
    }

    fn replace(&mut self, policy: Policy, now: Time) {
        self.shared.sum_up_all(now);
        self.shared = Rc::new(self.shared.with(policy));
        self.gauges = Gauges::of(&self.shared.gateway.policy);
        self.revoke(now);
    }

    /// Applies the revocation list to the active policy. A list that arrived before the policy and belongs to another
    /// one is fetched again.
    fn revoke(&mut self, now: Time) {
        let policy = &self.shared.gateway.policy;
        let Some(list) = self.revocations.as_ref().filter(|_| policy.name().is_some()) else { return };
        if let Err(problems) = policy.revoke(list) {
            self.revocations = None;
            self.refuse(PayloadType::Revocations, None, Refused::for_now(problems), now);
        }
    }

    /// Activates fetched content, if it is new and valid; returns whether it was a bundle.
    fn take_news(&mut self, now: Time) -> bool {
        let news = self.feed.as_mut().map(Feed::news).unwrap_or_default();
        let mut brought = false;
        for (kind, content) in news {
            // The worker that fetched it has reported why it is rejected.
            if let Ok(fetched) = self.open(kind, &content, now) {
                brought |= self.put_in_force(fetched, now);
            }
        }
        brought
    }

    fn open(&self, kind: PayloadType, content: &str, now: Time) -> Result<Fetched, Refused> {
        let gateway = &self.shared.gateway;
        let seal = gateway.policy.seal().filter(|_| self.is_fetched);
        Fetched::open(kind, gateway, content, seal, now)
    }

    /// Activates fetched content; returns whether it is a new bundle.
    fn put_in_force(&mut self, fetched: Fetched, now: Time) -> bool {
        match fetched {
            Fetched::Bundle(policy) => {
                self.replace(*policy, now);
                self.is_fetched = true;
                true
            }
            Fetched::Revocations(list) => {
                self.revocations = Some(list);
                self.revoke(now);
                false
            }
            Fetched::Same => false,
        }
    }

    /// Activates content that other modules have accepted.
    fn renew(&mut self, now: Time) {
        let stayed = self.stay(now);
        if self.take_news(now) || stayed {
            self.log_configured(now);
        }
    }

    /// Reports the age of the active bundle and list. One root context reports for all with bundles of the same name.
    fn report_age(&self, now: Time) {
        let policy = &self.shared.gateway.policy;
        let list = self.revocations.as_ref();
        let (Some(gauges), Some([of_bundle, of_list])) = (&self.gauges, &self.staleness) else { return };
        if !gauges.are_newest() {
            return;
        }
        gauges.record(policy, list, now);
        if of_bundle.is_news(is_stale(policy.good_until(), now)) {
            self.log_stale(&StaleEvent::bundle(policy, now), now);
        }
        if let Some(list) = list.filter(|list| of_list.is_news(is_stale(list.good_until, now))) {
            self.log_stale(&StaleEvent::revocations(list, now), now);
        }
    }

    fn log_stale(&self, event: &StaleEvent<'_>, now: Time) {
        self.shared.journal.write(event, now);
        if let Some(warning) = event.warning() {
            log::warn!("{warning}");
        }
    }

    /// Activates content that this module fetched and shares it, if that is allowed and not done yet.
    fn fetched(&mut self, Came { kind, content, etag, .. }: Came, now: Time) -> Result<(), Refused> {
        let content = body::text(content).map_err(Refused::for_good)?;
        let fetched = self.open(kind, &content, now)?;
        let Shared { gateway, journal, .. } = &*self.shared;
        let Some(feed) = &mut self.feed else { return Ok(()) };
        feed.accepted(kind, etag, fetched.good_until(&gateway.policy), now);
        if fetched.is_in_force(&gateway.policy, self.revocations.as_ref()) {
            feed.repeated(kind, content.len(), now);
            return Ok(());
        }
        match &fetched {
            Fetched::Bundle(policy) => {
                journal.write(&FeedEvent::bundle(policy), now);
            }
            Fetched::Revocations(list) => {
                journal.write(&FeedEvent::revocations(list), now);
            }
            Fetched::Same => {}
        }
        metrics::count(Counter::FeedFetched);
        if feed.publish(kind, &content) && self.put_in_force(fetched, now) {
            self.log_configured(now);
        }
        Ok(())
    }

    /// Handles fetched content that is unusable.
    fn refuse(&mut self, kind: PayloadType, etag: Option<String>, refused: Refused, now: Time) {
        let Refused { why, lasting } = refused;
        if let Some(feed) = &mut self.feed {
            feed.refused(kind, etag, lasting, now);
        }
        metrics::count(Counter::FeedFailed);
        self.log_trouble(kind, &why, now);
    }

    /// Handles a failed fetch.
    fn missed(&mut self, (kind, bad): Missed, now: Time) {
        if bad.is_failure() {
            metrics::count(Counter::FeedFailed);
        }
        if bad.is_news() {
            self.log_trouble(kind, &bad.to_string(), now);
        }
    }

    /// Logs why a fetch failed. A repeated reason is logged once, until a fetch succeeds.
    fn log_trouble(&mut self, kind: PayloadType, error: &str, now: Time) {
        if self.feed.as_mut().is_some_and(|feed| feed.is_news(kind, error)) {
            let Shared { gateway, journal, .. } = &*self.shared;
            journal.write(&FeedEvent::failed(kind, error, &gateway.policy), now);
            log::warn!(
                "tokenward: the feed cannot load the {}: {error}; the active one stays active",
                kind.noun()
            );
        }
    }

    /// Starts the fetches that are due.
    fn ask(&mut self, now: Time) {
        if let Some(Err(missed)) = self.feed.as_mut().map(|feed| feed.ask(now)) {
            self.missed(missed, now);
        }
    }

    /// Handles the response to a fetch.
    fn answered(&mut self, call: u32, length: usize, now: Time) {
        let Some(feed) = &mut self.feed else { return };
        match feed.answered(call, length, now) {
            Ok(Some(came)) => {
                let (kind, etag, label) = (came.kind, came.etag.clone(), came.label.clone());
                if let Err(refused) = self.fetched(came, now) {
                    self.refuse(kind, etag, refused.labelled(label), now);
                }
            }
            Ok(None) => {}
            Err(missed) => self.missed(missed, now),
        }
        self.ask(now);
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, headers: usize, length: usize, _trailers: usize) {
        let Some(now) = host::now() else { return };
        self.shared.sum_up(now);
        if let Some(courier) = &self.shared.courier {
            // Without headers there is no response: the request was reset.
            let status = (headers > 0).then(host::call_status).flatten();
            courier.answered(call, status, now);
        }
        self.answered(call, length, now);
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, length: usize) -> bool {
        metrics::announce();
        let Some(configuration) = host::plugin_configuration(length) else {
            // This is not an error of the configuration. If this thread reported failure, Envoy would skip the filter
            // on it, so accept it and deny everything.
            log::error!("tokenward: cannot read the plugin configuration: denying all requests");
            return true;
        };
        match Gateway::configure(&configuration) {
            Ok(gateway) => {
                self.configure(gateway, &configuration);
                host::set_tick_period(TICK);
                metrics::count(Counter::ConfigurationAccepted);
                true
            }
            Err(problems) => {
                log::error!("tokenward: the plugin configuration is invalid\n{problems}");
                metrics::count(Counter::ConfigurationRefused);
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(now) = host::now() else { return };
        self.shared.sum_up(now);
        self.ask(now);
        self.renew(now);
        if let Some(courier) = &self.shared.courier {
            courier.tick(now);
        }
        if let Some(guard) = &self.shared.guard {
            guard.set_gauges(&self.shared.gateway.policy, now);
        }
        self.report_age(now);
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::new(Rc::clone(&self.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Stores the signed bundle of an active configuration, for a configuration whose own bundle is rejected.
fn keep(kept: &Kept, bundle: Option<&Shipped>) {
    let Some(Shipped::Signed(text)) = bundle else { return };
    let digest = SecretDigest::of(text.as_bytes()).to_hex();
    if !kept.has(digest.as_bytes()) && !kept.put(text, digest.as_bytes()) {
        log::error!(
            "tokenward: the host does not store the bundle: after a refused bundle the filter will deny everything",
        );
    }
}

/// Milliseconds between ticks.
const TICK: u32 = 1_000;
const NO_TICK: u32 = 0;
