//! Reads the connection headers of a request: whether it asks for another protocol, and which of its headers are only
//! for the next hop.
//!
//! Envoy keeps `connection` and `upgrade` only on requests that upgrade the connection. It converts a GET with
//! `upgrade` to the extended CONNECT of HTTP/2 (RFC 8441) and back.

use crate::engine::request::rule::Rule;

/// The connection properties of a request.
#[derive(Default)]
pub(super) struct Connection {
    upgrades: bool,
    nominates: bool,
}

impl Connection {
    /// Reads `upgrade`, or its equivalent in HTTP/2.
    pub(super) fn upgrade(&mut self) {
        self.upgrades = true;
    }

    /// Reads `connection`.
    pub(super) fn options(&mut self, value: &[u8]) {
        let mut options = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        self.nominates |= !options.all(is_harmless);
    }

    /// The rule that a request with this method breaks, if any.
    pub(super) fn broken_rule(&self, method: &[u8]) -> Option<Rule> {
        // For an upstream with HTTP/2, Envoy turns all of them into CONNECT, which the next proxy turns into GET.
        if self.upgrades && method != b"GET" {
            return Some(Rule::Upgrade);
        }
        self.nominates.then_some(Rule::Connection)
    }
}

/// Whether the option names only headers that upstreams do not rely on. A hop removes the named headers (RFC 9110
/// §7.6.1).
fn is_harmless(option: &[u8]) -> bool {
    option.is_empty() || HARMLESS.iter().any(|known| option.eq_ignore_ascii_case(known.as_bytes()))
}

const HARMLESS: [&str; 5] = ["close", "keep-alive", "upgrade", "te", "http2-settings"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_header_names_only_harmless_options() {
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
    fn only_get_may_upgrade() {
        let connection = Connection { upgrades: true, nominates: false };
        for method in ["POST", "OPTIONS", "CONNECT", "HEAD", "get", ""] {
            assert_eq!(connection.broken_rule(method.as_bytes()), Some(Rule::Upgrade), "{method}");
        }
        assert_eq!(connection.broken_rule(b"GET"), None);
        assert_eq!(Connection::default().broken_rule(b"POST"), None);
    }
}
