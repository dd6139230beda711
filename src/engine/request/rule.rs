//! The rules that every request must keep, so that the filter and every upstream read it alike.

use serde::{Serialize, Serializer};

use crate::engine::matching::path::BadPath;

/// The rule that a malformed or ambiguous request breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// The method must be a token of upper-case letters, digits and hyphens.
    Method,
    /// The request must name one host.
    Host,
    /// The path must be unambiguous.
    Path(BadPath),
    /// No header may name a second path.
    SecondPath,
    /// Only GET may ask for another protocol.
    Upgrade,
    /// `connection` may not name headers that an upstream relies on.
    Connection,
}

impl Rule {
    /// The rule as a stable code, for audit events and `explain`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Host => "host",
            Self::Path(path) => path.code(),
            Self::SecondPath => "second_path",
            Self::Upgrade => "upgrade",
            Self::Connection => "connection",
        }
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}
