//! `x-forwarded-for`: the addresses that a request passed through, as the proxies before Envoy and Envoy itself
//! report them.
//!
//! In: the values of the header, and Envoy's own reading of the source. Out: the [`Source`] for the policy. It is
//! unknown if the header is not unambiguous. Envoy would use the address of the connection instead, which behind a
//! load balancer is always the balancer's address.

use crate::engine::config::settings::Hops;
use crate::engine::words::address::Source;

/// The values of `x-forwarded-for`.
#[derive(Debug, Default)]
pub struct Forwarded<'a> {
    last: Option<&'a [u8]>,
    /// The values before the last one; Envoy joins them all into one.
    earlier: Vec<&'a [u8]>,
}

impl<'a> Forwarded<'a> {
    /// Reads one value.
    pub(super) fn read(&mut self, value: &'a [u8]) {
        self.earlier.extend(self.last.replace(value));
    }

    /// The source of the request. `envoy` is Envoy's reading, `hops` the gateway's setting.
    pub(super) fn source<'s>(&'s self, envoy: Source<'s>, hops: Option<Hops>) -> Source<'s> {
        let source = match hops {
            Some(hops) => self.before(hops, envoy),
            None => self.is_plain().then_some(envoy),
        };
        source.unwrap_or(Source::UNKNOWN)
    }

    /// The source before this number of proxies, as Envoy's `xff_num_trusted_hops` would find it if it accepted
    /// ports: skip that many entries from the right. With `use_remote_address` Envoy has appended the address of the
    /// connection (source/common/http/conn_manager_utility.cc); without it, that address is the hop that is not
    /// counted.
    fn before<'s>(&'s self, hops: Hops, envoy: Source<'s>) -> Option<Source<'s>> {
        // For a connection through a pipe Envoy appends nothing, so all entries would be one position too far left.
        let connected = envoy.ip()?;
        if hops == Hops::NONE && self.last.is_none() {
            return Some(envoy);
        }
        let entry = self.entries().nth(hops.number())?;
        // For a loopback address Envoy appends its machine's address instead, without a port.
        if hops == Hops::NONE && connected.is_loopback() && Source::is_plain_entry(entry) {
            return Some(envoy);
        }
        Source::of_entry(entry)
    }

    /// Whether Envoy could read every entry, whichever of them its settings select.
    fn is_plain(&self) -> bool {
        let mut entries = self.entries();
        let plain = entries.by_ref().take(MAX_ENTRIES).all(Source::is_plain_entry);
        plain && entries.next().is_none()
    }

    /// The entries from right to left, without surrounding space.
    fn entries(&self) -> impl Iterator<Item = &'a [u8]> {
        let values = self.last.into_iter().chain(self.earlier.iter().rev().copied());
        values.flat_map(|value| value.rsplit(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
    }
}

/// Maximum number of entries that are checked. Real chains of proxies have only a few.
const MAX_ENTRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// The source for the policy, for a connection from this address.
    fn source(values: &[&str], hops: Option<u64>, connects: &str) -> String {
        let hops = hops.map(|hops| serde_json::from_value(hops.into()).unwrap());
        let mut forwarded = Forwarded::default();
        values.iter().for_each(|value| forwarded.read(value.as_bytes()));
        let source = forwarded.source(Source::of(connects.as_bytes()), hops);
        String::from_utf8(source.text().to_vec()).unwrap()
    }

    #[test]
    fn unreadable_hop_makes_the_source_unknown() {
        let long = ["203.0.113.7"; MAX_ENTRIES + 1];
        for (values, known) in [
            (&[][..], true),
            (&["203.0.113.7"], true),
            (&["203.0.113.7, 2001:db8::7 ,\t::ffff:203.0.113.7"], true),
            (&["203.0.113.7", "2001:db8::7"], true),
            (&[&long[1..].join(",")], true),
            (&[&long.join(",")], false),
            (&["203.0.113.7:4711"], false),
            (&["203.0.113.7:4711, 203.0.113.7"], false),
            (&["203.0.113.7, 203.0.113.7:4711"], false),
            (&["203.0.113.7:4711", "203.0.113.7"], false),
            (&["[2001:db8::7]:4711"], false),
            (&["[2001:db8::7]"], false),
            (&["fe80::7%eth0"], false),
            (&["unknown"], false),
            (&["203.0.113.7,"], false),
            (&[",203.0.113.7"], false),
            (&["203.0.113.7,,203.0.113.7"], false),
            (&["203.0.113.7 203.0.113.8"], false),
            (&["203.0.113.007"], false),
            (&[""], false),
        ] {
            let expected = if known { "10.0.0.9" } else { "" };
            assert_eq!(source(values, None, "10.0.0.9:1"), expected, "{values:?}");
        }
    }

    #[test]
    fn trusted_hops_are_counted_from_the_right() {
        let values = &["198.51.100.1, 203.0.113.7:4711 ,[2001:db8::7]:443", "10.0.0.8,10.0.0.9"][..];
        for (hops, expected) in [
            (0, "10.0.0.9"),
            (1, "10.0.0.8"),
            (2, "2001:db8::7"),
            (3, "203.0.113.7"),
            (4, "198.51.100.1"),
            (5, ""),
            (32, ""),
        ] {
            assert_eq!(source(values, Some(hops), "10.0.0.9:1"), expected, "{hops}");
        }
    }

    #[test]
    fn entry_may_only_add_a_port() {
        for (entry, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("[::ffff:203.0.113.7]:4711", "::ffff:203.0.113.7"),
            ("203.0.113.7:", ""),
            ("203.0.113.7:65536", ""),
            ("203.0.113.7:http", ""),
            ("203.0.113.7:+80", ""),
            ("203.0.113.7:80:80", ""),
            ("[203.0.113.7]:80", ""),
            ("[2001:db8::7", ""),
            ("[2001:db8::7]4711", ""),
            ("\"203.0.113.7\"", ""),
            ("for=203.0.113.7", ""),
            ("203.0.113.07", ""),
            ("unknown", ""),
            ("", ""),
        ] {
            let read = source(&[entry, "10.0.0.9"], Some(1), "10.0.0.9:1");
            assert_eq!(read, expected, "{entry}");
        }
        let long = format!("{},203.0.113.7:4711,10.0.0.9", "junk,".repeat(10_000));
        assert_eq!(source(&[&long], Some(1), "10.0.0.9:1"), "203.0.113.7");
    }

    #[test]
    fn without_hops_the_peer_is_the_source() {
        for (values, connects, expected) in [
            (&[][..], "10.0.0.9:1", "10.0.0.9"),
            (&["junk, 10.0.0.9"], "10.0.0.9:1", "10.0.0.9"),
            (&["junk, 192.0.2.1"], "127.0.0.1:1", "127.0.0.1"),
            (&["junk"], "127.0.0.1:1", ""),
            (&["203.0.113.7:1"], "127.0.0.1:1", "203.0.113.7"),
            (&["203.0.113.7:1"], "10.0.0.9:1", "203.0.113.7"),
            (&["203.0.113.7"], "/run/envoy.sock", ""),
            (&[], "/run/envoy.sock", ""),
            (&[], "", ""),
        ] {
            assert_eq!(source(values, Some(0), connects), expected, "{values:?} {connects}");
        }
        assert_eq!(source(&[], Some(1), "10.0.0.9:1"), "");
        assert_eq!(source(&["203.0.113.7"], None, "/run/envoy.sock"), "/run/envoy.sock");
    }
}
