//! The rules that a request must keep, so that the filter and every upstream read it alike.

use serde::{Serialize, Serializer};

use crate::engine::matching::path::BadPath;

/// A rule that a malformed or ambiguous request breaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
    /// The method is a token of upper-case letters, digits and hyphens.
    Method,
    /// The request names one host.
    Host,
    /// The path has one reading.
    Path(BadPath),
    /// No header names a second path.
    SecondPath,
    /// Only GET asks for another protocol.
    Upgrade,
    /// `connection` names no header that an upstream relies on.
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
