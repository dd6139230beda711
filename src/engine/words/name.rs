//! The names in a policy, each with its own type and checked on construction.
//!
//! In: text from a document. Out: a name that needs no escaping in a header, a challenge, a log line or a
//! metric. Names in structured headers are RFC 9651 §3.3.4 tokens.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The error for text that is not a valid name of its kind.
#[derive(Debug, Eq, PartialEq)]
pub struct BadName {
    what: &'static str,
    name: String,
    first: First,
    limit: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum First {
    Letter,
    LetterOrDigit,
}

#[cfg(not(target_arch = "wasm32"))]
impl First {
    /// The rule as a regular expression.
    fn pattern(self, limit: usize) -> String {
        let first = match self {
            Self::Letter => "A-Za-z",
            Self::LetterOrDigit => "A-Za-z0-9",
        };
        format!("^[{first}][A-Za-z0-9._:-]{{0,{}}}$", limit.saturating_sub(1))
    }
}

impl std::error::Error for BadName {}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, first, limit } = self;
        let name = name.chars().take(80).collect::<String>();
        write!(f, "`{}` is not {what}: {}", name.escape_default(), rule(*first, *limit))
    }
}

fn rule(first: First, limit: usize) -> String {
    let first = match first {
        First::Letter => "a letter",
        First::LetterOrDigit => "a letter or digit",
    };
    format!(
        "it begins with {first}, goes on with letters, digits and `. _ : -`, and has at most {limit} characters"
    )
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $first:ident, $limit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[cfg_attr(
            not(target_arch = "wasm32"),
            derive(schemars::JsonSchema),
            schemars(extend(
                "pattern" = First::$first.pattern($limit),
                "patternErrorMessage" = rule(First::$first, $limit)
            ))
        )]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Box<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $type {
            type Error = BadName;

            fn try_from(name: String) -> Result<Self, BadName> {
                if is_name(&name, First::$first, $limit) {
                    return Ok(Self(name.into_boxed_str()));
                }
                Err(BadName { what: $what, name, first: First::$first, limit: $limit })
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.into_string()
            }
        }

        impl std::str::FromStr for $type {
            type Err = BadName;

            fn from_str(name: &str) -> Result<Self, BadName> {
                Self::try_from(name.to_owned())
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// Name of a policy, as in `name: acme-edge`. It is also the realm of a challenge.
    PolicyName, "a policy name", Letter, 64
);
name!(
    /// Name of a permission, written like an OAuth scope: `metrics:read`.
    PermissionName, "a permission name", Letter, 64
);
name!(
    /// Name of a role.
    RoleName, "a role name", Letter, 64
);
name!(
    /// Name of a kind of token: `admin`, `service`, `user`.
    KindName, "a kind name", Letter, 32
);
name!(
    /// Stable id of a token. Unlike the secret, it may be logged and shown.
    TokenId, "a token id", LetterOrDigit, 64
);
name!(
    /// Id of one secret within its token.
    SecretId, "a secret id", LetterOrDigit, 32
);

name!(
    /// Name of an environment: `production`.
    EnvironmentName, "an environment name", LetterOrDigit, 64
);
name!(
    /// Name of a service, or of a gateway in front of several: `edge`.
    ServiceName, "a service name", LetterOrDigit, 64
);
name!(
    /// Name of a token's attribute: `tenant`.
    AttributeName, "an attribute name", Letter, 64
);

fn is_name(name: &str, first: First, limit: usize) -> bool {
    let mut bytes = name.bytes();
    name.len() <= limit
        && bytes.next().is_some_and(|byte| match first {
            First::Letter => byte.is_ascii_alphabetic(),
            First::LetterOrDigit => byte.is_ascii_alphanumeric(),
        })
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
}
