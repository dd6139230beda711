//! The problems in a document: the place, what is wrong, and how to fix it.
//!
//! A problem has the same text in `lint`, in `build` and in Envoy's log. A caller that knows the document's text adds
//! file, line and column.

use std::fmt;

use crate::engine::config::refusal::Refusal;
use crate::engine::matching::pattern::BadOperation;
use crate::engine::words::name::{KindName, PermissionName, RoleName, SecretId, TokenId};
use crate::engine::words::secret::{Fingerprint, discreet};
use crate::engine::words::text::shown;
use crate::engine::words::time::Span;
use crate::engine::words::wording::Words;

/// A position in a document: `roles.editor.inherits[0]`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place(Vec<Step>);

/// One step of a [`Place`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Step {
    /// The value of a key.
    Key(String),
    /// The item at an index, counted from 0.
    Index(usize),
}

impl Place {
    /// The place of `key` below this place.
    #[must_use]
    pub fn key(&self, key: impl fmt::Display) -> Self {
        self.below(Step::Key(key.to_string()))
    }

    /// The place of the item `index` below this place.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.below(Step::Index(index))
    }

    /// The steps from the document's root.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    fn below(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl FromIterator<Step> for Place {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

/// Writes the place with shortened keys where they look like a secret.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the document");
        }
        let discreet = |step: &Step| match step {
            Step::Key(key) => Step::Key(discreet(key)),
            Step::Index(index) => Step::Index(*index),
        };
        for (position, step) in self.0.iter().map(discreet).enumerate() {
            match &step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.contains(['.', '[', ' ']) || shown(key) != *key => {
                    write!(f, "[{key:?}]")?;
                }
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

/// One problem in a document.
#[derive(Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where it is.
    pub place: Place,
    /// What it is.
    pub fault: Fault,
}

/// All problems of a document, in document order; never empty.
#[derive(Debug, Eq, PartialEq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Fails if there are any problems.
    pub fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(Self(problems))
    }

    /// The problems, moved to other places.
    pub(crate) fn map_places(self, mut map: impl FnMut(Place) -> Place) -> Self {
        let moved = |Problem { place, fault }| Problem { place: map(place), fault };
        Self(self.0.into_iter().map(moved).collect())
    }

    /// The problems in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// One line per problem, as in Envoy's log: message, place, hint.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            write!(f, "error: {} ({})", problem.fault, problem.place)?;
            if let Some(hint) = problem.fault.hint() {
                write!(f, "; hint: {hint}")?;
            }
        }
        Ok(())
    }
}

/// What is wrong at a place.
#[expect(missing_docs, reason = "the fields are what the message names")]
#[derive(Debug, Eq, PartialEq)]
pub enum Fault {
    /// Text that is not JSON or YAML.
    Syntax { message: String, line: usize, column: usize },
    /// A value that the format does not allow: an unknown key, a wrong type, a bad name.
    Shape(String),
    /// An untrusted signed bundle, or unusable keys.
    Signed(Refusal),
    /// An invalid operation.
    Operation { operation: String, error: BadOperation },
    /// An undefined permission.
    UnknownPermission { user: String, permission: PermissionName },
    /// An undefined role.
    UnknownRole { user: String, role: RoleName },
    /// An undefined kind.
    UnknownKind { token: TokenId, kind: KindName },
    /// A role that inherits from itself.
    InheritanceCycle { chain: Vec<RoleName> },
    /// A token holds a role that its kind does not allow.
    RoleNotAllowed { token: TokenId, role: RoleName, kind: KindName, allowed: Vec<RoleName>, more: usize },
    /// A token lacks a field that its kind requires.
    MissingField { token: TokenId, kind: KindName, field: &'static str },
    /// A secret without an expiry, of a kind that limits lifetimes.
    EndlessSecret { secret: SecretId, kind: KindName, limit: Span, missing: &'static str },
    /// A secret lives longer than its kind allows.
    LongLifetime { secret: SecretId, kind: KindName, limit: Span, seconds: i64 },
    /// A scope names a permission that no role of the token grants.
    ScopeBeyondRoles { token: TokenId, permission: PermissionName },
    /// Two secrets with the same digest.
    DuplicateDigest { fingerprint: Fingerprint, first: String, second: String },
    /// Two secrets of one token with the same id.
    DuplicateSecretId { token: TokenId, secret: SecretId },
    /// A secret that ends before it starts.
    EmptyLifetime { secret: SecretId },
    /// A retired secret without an end of its overlap.
    RetiredWithoutEnd { secret: SecretId },
    /// A span in `defense` that is too long.
    LongSpan { what: &'static str, span: Span, limit: Span },
    /// More items than the engine accepts.
    TooMany { what: &'static str, count: usize, limit: usize },
}

impl Fault {
    /// How to fix it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Syntax { .. } | Self::Shape(_) => return None,
            Self::Signed(refusal) => refusal.hint(),
            Self::Operation { error, .. } => return Some(error.hint().into_owned()),
            Self::UnknownPermission { permission, .. } => {
                return Some(format!(
                    "define `{}` under `permissions`, or correct the name",
                    discreet(permission.as_str())
                ));
            }
            Self::UnknownRole { role, .. } => {
                return Some(format!(
                    "define `{}` under `roles`, or correct the name",
                    discreet(role.as_str())
                ));
            }
            Self::UnknownKind { kind, .. } => {
                return Some(format!(
                    "define `{}` under `kinds`, or correct the name",
                    discreet(kind.as_str())
                ));
            }
            Self::InheritanceCycle { .. } => "remove one of these `inherits` entries",
            Self::RoleNotAllowed { .. } => "take the role from the token, or add it to the kind's `roles`",
            Self::MissingField { field, .. } => return Some(format!("add `{field}` to the token")),
            Self::EndlessSecret { missing, .. } => {
                return Some(format!("add `{missing}` to the secret"));
            }
            Self::LongLifetime { .. } => {
                "mint a secret with a shorter life, or raise the kind's `max_lifetime`"
            }
            Self::ScopeBeyondRoles { .. } => {
                "a scope narrows what the roles grant: grant the permission, or drop it here"
            }
            Self::DuplicateDigest { .. } => {
                "one secret would act as two tokens: mint another for one of them"
            }
            Self::DuplicateSecretId { .. } => "give each secret of a token an id of its own",
            Self::EmptyLifetime { .. } => "`created_at` and `not_before` must be before `expires_at`",
            Self::RetiredWithoutEnd { .. } => "set `expires_at` to the end of the overlap",
            Self::LongSpan { what: "suspend", .. } => {
                "a suspension ends by itself: revoke what is to end for good"
            }
            Self::LongSpan { .. } => "count in a shorter span",
            Self::TooMany { .. } => "split the policy, or merge what is alike",
        };
        Some(hint.to_owned())
    }
}

/// Shortens everything that looks like a secret, except public keys.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Signed(refusal) = self {
            return write!(f, "{refusal}");
        }
        f.write_str(&discreet(&Worded(self).to_string()))
    }
}

/// The full text of a fault.
struct Worded<'f>(&'f Fault);

impl fmt::Display for Worded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fault::Syntax { message, line, column } => write!(f, "{message} at line {line} column {column}"),
            Fault::Shape(message) => f.write_str(message),
            Fault::Signed(refusal) => write!(f, "{refusal}"),
            Fault::Operation { operation, error } => {
                let begin: String = operation.chars().take(MAX_SHOWN).collect();
                let more = if begin.len() < operation.len() { "…" } else { "" };
                write!(f, "`{}{more}` is not an operation: {error}", shown(&begin))
            }
            Fault::UnknownPermission { user, permission } => {
                write!(f, "{user} names permission `{permission}`, which is not defined")
            }
            Fault::UnknownRole { user, role } => {
                write!(f, "{user} names role `{role}`, which is not defined")
            }
            Fault::UnknownKind { token, kind } => {
                write!(f, "token `{token}` is of kind `{kind}`, which is not defined")
            }
            Fault::InheritanceCycle { chain } => cycle(f, chain),
            Fault::RoleNotAllowed { token, role, kind, allowed, more } => {
                write!(f, "token `{token}` holds role `{role}`, but kind `{kind}` allows {}", list(allowed))?;
                if *more > 0 { write!(f, " and {more} more") } else { Ok(()) }
            }
            Fault::MissingField { token, kind, field } => {
                write!(f, "token `{token}` has no `{field}`, which kind `{kind}` requires")
            }
            Fault::EndlessSecret { secret, kind, limit, missing } => {
                write!(
                    f,
                    "secret `{secret}` has no `{missing}`, but kind `{kind}` allows a lifetime of at most {}",
                    limit.words()
                )
            }
            Fault::LongLifetime { secret, kind, limit, seconds } => {
                let (life, limit) = (Words::of_seconds(*seconds), limit.words());
                write!(f, "secret `{secret}` lives {life}, but kind `{kind}` allows at most {limit}")
            }
            Fault::ScopeBeyondRoles { token, permission } => {
                write!(f, "scope of token `{token}` names `{permission}`, which its roles do not grant")
            }
            Fault::DuplicateDigest { fingerprint, first, second } => {
                write!(f, "{second} has the same digest ({fingerprint}…) as {first}")
            }
            Fault::DuplicateSecretId { token, secret } => {
                write!(f, "token `{token}` has two secrets `{secret}`")
            }
            Fault::EmptyLifetime { secret } => {
                write!(f, "secret `{secret}` expires before it becomes valid")
            }
            Fault::RetiredWithoutEnd { secret } => {
                write!(f, "secret `{secret}` is retired but has no `expires_at`")
            }
            Fault::LongSpan { what, span, limit } => {
                write!(f, "`{what}` of {} is longer than the {} allowed", span.words(), limit.words())
            }
            Fault::TooMany { what, count, limit } => {
                write!(f, "{count} {what} are more than the {limit} allowed")
            }
        }
    }
}

fn cycle(f: &mut fmt::Formatter<'_>, chain: &[RoleName]) -> fmt::Result {
    let names: Vec<String> = chain.iter().map(|role| format!("`{role}`")).collect();
    let first = names.first().map_or("", String::as_str);
    write!(f, "role {first} inherits from itself: {} → {first}", names.join(" → "))
}

fn list(names: &[RoleName]) -> String {
    if names.is_empty() {
        return "no role".to_owned();
    }
    format!("only {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
}

/// Maximum number of characters of an operation that a message quotes.
const MAX_SHOWN: usize = 120;
