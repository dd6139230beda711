//! Findings about addresses, which also depend on the gateway's settings.

use crate::engine::authoring::lint::{Code, Finding, root};
use crate::engine::config::bundle::Bundle;
use crate::engine::config::settings::Settings;

/// One note if the policy depends on addresses and the gateway has no `source` setting.
pub fn unsaid_proxies(bundle: &Bundle, settings: &Settings) -> Option<Finding> {
    if settings.source.is_some() {
        return None;
    }
    let message = |what: &str| format!("{what}, but the gateway has no `source`");
    let finding = |place, message| Finding::new(Code::UnsaidProxies, place, message);
    if bundle.defense.as_ref().is_some_and(|defense| defense.unknown_tokens.is_some()) {
        let place = root("defense").key("unknown_tokens");
        return Some(finding(place, message("guesses are counted by address")));
    }
    let is_bound = |ranges: &Vec<_>| !ranges.is_empty();
    let mut bound =
        bundle.tokens.iter().filter(|(_, token)| token.allowed_sources.as_ref().is_some_and(is_bound));
    let (id, _) = bound.next()?;
    let place = root("tokens").key(id).key("allowed_sources");
    Some(finding(place, message(&format!("token `{id}` is bound to addresses"))))
}
