//! One request: its head in, the verdict out.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::engine::memory::suspensions::Suspensions;
use crate::engine::policy::decision::{Circumstances, Decision};
use crate::engine::policy::gateway::Gateway;
use crate::engine::policy::verdict::{Forward, Reply, Verdict};
use crate::engine::report::audit::{AuditEvent, Scene};
use crate::engine::request::head::{RequestHead, Rest, misleading_trailers};
use crate::engine::words::address::Source;
use crate::engine::words::time::Time;
use crate::filter::defense::Report;
use crate::filter::{Shared, bucket, host};

/// The HTTP context of one request.
pub(super) struct Request {
    shared: Rc<Shared>,
    /// Headers to add to the response.
    response: Vec<(&'static str, String)>,
}

impl Request {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self { shared, response: Vec::new() }
    }

    /// Decides a request, and counts it towards its token's rate limit.
    fn decide<'p>(&'p self, head: &RequestHead<'_>, circumstances: Circumstances<'_>) -> Decision<'p> {
        let policy = &self.shared.gateway.policy;
        let judged = match self.shared.guard.as_ref().filter(|_| head.brings_token()) {
            Some(guard) => policy.judge(head, circumstances, &guard.suspensions(), &mut ()),
            None => policy.judge(head, circumstances, Suspensions::NONE, &mut ()),
        };
        judged.meter(|token, limit| bucket::take(policy, token, limit, circumstances.now))
    }

    /// Whether a decision gets its own log line. First writes the summary of the previous second, if that is over.
    fn has_line(&self, decision: &Decision<'_>, now: Time) -> bool {
        self.shared.sum_up(now);
        self.shared.journal.admits(decision.reason(), now)
    }

    fn audit(&self, decision: &Decision<'_>, head: &RequestHead<'_>, circumstances: Circumstances<'_>) {
        let Gateway { policy, settings, .. } = &self.shared.gateway;
        let event = AuditEvent::of(decision, head, circumstances, policy, settings.mode);
        self.shared.journal.write_decision(&event, circumstances.now);
    }

    /// Reports an offence to the defense.
    fn defend(&self, decision: &Decision<'_>, Circumstances { now, source }: Circumstances<'_>) {
        let Gateway { policy, settings, .. } = &self.shared.gateway;
        if let Some(guard) = &self.shared.guard
            && let Some(offence) = policy.offence(decision, source)
        {
            let scene = Scene { policy, mode: settings.mode, source, now };
            let Shared { journal, courier, .. } = &*self.shared;
            guard.answer(&offence, scene, &Report { journal, courier: courier.as_deref(), settings });
        }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let shared = Rc::clone(&self.shared);
        let Gateway { policy, settings, .. } = &shared.gateway;
        let headers = host::request_headers();
        let rest = if end_of_stream { Rest::Nothing } else { Rest::Content };
        let head = RequestHead::read(headers.iter(), settings).followed_by(rest);
        let reads_source = policy.reads_source();
        let address = if reads_source { host::source_address() } else { Vec::new() };
        let source = if reads_source { head.source(Source::of(&address), settings) } else { Source::UNKNOWN };
        let now = host::now();
        let circumstances = Circumstances { now: now.unwrap_or(Time::EPOCH), source };
        let decision = match now {
            Some(_) => self.decide(&head, circumstances),
            None => Decision::without_clock(),
        };
        shared.decisions.count(&decision, policy, settings.mode);
        if shared.journal.logs(&decision) && self.has_line(&decision, circumstances.now) {
            let late = if reads_source { Vec::new() } else { host::source_address() };
            let source = if reads_source { source } else { head.source(Source::of(&late), settings) };
            self.audit(&decision, &head, Circumstances { source, ..circumstances });
        }
        self.defend(&decision, circumstances);
        match Verdict::of(&decision, &head, policy, settings) {
            Verdict::Forward(forward) | Verdict::ForwardInShadow(forward) => {
                let action = continue_with(&forward);
                self.response = forward.response;
                action
            }
            Verdict::Reply(reply) => answer(&reply),
        }
    }

    fn on_http_request_trailers(&mut self, count: usize) -> Action {
        let trailers = host::request_trailers();
        let misleading = misleading_trailers(trailers.iter(), &self.shared.gateway.settings);
        let changed = misleading.iter().all(|name| host::remove_request_trailer(name));
        if changed && trailers.count() == count { Action::Continue } else { refuse() }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        for (name, value) in self.response.drain(..) {
            host::add_response_header(name, &value);
        }
        Action::Continue
    }
}

fn continue_with(forward: &Forward<'_>) -> Action {
    let changed = forward.remove.iter().all(|name| host::remove_request_header(name))
        && forward.set.iter().all(|(name, value)| host::set_request_header(name.as_bytes(), value))
        && forward.add.iter().all(|(name, value)| host::add_request_header(name.as_bytes(), value));
    if changed {
        return Action::Continue;
    }
    refuse()
}

/// Answers with 503, because the host could not change the request. The filter never forwards an unjudged request.
fn refuse() -> Action {
    log::error!("tokenward: the host refused to change a permitted request; the filter answers it with 503",);
    answer(&Reply::unchangeable())
}

fn answer(reply: &Reply) -> Action {
    host::send_reply(reply);
    Action::Pause
}
