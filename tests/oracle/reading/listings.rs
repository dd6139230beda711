//! Operations as permissions and `public` list them, and which of them match a request.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use tokenward::engine::config::bundle::Token;

use crate::oracle::reading::target::{Target, decoded, split, without_case};

/// An operation as one permission, or `public`, lists it.
pub(crate) struct Listing {
    /// The permission; `None` for `public`.
    pub(crate) by: Option<String>,
    methods: Vec<String>,
    /// `*.acme.test` for all hosts below a domain; `None` for all hosts.
    host: Option<String>,
    /// `*` is a variable, whatever its name.
    segments: Vec<String>,
    /// The attribute that each segment's variable must equal, if any.
    bindings: Vec<Option<String>>,
    subtree: bool,
}

impl Listing {
    pub(crate) fn read(by: Option<String>, text: &str) -> Self {
        let (methods, target) = text.split_once(' ').unwrap();
        let (host, pattern) = target.split_at(target.find('/').unwrap());
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let host =
            address.map_or_else(|| host.clone(), |text| format!("[{}]", text.parse::<Ipv6Addr>().unwrap()));
        let prefix = pattern.strip_suffix("/**");
        let segments = || split(prefix.unwrap_or(pattern));
        Self {
            by,
            methods: methods.split(',').map(str::to_owned).collect(),
            host: (!host.is_empty()).then_some(host),
            segments: segments().map(|text| decoded(&unnamed(text)).unwrap()).collect(),
            bindings: segments().map(attribute).collect(),
            subtree: prefix.is_some(),
        }
    }

    pub(crate) fn folded(&self) -> Self {
        Self {
            by: self.by.clone(),
            methods: self.methods.clone(),
            host: self.host.clone(),
            segments: self.segments.iter().map(|text| without_case(text)).collect(),
            bindings: self.bindings.clone(),
            subtree: self.subtree,
        }
    }

    pub(crate) fn matches(&self, target: &Target) -> bool {
        let Target { method, host, path, .. } = target;
        let covers = |name: &String| name == "*" || name == method || (name == "GET" && method == "HEAD");
        let length =
            if self.subtree { self.segments.len() <= path.len() } else { self.segments.len() == path.len() };
        length
            && self.methods.iter().any(covers)
            && self.is_at(host)
            && self.segments.iter().zip(path).all(|(segment, text)| value(segment, text).is_some())
    }

    fn is_at(&self, host: &str) -> bool {
        let Some(own) = &self.host else { return true };
        match own.strip_prefix('*') {
            Some(domain) => host.strip_suffix(domain).is_some_and(|labels| !labels.is_empty()),
            None => own == host,
        }
    }

    /// Whether the variables of a matching path equal the token's attributes, after `read` is applied to both.
    pub(crate) fn is_bound_to(&self, token: &Token, path: &[String], read: fn(&str) -> String) -> bool {
        let of = |name: &str| {
            let mut attributes = token.attributes.iter();
            attributes.find(|(known, _)| known.as_str() == name).map(|(_, value)| read(value.as_str()))
        };
        let mut variables = self.segments.iter().zip(path).zip(&self.bindings);
        variables.all(|((segment, text), binding)| match binding {
            None => true,
            Some(name) => {
                let (prefix, suffix) = segment.split_once('*').unwrap();
                of(name).as_deref() == text.get(prefix.len()..text.len() - suffix.len())
            }
        })
    }

    /// Whether this segment or a later one has literal text.
    pub(crate) fn names_from(&self, first: usize) -> bool {
        self.segments.iter().skip(first).any(|segment| segment != "*")
    }

    /// Whether it ends in `/**`.
    pub(crate) fn is_subtree(&self) -> bool {
        self.subtree
    }

    /// Returns the host and segments, which are equal for equal operations.
    pub(crate) fn shape(&self) -> (Option<&str>, &[String]) {
        (self.host.as_deref(), &self.segments)
    }

    /// Returns a sort key: smaller means more specific, first by host, then segment by segment.
    pub(crate) fn generality(&self) -> Vec<(u8, Reverse<(usize, usize)>)> {
        let host = match self.host.as_deref() {
            Some(domain) if domain.starts_with('*') => (1, Reverse((domain.len(), 0))),
            Some(_) => (0, Reverse((0, 0))),
            None => (2, Reverse((0, 0))),
        };
        let of = |segment: &String| match segment.split_once('*') {
            None => (0, Reverse((0, 0))),
            Some(("", "")) => (2, Reverse((0, 0))),
            Some((prefix, suffix)) => (1, Reverse((length(prefix) + length(suffix), length(prefix)))),
        };
        std::iter::once(host).chain(self.segments.iter().map(of)).collect()
    }
}

/// The listings that match a request.
pub(crate) struct Concerned<'l> {
    /// Listings of the operation that the request belongs to.
    pub(crate) operation: Vec<&'l Listing>,
    /// Listings of each `/**` above it.
    pub(crate) above: Vec<&'l Listing>,
    /// Listings of less specific operations that match.
    pub(crate) less_specific: Vec<&'l Listing>,
}

impl<'l> Concerned<'l> {
    pub(crate) fn by(listings: &'l [Listing], target: &Target) -> Self {
        let matching = listings.iter().filter(|listing| listing.matches(target));
        let (above, concrete): (Vec<_>, Vec<_>) = matching.partition(|listing| listing.subtree);
        let least = concrete.iter().map(|listing| listing.generality()).min();
        let (operation, less_specific) =
            concrete.into_iter().partition(|listing| Some(listing.generality()) == least);
        Self { operation, above, less_specific }
    }

    /// Returns the listings of the operation, and of each `/**` above it.
    pub(crate) fn own(&self) -> impl Iterator<Item = &'l Listing> {
        self.operation.iter().chain(&self.above).copied()
    }

    /// Returns every listing that matches.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'l Listing> {
        self.own().chain(self.less_specific.iter().copied())
    }
}

/// Returns the permissions that list one of the operations.
pub(crate) fn names<'l>(listings: impl IntoIterator<Item = &'l Listing>) -> BTreeSet<String> {
    listings.into_iter().filter_map(|listing| listing.by.clone()).collect()
}

/// Returns the value of the segment's variable, or the whole text if there is no variable. `None` if the segment does
/// not match.
fn value<'t>(segment: &str, text: &'t str) -> Option<&'t str> {
    match segment.split_once('*') {
        None => (segment == text).then_some(text),
        // Only a loose reading has an empty segment. A deny matches it too.
        Some(("", "")) => Some(text),
        Some((prefix, suffix)) => {
            let value = text.strip_prefix(prefix)?.strip_suffix(suffix)?;
            (!value.is_empty()).then_some(value)
        }
    }
}

/// Returns the length of a text in a path, where non-ASCII characters are percent-encoded.
fn length(text: &str) -> usize {
    text.bytes().map(|byte| if byte.is_ascii() { 1 } else { 3 }).sum()
}

/// Replaces `{name}` and `${name}` with `*`.
fn unnamed(segment: &str) -> String {
    match segment.split_once('{') {
        None => segment.to_owned(),
        Some((prefix, rest)) => {
            let (_, suffix) = rest.split_once('}').unwrap();
            format!("{}*{suffix}", prefix.strip_suffix('$').unwrap_or(prefix))
        }
    }
}

/// Returns the name in `${name}`.
fn attribute(segment: &str) -> Option<String> {
    let (_, rest) = segment.split_once("${")?;
    rest.split_once('}').map(|(name, _)| name.to_owned())
}
