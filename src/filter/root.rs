//! One configuration on one thread: what is in force there, and what happens outside of requests.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::engine::audit::{ConfiguredEvent, FeedEvent, RefusedEvent};
use crate::engine::metrics::Counter;
use crate::engine::policy::Policy;
use crate::engine::settings::Gateway;
use crate::engine::time::Time;
use crate::filter::feed::Feed;
use crate::filter::host::Call;
use crate::filter::http::Request;
use crate::filter::journal::Journal;
use crate::filter::metrics::Gauges;
use crate::filter::{Shared, freshness, host, metrics};

/// The root context: it denies all until it is configured.
pub(super) struct Root {
    shared: Rc<Shared>,
    gauges: Option<Gauges>,
    feed: Option<Feed>,
    /// Why nothing can be fetched, as it was told last.
    trouble: Option<String>,
}

impl Default for Root {
    fn default() -> Self {
        let gateway = Gateway::deny_all();
        let journal = Rc::new(Journal::new(gateway.settings.audit.clone()));
        Self { shared: Rc::new(Shared::of(gateway, journal)), gauges: None, feed: None, trouble: None }
    }
}

impl Root {
    /// Takes a configuration: a bundle that was fetched goes before the one in it.
    fn configure(&mut self, gateway: Gateway) {
        let now = host::now().unwrap_or(Time::EPOCH);
        let journal = Rc::new(Journal::new(gateway.settings.audit.clone()));
        self.feed = gateway.settings.feed.as_ref().map(Feed::new);
        let nothing = Gateway { settings: gateway.settings.clone(), ..Gateway::deny_all() };
        self.enforce(nothing, Rc::clone(&journal));
        if !self.take_news(now) {
            self.begin(gateway, journal, now);
        }
    }

    /// Puts the configuration's own policy in force, or none where a newer one was there. Envoy is told the same in
    /// either case, for its threads are not asked at the same time, and one that says "no" is skipped.
    fn begin(&mut self, gateway: Gateway, journal: Rc<Journal>, now: Time) {
        match freshness::check(&gateway.policy) {
            Ok(()) => {
                journal.write(|number| ConfiguredEvent::of(&gateway.policy, now, number).to_json());
                self.enforce(gateway, journal);
            }
            Err(newer) => {
                let event = |number| RefusedEvent::of(&gateway.policy, newer, now, number);
                journal.write(|number| event(number).to_json());
                host::log_error(&event(0).told());
                self.enforce(Gateway { policy: gateway.policy.withdrawn(), ..gateway }, journal);
            }
        }
    }

    fn enforce(&mut self, gateway: Gateway, journal: Rc<Journal>) {
        self.shared = Rc::new(Shared::of(gateway, journal));
        self.gauges = Gauges::of(&self.shared.gateway.policy);
    }

    /// Puts what was fetched in force, where there is something new and good; whether there was.
    fn take_news(&mut self, now: Time) -> bool {
        let Some(bundle) = self.feed.as_mut().and_then(Feed::news) else { return false };
        let Shared { gateway, journal, .. } = &*self.shared;
        let Ok(policy) = acceptable(gateway, &bundle) else { return false };
        journal.write(|number| ConfiguredEvent::of(&policy, now, number).to_json());
        let (settings, journal) = (gateway.settings.clone(), Rc::clone(journal));
        self.enforce(Gateway { policy, settings }, journal);
        true
    }

    /// Hands on what this module fetched, if it may be put in force.
    fn fetched(&mut self, body: Vec<u8>, now: Time) -> Result<(), String> {
        let bundle = String::from_utf8(body).map_err(|_| "the bundle is not UTF-8".to_owned())?;
        let Shared { gateway, journal, .. } = &*self.shared;
        let policy = acceptable(gateway, &bundle)?;
        journal.write(|number| FeedEvent::fetched(&policy, now, number).to_json());
        metrics::count(Counter::FeedFetched);
        self.feed.iter().for_each(|feed| feed.publish(&bundle));
        self.trouble = None;
        self.take_news(now);
        Ok(())
    }

    /// Tells why nothing can be fetched; the same reason once, until something was fetched.
    fn tell_trouble(&mut self, error: String, now: Time) {
        metrics::count(Counter::FeedFailed);
        if self.trouble.as_ref() != Some(&error) {
            let Shared { gateway, journal, .. } = &*self.shared;
            journal.write(|number| FeedEvent::failed(&error, &gateway.policy, now, number).to_json());
            host::log_error(&format!(
                "tokenward: the feed gives no bundle: {error}; what is in force stays in force"
            ));
            self.trouble = Some(error);
        }
    }
}

/// The policy of a bundle that was fetched: it is signed, good, and not older than those before it.
fn acceptable(gateway: &Gateway, bundle: &str) -> Result<Policy, String> {
    let policy = gateway.settings.fetched(bundle).map_err(|problems| problems.to_string())?;
    freshness::check(&policy).map_err(|newer| RefusedEvent::of(&policy, newer, Time::EPOCH, 0).told())?;
    Ok(policy)
}

impl Context for Root {
    fn on_http_call_response(&mut self, call: Call, _headers: usize, length: usize, _trailers: usize) {
        let (Some(feed), Some(now)) = (&mut self.feed, host::now()) else { return };
        let outcome = match feed.answered(call, length, now) {
            Ok(Some(body)) => self.fetched(body, now),
            Ok(None) => Ok(()),
            Err(bad) => Err(bad.to_string()),
        };
        if let Err(error) = outcome {
            self.tell_trouble(error, now);
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        metrics::announce();
        match Gateway::configure(&host::plugin_configuration()) {
            Ok(gateway) => {
                self.configure(gateway);
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
        if let Some(Err(bad)) = self.feed.as_mut().map(|feed| feed.ask(now)) {
            self.tell_trouble(bad.to_string(), now);
        }
        self.take_news(now);
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
