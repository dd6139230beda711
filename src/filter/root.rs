//! One configuration on one thread: what is in force there, and what happens outside of requests.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::engine::audit::{ConfiguredEvent, FeedEvent, RefusedEvent};
use crate::engine::envelope::PayloadType;
use crate::engine::metrics::Counter;
use crate::engine::policy::Policy;
use crate::engine::problem::Problems;
use crate::engine::revocations::Revocations;
use crate::engine::settings::{Gateway, Settings};
use crate::engine::time::Time;
use crate::filter::feed::Feed;
use crate::filter::http::Request;
use crate::filter::metrics::Gauges;
use crate::filter::{Shared, freshness, host, metrics};

/// The root context: it denies all until it is configured.
pub(super) struct Root {
    shared: Rc<Shared>,
    /// Whether this is a VM in which Envoy only tries the configuration.
    trial: bool,
    gauges: Option<Gauges>,
    feed: Option<Feed>,
    revocations: Option<Revocations>,
}

impl Default for Root {
    fn default() -> Self {
        let shared = Rc::new(Shared::of(Gateway::deny_all(), b""));
        Self { shared, trial: false, gauges: None, feed: None, revocations: None }
    }
}

impl Drop for Root {
    /// Envoy would go on with the timer of a root context that is gone, for as long as the VM lives.
    fn drop(&mut self) {
        host::set_tick_period(NO_TICK);
    }
}

impl Root {
    /// Takes a configuration, as it was read from these bytes: a bundle that was fetched goes before the one in it.
    fn configure(&mut self, mut gateway: Gateway, configuration: &[u8]) {
        let now = host::now().unwrap_or(Time::EPOCH);
        let policy = std::mem::replace(&mut gateway.policy, Policy::deny_all());
        self.feed = gateway.settings.feed.as_ref().map(Feed::new);
        self.shared = Rc::new(Shared::of(gateway, configuration));
        self.trial = self.shared.journal.open();
        if !self.take_news(now) {
            self.begin(policy, now);
        }
    }

    /// Puts the configuration's own policy in force, or none where a newer one was there. Envoy is told the same in
    /// either case, for its threads are not asked at the same time, and one that says "no" is skipped.
    fn begin(&mut self, policy: Policy, now: Time) {
        match freshness::check(&policy) {
            Ok(()) => self.enforce(policy, now),
            Err(newer) => {
                let event = |number| RefusedEvent::of(&policy, newer, now, number);
                self.shared.journal.write(|number| event(number).to_json());
                host::log_error(&event(0).told());
                self.replace(policy.withdrawn());
            }
        }
    }

    /// Puts a policy in force, and tells of it.
    fn enforce(&mut self, policy: Policy, now: Time) {
        self.shared.journal.write(|number| ConfiguredEvent::of(&policy, self.trial, now, number).to_json());
        self.replace(policy);
    }

    fn replace(&mut self, policy: Policy) {
        self.shared = Rc::new(self.shared.with(policy));
        self.gauges = Gauges::of(&self.shared.gateway.policy);
        self.revoke();
    }

    /// Puts the list of revocations on top of the policy in force; one of another policy's revokes nothing.
    fn revoke(&self) {
        if let Some(list) = &self.revocations
            && let Err(problems) = self.shared.gateway.policy.revoke(list)
            && self.shared.gateway.policy.name().is_some()
        {
            host::log_error(&format!("tokenward: the revocations are not in force\n{problems}"));
        }
    }

    /// Puts what was fetched in force, where there is something new and good; whether there was a bundle.
    fn take_news(&mut self, now: Time) -> bool {
        let news = self.feed.as_mut().map(Feed::news).unwrap_or_default();
        let mut brought = false;
        for (kind, content) in news {
            match Fetched::open(kind, &self.shared.gateway.settings, &content) {
                Ok(Fetched::Bundle(policy)) => {
                    self.enforce(*policy, now);
                    brought = true;
                }
                Ok(Fetched::Revocations(list)) => {
                    self.revocations = Some(list);
                    self.revoke();
                }
                // Whoever fetched it has told why.
                Err(_) => {}
            }
        }
        brought
    }

    /// Hands on what this module fetched, if it may be put in force.
    fn fetched(&mut self, kind: PayloadType, content: Vec<u8>, now: Time) -> Result<(), String> {
        let content = String::from_utf8(content).map_err(|_| "what came is not UTF-8".to_owned())?;
        let Shared { gateway, journal, .. } = &*self.shared;
        let fetched = Fetched::open(kind, &gateway.settings, &content)?;
        journal.write(|number| match &fetched {
            Fetched::Bundle(policy) => FeedEvent::bundle(policy, now, number).to_json(),
            Fetched::Revocations(list) => FeedEvent::revocations(list, now, number).to_json(),
        });
        metrics::count(Counter::FeedFetched);
        self.feed.iter_mut().for_each(|feed| feed.publish(kind, &content));
        self.take_news(now);
        Ok(())
    }

    /// Tells why nothing came; the same reason once in a row, until something came.
    fn tell_trouble(&mut self, kind: PayloadType, error: &str, now: Time) {
        metrics::count(Counter::FeedFailed);
        if self.feed.as_mut().is_some_and(|feed| feed.is_news(kind, error)) {
            let Shared { gateway, journal, .. } = &*self.shared;
            journal.write(|number| FeedEvent::failed(kind, error, &gateway.policy, now, number).to_json());
            host::log_error(&format!(
                "tokenward: the feed gives no {}: {error}; what is in force stays in force",
                kind.noun()
            ));
        }
    }
}

/// What was fetched, and may be put in force: it is signed, good, and not older than what was before it.
enum Fetched {
    Bundle(Box<Policy>),
    Revocations(Revocations),
}

impl Fetched {
    fn open(kind: PayloadType, settings: &Settings, content: &str) -> Result<Self, String> {
        let told = |problems: Problems| problems.to_string();
        match kind {
            PayloadType::Bundle => {
                let policy = settings.fetched(content).map_err(told)?;
                freshness::check(&policy)
                    .map_err(|newer| RefusedEvent::of(&policy, newer, Time::EPOCH, 0).told())?;
                Ok(Self::Bundle(Box::new(policy)))
            }
            PayloadType::Revocations => {
                let (list, seal) = settings.fetched_revocations(content).map_err(told)?;
                freshness::follow(&seal)
                    .map_err(|_| "the revocations are older than those before".to_owned())?;
                Ok(Self::Revocations(list))
            }
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: u32, headers: usize, length: usize, _trailers: usize) {
        let Some(now) = host::now() else { return };
        if let Some(courier) = &self.shared.courier {
            // Without headers there is no answer: the request was reset.
            let status = (headers > 0).then(host::call_status).flatten();
            courier.answered(call, status, now);
        }
        let Some(feed) = &mut self.feed else { return };
        let outcome = match feed.answered(call, length, now) {
            Ok(Some((kind, content))) => self.fetched(kind, content, now).map_err(|error| (kind, error)),
            Ok(None) => Ok(()),
            Err((kind, bad)) => Err((kind, bad.to_string())),
        };
        if let Err((kind, error)) = outcome {
            self.tell_trouble(kind, &error, now);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, length: usize) -> bool {
        metrics::announce();
        let Some(configuration) = host::plugin_configuration(length) else {
            // No fault of the configuration's: on a thread that said "no" Envoy would skip the filter. So it is there,
            // and denies all.
            host::log_error("tokenward: the host does not hand over the plugin configuration: all is denied");
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
                host::log_error(&format!("tokenward: the plugin configuration is refused\n{problems}"));
                metrics::count(Counter::ConfigurationRefused);
                false
            }
        }
    }

    fn on_tick(&mut self) {
        let Some(now) = host::now() else { return };
        if let Some(Err((kind, bad))) = self.feed.as_mut().map(|feed| feed.ask(now)) {
            self.tell_trouble(kind, &bad.to_string(), now);
        }
        self.take_news(now);
        if let Some(courier) = &self.shared.courier {
            courier.tick(now);
        }
        if let Some(guard) = &self.shared.guard {
            guard.tell(&self.shared.gateway, now);
        }
        if let Some(gauges) = &self.gauges {
            gauges.tell(&self.shared.gateway.policy, now);
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request::new(Rc::clone(&self.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Milliseconds between ticks.
const TICK: u32 = 1_000;
const NO_TICK: u32 = 0;
