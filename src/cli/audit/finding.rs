//! Faults of a log.

use std::fmt;

use crate::engine::memory::chain_id::ChainId;

/// A line of a log.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Number of the file, in the order of the arguments.
    pub file: usize,
    /// Number of the line, from 1.
    pub line: u64,
}

/// A fault of a log.
#[derive(Debug, Eq, PartialEq)]
pub struct Finding {
    /// The fault.
    pub fault: Fault,
    /// The chain in which it is.
    pub chain: Option<ChainId>,
    /// The number of the event.
    pub seq: Option<u64>,
    /// The line; for missing events, the line that follows them.
    pub place: Option<Place>,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// No line of the log is an event.
    Empty,
    /// A line starts like an event and does not end like one.
    Damaged,
    /// An event without a chain.
    Unchained,
    /// An event or its hash was changed.
    Changed,
    /// The events up to this one are missing.
    Missing(u64),
    /// A repeated event.
    Repeated,
    /// An event after a later one.
    Reordered,
    /// The numbers of a summary do not add up.
    Miscounted,
    /// An event after the end of its chain.
    AfterEnd,
    /// An event that differs from the one verified before.
    Replaced,
    /// A chain that ends before the event verified before.
    Cut(u64),
    /// A chain without an end.
    Open,
    /// The chains up to this one are missing.
    NoChain(u64),
}

impl Fault {
    /// A stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Damaged => "damaged",
            Self::Unchained => "unchained",
            Self::Changed => "changed",
            Self::Missing(_) => "missing",
            Self::Repeated => "repeated",
            Self::Reordered => "reordered",
            Self::Miscounted => "miscounted",
            Self::AfterEnd => "after_end",
            Self::Replaced => "replaced",
            Self::Cut(_) => "cut",
            Self::Open => "open",
            Self::NoChain(_) => "no_chain",
        }
    }

    /// How to fix it, if it may not be a fault at all.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::Empty => Some(
                "Envoy writes events to its log at `--component-log-level wasm:info`, or see docs/reference/audit.md",
            ),
            Self::Unchained => Some("it was written with `chain: off`, or not by the filter"),
            Self::Changed => Some("if this is the first event of each chain, the key is probably wrong"),
            Self::Missing(_) | Self::NoChain(_) => {
                Some("give all logs, the oldest first; if older logs are gone, use `--heads` or `--rotated`")
            }
            Self::Reordered => {
                Some("an access log has its lines in the order in which requests end: say `--unordered`")
            }
            Self::Open => Some("while Envoy runs, or after it was killed, leave out `--closed`"),
            Self::Damaged
            | Self::Repeated
            | Self::Miscounted
            | Self::AfterEnd
            | Self::Replaced
            | Self::Cut(_) => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = self.chain.map(|chain| chain.to_string()).unwrap_or_default();
        let seq = self.seq.unwrap_or_default();
        match self.fault {
            Fault::Empty => f.write_str("there is no audit event here"),
            Fault::Damaged => f.write_str("this line begins like an audit event and does not end like one"),
            Fault::Unchained => f.write_str("this event is in no chain"),
            Fault::Changed => write!(f, "event {seq} of chain {chain} was changed"),
            Fault::Missing(to) if to == seq => {
                write!(f, "event {seq} of chain {chain} is missing before this line")
            }
            Fault::Missing(to) => {
                write!(f, "events {seq} to {to} of chain {chain} are missing before this line")
            }
            Fault::Repeated => write!(f, "event {seq} of chain {chain} is there a second time"),
            Fault::Reordered => write!(f, "event {seq} of chain {chain} stands behind a later one"),
            Fault::Miscounted => {
                write!(f, "the numbers of summary {seq} of chain {chain} do not add up to its `count`")
            }
            Fault::AfterEnd => write!(f, "chain {chain} goes on behind its end"),
            Fault::Replaced => {
                write!(f, "event {seq} of chain {chain} is not the one that was verified before")
            }
            Fault::Cut(known) => {
                write!(
                    f,
                    "chain {chain} was verified up to event {known} before, and ends with event {seq} here"
                )
            }
            Fault::Open => write!(f, "chain {chain} has no end"),
            Fault::NoChain(to) => match self.chain {
                Some(ChainId { number, .. }) if to > number => {
                    write!(f, "chains {chain} to {to} are missing: there is no line of them")
                }
                Some(_) | None => write!(f, "chain {chain} is missing: there is no line of it"),
            },
        }
    }
}
