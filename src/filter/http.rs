//! One request: its head in, the verdict out.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::engine::audit::AuditEvent;
use crate::engine::decision::Decision;
use crate::engine::head::RequestHead;
use crate::engine::settings::Sink;
use crate::engine::time::Time;
use crate::engine::verdict::{Forward, Reply, Verdict};
use crate::filter::{Shared, host};

/// The HTTP context of one request.
pub(super) struct Request {
    shared: Rc<Shared>,
}

impl Request {
    pub(super) fn new(shared: Rc<Shared>) -> Self {
        Self { shared }
    }

    fn audit(&self, decision: &Decision<'_>, head: &RequestHead<'_>, now: Time) {
        let gateway = &self.shared.gateway;
        let audit = &gateway.settings.audit;
        if audit.sinks.contains(&Sink::Log) {
            let source = host::source_address();
            let sequence = self.shared.next_sequence();
            let event = AuditEvent::of(decision, head, &gateway.policy, now, &source, sequence);
            host::log(audit.level, &event.to_json());
        }
    }
}

impl Context for Request {}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let gateway = &self.shared.gateway;
        let headers = host::request_headers();
        let head = RequestHead::read(headers.iter(), &gateway.settings);
        let now = host::now();
        let decision = match now {
            Some(now) => gateway.policy.decide(&head, now),
            None => Decision::without_clock(),
        };
        self.audit(&decision, &head, now.unwrap_or(Time::EPOCH));
        match Verdict::of(&decision, &head, &gateway.policy, &gateway.settings) {
            Verdict::Forward(forward) => continue_with(&forward),
            Verdict::Reply(reply) => answer(&reply),
        }
    }
}

fn continue_with(forward: &Forward<'_>) -> Action {
    let changed = forward.remove.iter().all(|name| host::remove_request_header(name))
        && forward
            .set
            .iter()
            .all(|(name, value)| host::set_request_header(name.as_bytes(), value.as_bytes()))
        && forward.path.as_ref().is_none_or(|path| host::set_request_header(b":path", path));
    if changed {
        return Action::Continue;
    }
    // What was judged cannot be forwarded: refuse rather than forward something else.
    host::log_error("tokenward: the host refused to change a permitted request; it is answered by 503");
    answer(&Reply::unchangeable())
}

fn answer(reply: &Reply) -> Action {
    host::send_reply(reply);
    Action::Pause
}
