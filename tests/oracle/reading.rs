//! The oracle: a naive reading of a bundle's document, written only from the text of the design.
//!
//! In: a [`Bundle`] and one request. Out: an [`Answer`]. The oracle checks all operations one by one. It shares no code
//! with the engine's hosts, paths, patterns, index, compilation or decision.

use std::collections::BTreeSet;

use tokenward::engine::config::bundle::{Bundle, Role, Secret, Token};
use tokenward::engine::matching::path::PathRules;
use tokenward::engine::words::name::RoleName;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::Time;

use crate::oracle::reading::listings::{Concerned, Listing, names};
use crate::oracle::reading::target::{Target, without_case};

mod limits;
mod listings;
mod loose;
mod target;

/// A request as received.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// `:authority`.
    pub(crate) host: String,
    pub(crate) path: String,
    /// Values of `authorization` headers.
    pub(crate) authorization: Vec<String>,
    /// The source's address and port, as Envoy reports them.
    pub(crate) source: String,
    pub(crate) now: Time,
    /// The gateway's rules for paths. The oracle does not model rules that normalize paths.
    pub(crate) paths: PathRules,
}

/// The oracle's answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reason: &'static str,
    /// Whether a denied request is forwarded because only roles in shadow mode deny it.
    pub(crate) tried: bool,
    /// For a permit, the permissions that grant it; if any of them lists the operation itself, only those. For
    /// `insufficient_scope`, all permissions that list it.
    pub(crate) permissions: BTreeSet<String>,
    /// Whether the permissions come from several loose readings. The engine names those of one reading.
    pub(crate) several: bool,
}

impl Answer {
    fn because(reason: &'static str) -> Self {
        Self { reason, tried: false, permissions: BTreeSet::new(), several: false }
    }
}

/// A document whose operations are split into their parts.
pub(crate) struct Oracle<'d> {
    document: &'d Bundle,
    strict: Vec<Listing>,
    folded: Vec<Listing>,
}

impl<'d> Oracle<'d> {
    pub(crate) fn of(document: &'d Bundle) -> Self {
        let public = document.public.iter().map(|text| (None, text.clone()));
        let named = document.permissions.iter().flat_map(|(name, texts)| {
            let by = Some(name.to_string());
            texts.iter().map(move |text| (by.clone(), text.clone()))
        });
        let strict: Vec<Listing> = public.chain(named).map(|(by, text)| Listing::read(by, &text)).collect();
        Self { document, folded: strict.iter().map(Listing::folded).collect(), strict }
    }

    pub(crate) fn decide(&self, request: &Request) -> Answer {
        let Some(target) = Target::read(request) else {
            return Answer::because("malformed_request");
        };
        let now = request.now;
        if self.document.expires_at.is_some_and(|end| now >= end) {
            return Answer::because("no_policy");
        }
        let is_public = |listing: &Listing, _: &Target| listing.by.is_none();
        let is_listed = Concerned::by(&self.strict, &target).own().any(|listing| listing.by.is_none());
        if is_listed && self.strays(&target, is_public).is_empty() {
            return Answer::because("public");
        }
        let (token, secret) = match self.present(&request.authorization) {
            Ok(found) => found,
            Err(reason) => return Answer::because(reason),
        };
        let unusable = unusable(token, secret, now).or_else(|| limits::broken(token, self.document, request));
        match unusable {
            Some(reason) => Answer::because(reason),
            None => self.authorize(token, &target),
        }
    }

    /// Returns how many operations match, without those that end in `/**`. Each shape counts once.
    pub(crate) fn overlap(&self, request: &Request) -> usize {
        let Some(target) = Target::read(request) else { return 0 };
        let concerned = Concerned::by(&self.strict, &target);
        let concrete = concerned.operation.iter().chain(&concerned.less_specific);
        concrete.map(|listing| listing.shape()).collect::<BTreeSet<_>>().len()
    }

    /// Whether the token of a request holds a permission that lists it, but only for other attribute values.
    pub(crate) fn is_of_another(&self, request: &Request) -> bool {
        let (Some(target), Ok((token, _))) = (Target::read(request), self.present(&request.authorization))
        else {
            return false;
        };
        let held = self.held(token);
        let concerned = Concerned::by(&self.strict, &target);
        let mut own = concerned.own().filter(|listing| held.contains(&listing.by));
        own.any(|listing| !listing.is_bound_to(token, &target.path, str::to_owned))
    }

    /// Whether the path has a character that the gateway keeps.
    pub(crate) fn keeps(&self, request: &Request) -> bool {
        Target::read(request).is_some_and(|target| !target.loose().is_empty())
    }

    /// Whether the answer would change if kept characters had only their own meaning.
    pub(crate) fn is_denied_for_what_is_kept(&self, request: &Request) -> bool {
        let (Some(target), Ok((token, _))) = (Target::read(request), self.present(&request.authorization))
        else {
            return false;
        };
        let as_it_is = self.authorize(token, &target.as_it_is()).reason;
        as_it_is == "permitted" && self.authorize(token, &target).reason != as_it_is
    }

    /// Whether an operation lists the request, both with and without letter case.
    pub(crate) fn lists(&self, request: &Request) -> bool {
        Target::read(request).is_some_and(|target| {
            let folded = target.folded();
            self.strict.iter().any(|listing| listing.matches(&target))
                && self.folded.iter().any(|listing| listing.matches(&folded))
        })
    }

    /// Whether the token of a request holds the permission.
    pub(crate) fn holds(&self, request: &Request, permission: &str) -> bool {
        let token = self.present(&request.authorization);
        token.is_ok_and(|(token, _)| self.held(token).contains(&Some(permission.to_owned())))
    }

    /// Returns the looser readings in which the request belongs to an operation that the token does not hold, nor a
    /// `/**` above it. If only kept characters cause this, the operation must name the characters that replace them.
    fn strays(&self, target: &Target, holds: impl Fn(&Listing, &Target) -> bool) -> Vec<Target> {
        let folded = target.folded();
        if !Concerned::by(&self.folded, &folded).own().any(|listing| holds(listing, &folded)) {
            return vec![folded];
        }
        let loose = target.loose().into_iter().filter(|reading| {
            let same = folded.path.iter().zip(&reading.path).take_while(|(one, other)| one == other).count();
            let is_shorter = reading.path.len() < folded.path.len();
            let concerned = Concerned::by(&self.folded, reading);
            let is_other = concerned
                .all()
                .any(|listing| listing.names_from(same) || is_shorter && !listing.is_subtree());
            is_other && !concerned.own().any(|listing| holds(listing, reading))
        });
        loose.collect()
    }

    fn present(&self, authorization: &[String]) -> Result<(&'d Token, &'d Secret), &'static str> {
        let value = match authorization {
            [] => return Err("missing_token"),
            [one] => one,
            _ => return Err("ambiguous_token"),
        };
        let may_be_two = value.contains(',');
        let (scheme, secret) = value.split_once(' ').unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return Err(if may_be_two { "ambiguous_token" } else { "missing_token" });
        }
        let digest = SecretDigest::of(secret.as_bytes());
        let known = self.document.tokens.iter().find_map(|(_, token)| {
            let secret = token.secrets.iter().find(|known| known.sha256 == digest)?;
            Some((token, secret))
        });
        // If a proxy joined two credentials, neither part counts as a token.
        known.ok_or(if may_be_two { "ambiguous_token" } else { "unknown_token" })
    }

    /// Applies the token's roles and scope.
    fn authorize(&self, token: &Token, target: &Target) -> Answer {
        let strict = Concerned::by(&self.strict, target);
        let folded = Concerned::by(&self.folded, &target.folded());
        let held = self.held(token);
        let grants = |listing: &&Listing| {
            held.contains(&listing.by) && listing.is_bound_to(token, &target.path, str::to_owned)
        };
        let itself = names(strict.operation.iter().copied().filter(grants));
        let above = names(strict.above.iter().copied().filter(grants));
        let strays = self.strays(target, |listing, reading| {
            listing.by.is_none()
                || held.contains(&listing.by) && listing.is_bound_to(token, &reading.path, without_case)
        });
        let loose: Vec<Target> = target.loose();
        let loose = || loose.iter().flat_map(|reading| self.folded.iter().filter(|own| own.matches(reading)));

        let on_trial = self.is_on_trial(token);
        let denied = |shadow: bool| {
            let denied = self.denied(token, shadow);
            let mut matching = strict.all().chain(folded.all()).chain(loose());
            matching.any(|listing| denied.contains(&listing.by))
        };
        let found = if itself.is_empty() { above } else { itself };
        let named = |reading| names(Concerned::by(&self.folded, reading).own());
        let lacking = if strays.is_empty() || found.is_empty() {
            names(strict.own())
        } else {
            strays.iter().flat_map(named).collect()
        };
        let permissions = if strays.is_empty() { found } else { BTreeSet::new() };
        if denied(false) {
            Answer::because("denied_operation")
        } else if denied(true) && (on_trial || !permissions.is_empty()) {
            Answer { tried: true, ..Answer::because("denied_operation") }
        } else if permissions.is_empty() {
            let several = strays.len() > 1;
            Answer { reason: "insufficient_scope", tried: on_trial, permissions: lacking, several }
        } else {
            Answer { permissions, ..Answer::because("permitted") }
        }
    }

    /// Returns what the token's roles grant, limited to its scope.
    fn held(&self, token: &Token) -> BTreeSet<Option<String>> {
        let roles = self.with_inherited(&token.roles);
        let granted = roles.iter().flat_map(|role| &role.permissions);
        let in_scope = |name: &&_| token.scope.as_ref().is_none_or(|scope| scope.contains(name));
        granted.filter(in_scope).map(|name| Some(name.to_string())).collect()
    }

    /// Returns what the token's roles deny: either the roles in shadow mode, or the others.
    fn denied(&self, token: &Token, shadow: bool) -> BTreeSet<Option<String>> {
        let roles = self.with_inherited(&token.roles);
        let denying = roles.iter().filter(|role| role.shadow == shadow);
        denying.flat_map(|role| &role.deny).map(|name| Some(name.to_string())).collect()
    }

    /// Whether all roles assigned to the token are in shadow mode, and nothing else restricts it.
    fn is_on_trial(&self, token: &Token) -> bool {
        let mut assigned = token.roles.iter().filter_map(|name| self.document.roles.get(name));
        token.scope.is_none() && !token.roles.is_empty() && assigned.all(|role| role.shadow)
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

fn unusable(token: &Token, secret: &Secret, now: Time) -> Option<&'static str> {
    let over = secret.expires_at.is_some_and(|end| now >= end);
    if token.revoked_at.is_some() || secret.revoked_at.is_some() {
        Some("revoked_token")
    } else if over && secret.retired_at.is_some() {
        Some("retired_secret")
    } else if over {
        Some("expired_token")
    } else if secret
        .not_before
        .max(secret.created_at)
        .is_some_and(|start| now.millis() + 60_000 < start.millis())
    {
        Some("not_yet_valid")
    } else {
        None
    }
}
