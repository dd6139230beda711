//! The oracle: a naive reading of a bundle's document, written from the design's words alone.
//!
//! In: a [`Document`] and one request. Out: an [`Answer`]. It filters all operations one by one and
//! shares no code with the engine's paths, patterns, index, compilation or decision.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use tokenward::engine::document::{Document, Role, Secret, Token};
use tokenward::engine::name::RoleName;
use tokenward::engine::secret::SecretDigest;
use tokenward::engine::time::Time;

/// A request as it comes in.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Values of `authorization` headers.
    pub(crate) authorization: Vec<String>,
    pub(crate) now: Time,
}

/// What the oracle says about a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reason: &'static str,
    /// On a permit those held that list the request, on `insufficient_scope` all that list it.
    pub(crate) permissions: BTreeSet<String>,
}

impl Answer {
    pub(crate) fn permits(&self) -> bool {
        ["permitted", "public"].contains(&self.reason)
    }

    fn because(reason: &'static str) -> Self {
        Self { reason, permissions: BTreeSet::new() }
    }
}

/// A document, its operations split into their parts.
pub(crate) struct Oracle<'d> {
    document: &'d Document,
    strict: Vec<Listing>,
    folded: Vec<Listing>,
}

impl<'d> Oracle<'d> {
    pub(crate) fn of(document: &'d Document) -> Self {
        let public = document.public.iter().map(|text| (None, text.clone()));
        let named = document.permissions.iter().flat_map(|(name, texts)| {
            let by = Some(name.to_string());
            texts.iter().map(move |text| (by.clone(), text.clone()))
        });
        let strict: Vec<Listing> = public.chain(named).map(|(by, text)| Listing::read(by, &text)).collect();
        Self { document, folded: strict.iter().map(Listing::folded).collect(), strict }
    }

    pub(crate) fn decide(&self, request: &Request) -> Answer {
        let Some(path) = segments(request) else {
            return Answer::because("malformed_request");
        };
        let now = request.now;
        if self.document.expires_at.is_some_and(|end| now >= end) {
            return Answer::because("no_policy");
        }
        let listers = listers(&self.strict, &request.method, &path);
        if listers.contains(&None) {
            return Answer::because("public");
        }
        let (token, secret) = match self.present(&request.authorization) {
            Ok(found) => found,
            Err(reason) => return Answer::because(reason),
        };
        if let Some(reason) = unusable(token, secret, now) {
            return Answer::because(reason);
        }
        let lower: Vec<String> = path.iter().map(|text| text.to_ascii_lowercase()).collect();
        let without_case = self::listers(&self.folded, &request.method, &lower);
        self.authorize(token, listers, &without_case)
    }

    /// How many operations match, those ending in `/**` aside, each shape counted once.
    pub(crate) fn overlap(&self, request: &Request) -> usize {
        let path = segments(request).unwrap_or_default();
        self.strict
            .iter()
            .filter(|listing| !listing.subtree && listing.matches(&request.method, &path))
            .map(|listing| &listing.segments)
            .collect::<BTreeSet<_>>()
            .len()
    }

    fn present(&self, authorization: &[String]) -> Result<(&'d Token, &'d Secret), &'static str> {
        let value = match authorization {
            [] => return Err("missing_token"),
            [one] if !one.contains(',') => one,
            _ => return Err("ambiguous_token"),
        };
        let secret = value.strip_prefix("Bearer ").ok_or("missing_token")?;
        let digest = SecretDigest::of(secret.as_bytes());
        let known = self.document.tokens.iter().find_map(|(_, token)| {
            let secret = token.secrets.iter().find(|known| known.sha256 == digest)?;
            Some((token, secret))
        });
        known.ok_or("unknown_token")
    }

    fn authorize(
        &self,
        token: &Token,
        listers: BTreeSet<Option<&str>>,
        without_case: &BTreeSet<Option<&str>>,
    ) -> Answer {
        let roles = self.with_inherited(&token.roles);
        let denied =
            |name: &&str| roles.iter().any(|role| role.deny.iter().any(|denied| denied.as_str() == *name));
        if listers.union(without_case).flatten().any(denied) {
            return Answer::because("denied_operation");
        }
        let in_scope = |name: &str| match &token.scope {
            Some(scope) => scope.iter().any(|narrowed| narrowed.as_str() == name),
            None => true,
        };
        let held = |name: &&str| {
            in_scope(name)
                && roles.iter().any(|role| role.permissions.iter().any(|held| held.as_str() == *name))
        };
        let owned = |name: &str| name.to_owned();
        let listed: BTreeSet<&str> = listers.into_iter().flatten().collect();
        let usable: BTreeSet<String> = listed.iter().copied().filter(held).map(owned).collect();
        let (reason, permissions) = if usable.is_empty() {
            ("insufficient_scope", listed.into_iter().map(owned).collect())
        } else {
            ("permitted", usable)
        };
        Answer { reason, permissions }
    }

    fn with_inherited(&self, names: &[RoleName]) -> Vec<&'d Role> {
        let own = names.iter().filter_map(|name| self.document.roles.get(name));
        own.flat_map(|role| {
            let mut all = self.with_inherited(&role.inherits);
            all.push(role);
            all
        })
        .collect()
    }
}

/// An operation as one permission, or `public`, lists it.
struct Listing {
    /// The permission; none for `public`.
    by: Option<String>,
    methods: Vec<String>,
    /// `*` stands for the variable, whatever its name.
    segments: Vec<String>,
    subtree: bool,
}

impl Listing {
    fn read(by: Option<String>, text: &str) -> Self {
        let (methods, pattern) = text.split_once(' ').unwrap();
        let prefix = pattern.strip_suffix("/**");
        Self {
            by,
            methods: methods.split(',').map(str::to_owned).collect(),
            segments: split(prefix.unwrap_or(pattern)).map(unnamed).collect(),
            subtree: prefix.is_some(),
        }
    }

    fn folded(&self) -> Self {
        Self {
            by: self.by.clone(),
            methods: self.methods.clone(),
            segments: self.segments.iter().map(|text| text.to_ascii_lowercase()).collect(),
            subtree: self.subtree,
        }
    }

    fn matches(&self, method: &str, path: &[String]) -> bool {
        let covers = |name: &String| name == "*" || name == method || (name == "GET" && method == "HEAD");
        let length =
            if self.subtree { self.segments.len() <= path.len() } else { self.segments.len() == path.len() };
        length
            && self.methods.iter().any(covers)
            && self.segments.iter().zip(path).all(|(segment, text)| is_value_of(segment, text))
    }

    /// The smaller, the more specific.
    fn generality(&self) -> Vec<(u8, Reverse<(usize, usize)>)> {
        let of = |segment: &String| match segment.split_once('*') {
            None => (0, Reverse((0, 0))),
            Some(("", "")) => (2, Reverse((0, 0))),
            Some((prefix, _)) => (1, Reverse((segment.len(), prefix.len()))),
        };
        self.segments.iter().map(of).collect()
    }
}

/// Who lists the operation that a request belongs to, or a `/**` above it.
fn listers<'l>(listings: &'l [Listing], method: &str, path: &[String]) -> BTreeSet<Option<&'l str>> {
    let (below, concrete): (Vec<_>, Vec<_>) =
        listings.iter().filter(|listing| listing.matches(method, path)).partition(|listing| listing.subtree);
    let least = concrete.iter().map(|listing| listing.generality()).min();
    concrete
        .into_iter()
        .filter(|listing| Some(listing.generality()) == least)
        .chain(below)
        .map(|listing| listing.by.as_deref())
        .collect()
}

fn is_value_of(segment: &str, text: &str) -> bool {
    match segment.split_once('*') {
        None => segment == text,
        Some((prefix, suffix)) => text
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(suffix))
            .is_some_and(|value| !value.is_empty()),
    }
}

fn unusable(token: &Token, secret: &Secret, now: Time) -> Option<&'static str> {
    let over = secret.expires_at.is_some_and(|end| now >= end);
    if token.revoked_at.is_some() || secret.revoked_at.is_some() {
        Some("revoked_token")
    } else if over && secret.retired_at.is_some() {
        Some("retired_secret")
    } else if over {
        Some("expired_token")
    } else if secret.not_before.max(secret.created_at).is_some_and(|start| now < start) {
        Some("not_yet_valid")
    } else {
        None
    }
}

/// `{name}` and `*` are the same.
fn unnamed(segment: &str) -> String {
    match segment.split_once('{') {
        None => segment.to_owned(),
        Some((prefix, rest)) => {
            let (_, suffix) = rest.split_once('}').unwrap();
            format!("{prefix}*{suffix}")
        }
    }
}

/// The segments of a request's path, if it has one reading.
fn segments(request: &Request) -> Option<Vec<String>> {
    let is_method = |byte: u8| byte.is_ascii_uppercase();
    let path = request.path.split('?').next().unwrap();
    if request.method.is_empty()
        || !request.method.bytes().all(is_method)
        || !path.starts_with('/')
        || path.contains("//")
        || path.contains([';', '\\', '#', ' '])
    {
        return None;
    }
    let segments: Vec<String> = split(path).map(decoded).collect::<Option<_>>()?;
    let moves = |text: &String| text == "." || text == "..";
    (!segments.iter().any(moves)).then_some(segments)
}

/// Only what may stand for itself is ever decoded; all else that the tests encode is refused.
fn decoded(segment: &str) -> Option<String> {
    let mut parts = segment.split('%');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        let plain = byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
        text.push(plain.then_some(char::from(byte))?);
        text.push_str(rest);
    }
    Some(text)
}

/// The segments of a path or pattern: none for `/`, one trailing slash ignored.
fn split(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_suffix('/').unwrap_or(path);
    inner.split('/').skip(1)
}
