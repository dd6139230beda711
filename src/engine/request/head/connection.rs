//! What a request says of its connection: whether it asks for another protocol, and which of its headers are for the
//! next hop only.
//!
//! Envoy leaves `connection` and `upgrade` on a request only where the connection is to be upgraded, and over HTTP/2
//! makes a GET of the extended CONNECT that asks for that (RFC 8441), and the other way round.

use crate::engine::request::rule::Rule;

/// The marks of a connection in a request's headers.
#[derive(Default)]
pub(super) struct Connection {
    upgrades: bool,
    nominates: bool,
}

impl Connection {
    /// Reads `upgrade`, or what HTTP/2 has in its place.
    pub(super) fn upgrade(&mut self) {
        self.upgrades = true;
    }

    /// Reads `connection`.
    pub(super) fn options(&mut self, value: &[u8]) {
        let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        self.nominates |= !options.all(is_harmless);
    }

    /// The rule that a request with this method breaks.
    pub(super) fn broken_rule(&self, method: &[u8]) -> Option<Rule> {
        // To an upstream over HTTP/2 all of them become CONNECT, and behind that a GET.
        if self.upgrades && method != b"GET" {
            return Some(Rule::Upgrade);
        }
        self.nominates.then_some(Rule::Connection)
    }
}

/// Whether the option names no header that a hop would take away (RFC 9110 §7.6.1) and somebody relies on.
fn is_harmless(option: &[u8]) -> bool {
    option.is_empty() || HARMLESS.iter().any(|known| option.eq_ignore_ascii_case(known.as_bytes()))
}

const HARMLESS: [&str; 5] = ["close", "keep-alive", "upgrade", "te", "http2-settings"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nominated_is_harmless_or_the_request_has_no_reading() {
        for (values, rule) in [
            (&["upgrade"][..], None),
            (&["Upgrade, HTTP2-Settings"], None),
            (&["keep-alive,,TE , close"], None),
            (&[""], None),
            (&["upgrade, x-tokenward-token"], Some(Rule::Connection)),
            (&["X-Tokenward-Identity"], Some(Rule::Connection)),
            (&["x-tokenward-token", "upgrade"], Some(Rule::Connection)),
            (&["upgrade", "authorization"], Some(Rule::Connection)),
            (&[":path"], Some(Rule::Connection)),
            (&["upgrade x-tokenward-token"], Some(Rule::Connection)),
            (&["upgrade\u{a0}"], Some(Rule::Connection)),
        ] {
            let mut connection = Connection::default();
            values.iter().for_each(|value| connection.options(value.as_bytes()));
            assert_eq!(connection.broken_rule(b"GET"), rule, "{values:?}");
        }
    }

    #[test]
    fn whoever_upgrades_does_so_with_get() {
        let connection = Connection { upgrades: true, nominates: false };
        for method in ["POST", "OPTIONS", "CONNECT", "HEAD", "get", ""] {
            assert_eq!(connection.broken_rule(method.as_bytes()), Some(Rule::Upgrade), "{method}");
        }
        assert_eq!(connection.broken_rule(b"GET"), None);
        assert_eq!(Connection::default().broken_rule(b"POST"), None);
    }
}
