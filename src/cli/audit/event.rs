//! Finds an audit event in a line of a log. The logger may write a prefix before it, and a little text after it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::engine::memory::chain_id::ChainId;
use crate::engine::report::chain::{CHAIN, END, HASH, Link};

/// The content of a log line.
#[derive(Debug, Eq, PartialEq)]
pub enum Line<'a> {
    /// Something else.
    Other,
    /// It starts like an event but is not a valid one.
    Damaged,
    /// An event without a chain.
    Unchained,
    /// An event in a chain.
    Event(Event<'a>),
}

/// An event in a chain.
#[derive(Debug, Eq, PartialEq)]
pub struct Event<'a> {
    /// The chain of the event.
    pub chain: ChainId,
    /// The number of the event in the chain.
    pub seq: u64,
    /// The hash as written.
    pub hash: Link,
    /// The text that the hash covers.
    pub signed: Cow<'a, [u8]>,
}

impl<'a> Line<'a> {
    /// Classifies a line.
    pub fn read(line: &'a [u8]) -> Self {
        // Take the first text that starts like an event: text from a caller can only follow the event.
        if let Some(start) = first(line, START) {
            return Self::of(line.get(start..).unwrap_or_default());
        }
        match first(line, QUOTED_START) {
            None => Self::Other,
            Some(start) => match unquoted(line.get(start..).unwrap_or_default()) {
                None => Self::Damaged,
                Some(text) => match Line::of(text.as_bytes()) {
                    Line::Event(event) => Self::Event(event.into_owned()),
                    Line::Unchained => Self::Unchained,
                    Line::Other | Line::Damaged => Self::Damaged,
                },
            },
        }
    }

    /// Reads the event that starts here and ends with its JSON.
    fn of(text: &'a [u8]) -> Self {
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
        let is_whole = values.next().is_some_and(|value| value.is_ok());
        let text = text.get(..values.byte_offset()).filter(|_| is_whole).unwrap_or_default();
        if let Some(event) = Event::read(text) {
            return Self::Event(event);
        }
        let members = last(text, CHAIN.as_bytes()).or_else(|| last(text, HASH.as_bytes()));
        if is_whole && members.is_none() { Self::Unchained } else { Self::Damaged }
    }
}

impl<'a> Event<'a> {
    /// Reads an event that is all of `text`.
    fn read(text: &'a [u8]) -> Option<Self> {
        let rest = text.strip_suffix(END.as_bytes())?;
        let at = last(rest, HASH.as_bytes())?;
        let (signed, hash) = rest.split_at_checked(at)?;
        let hash = Link::parse(hash.strip_prefix(HASH.as_bytes())?)?;
        let rest = signed.strip_suffix(b"\"")?;
        let (rest, chain) = rest.split_at_checked(last(rest, CHAIN.as_bytes())?)?;
        let chain = str::from_utf8(chain.strip_prefix(CHAIN.as_bytes())?).ok()?.parse().ok()?;
        let (_, seq) = rest.split_at_checked(last(rest, SEQ)?)?;
        let seq = str::from_utf8(seq.strip_prefix(SEQ)?).ok()?.parse().ok()?;
        Some(Self { chain, seq, hash, signed: Cow::Borrowed(signed) })
    }

    /// Copies the event into its own memory.
    pub(super) fn into_owned(self) -> Event<'static> {
        Event { signed: Cow::Owned(self.signed.into_owned()), ..self }
    }

    /// Whether it is the last event of its chain.
    pub fn is_end(&self) -> bool {
        self.kind() == Some(b"closed")
    }

    /// Whether it is the only event of its chain: Envoy only tried a configuration.
    pub fn is_canary(&self) -> bool {
        matches!(self.kind(), Some(b"configured" | b"rollback_refused"))
            && last(&self.signed, b",\"canary\":true,").is_some()
    }

    /// The number of chains at the end of this one; `None` if the event does not say.
    pub fn chains(&self) -> Option<u64> {
        let at = last(&self.signed, CHAINS).filter(|_| self.is_end())?;
        let (_, count) = self.signed.split_at_checked(at)?;
        str::from_utf8(count.strip_prefix(CHAINS)?.split(|byte| *byte == b',').next()?).ok()?.parse().ok()
    }

    /// The number of requests that a summary counts; 0 for other events. Fails if the numbers of the summary do not
    /// add up.
    pub fn counted(&self) -> Result<u64, BadSummary> {
        if self.kind() != Some(b"summary") {
            return Ok(0);
        }
        let whole = [&self.signed, &b"}"[..]].concat();
        let Summary { count, reasons } = serde_json::from_slice(&whole).map_err(|_| BadSummary)?;
        let sum = reasons.values().try_fold(0_u64, |sum, count| sum.checked_add(*count));
        if sum == Some(count) && count > 0 { Ok(count) } else { Err(BadSummary) }
    }

    /// The kind of event, which is always the third member.
    fn kind(&self) -> Option<&[u8]> {
        let (_, rest) = self.signed.split_at_checked(first(&self.signed, KIND)?)?;
        rest.strip_prefix(KIND)?.split(|byte| *byte == b'"').next()
    }
}

/// The numbers of a summary.
#[derive(Deserialize)]
struct Summary {
    count: u64,
    reasons: BTreeMap<String, u64>,
}

/// A summary whose numbers are malformed or do not add up.
#[derive(Debug, Eq, PartialEq)]
pub struct BadSummary;

/// The JSON string whose content starts here (RFC 8259 §7); loggers that write JSON quote an event.
fn unquoted(text: &[u8]) -> Option<String> {
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })?;
    let quoted = [b"\"", text.get(..end)?, b"\""].concat();
    serde_json::from_slice(&quoted).ok()
}

fn first(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn last(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).rposition(|window| window == part)
}

/// The start of an event. It cannot occur inside one, because quotes are escaped there.
const START: &[u8] = b"{\"v\":1,\"ts\":\"";
const QUOTED_START: &[u8] = b"{\\\"v\\\":1,\\\"ts\\\":\\\"";
const KIND: &[u8] = b",\"event\":\"";
const SEQ: &[u8] = b",\"seq\":";
const CHAINS: &[u8] = b",\"chains\":";

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"v":1,"ts":"2026-01-01T00:00:00.000Z","event":"decision","path":"/\"a\\","seq":7,"chain":"00000000000000ab-3","hash":"0123456789abcdef0123456789abcdef"}"#;

    fn event(line: &str) -> (u64, Vec<u8>) {
        let Line::Event(event) = Line::read(line.as_bytes()) else { panic!("no event: {line}") };
        (event.seq, event.signed.into_owned())
    }

    #[test]
    fn event_is_found_despite_prefix_suffix_or_quotes() {
        let signed = EVENT.split_once(",\"hash\"").unwrap().0.as_bytes().to_vec();
        let quoted = serde_json::json!({ "stream": "stderr", "log": format!("wasm log: {EVENT}\n") });
        for line in [
            EVENT.to_owned(),
            format!("[2026-01-01][1][info] wasm log tokenward: {EVENT}"),
            format!("{EVENT} 200 via_upstream"),
            quoted.to_string(),
        ] {
            assert_eq!(event(&line), (7, signed.clone()), "{line}");
        }
    }

    #[test]
    fn caller_text_after_an_event_is_ignored() {
        let signed = EVENT.split_once(",\"hash\"").unwrap().0.as_bytes().to_vec();
        for behind in [START, b"}", b"\"}", b"{\"v\":1}", br#"{"v":1,"ts":"x","seq":8,"chain":"00000000000000ab-4","hash":"0123456789abcdef0123456789abcdef"}"#] {
            let line = [EVENT.as_bytes(), b" 200 \"", behind, b"\""].concat();
            assert_eq!(event(str::from_utf8(&line).unwrap()), (7, signed.clone()), "{}", behind.escape_ascii());
        }
    }

    #[test]
    fn incomplete_and_unchained_events_are_recognized() {
        let unchained = r#"{"v":1,"ts":"2026-01-01T00:00:00.000Z","event":"decision","seq":7}"#;
        assert_eq!(Line::read(unchained.as_bytes()), Line::Unchained);
        assert_eq!(Line::read(b"starting main dispatch loop"), Line::Other);
        for (from, to) in [("\"seq\":7", "\"seq\":"), ("ab-3", "ab-03"), ("f\"}", "\"}"), ("f\"}", "F\"}")] {
            assert_eq!(Line::read(EVENT.replacen(from, to, 1).as_bytes()), Line::Damaged, "{to}");
        }
        assert_eq!(Line::read(&EVENT.as_bytes()[..60]), Line::Damaged);
    }

    #[test]
    fn a_summary_says_how_many_requests_it_counts() {
        let counted = |members: &str| {
            let line = EVENT.replace("\"event\":\"decision\"", &format!("\"event\":\"summary\",{members}"));
            let Line::Event(event) = Line::read(line.as_bytes()) else { panic!("no event: {line}") };
            event.counted()
        };
        let reasons = r#""reasons":{"public":3,"missing_token":4}"#;
        assert_eq!(counted(&format!(r#""count":7,{reasons}"#)), Ok(7));
        for bad in [r#""count":8"#, r#""count":-7"#, r#""count":"7""#, "\"a\":1"] {
            assert_eq!(counted(&format!("{bad},{reasons}")), Err(BadSummary), "{bad}");
        }
        assert_eq!(counted(r#""count":0,"reasons":{}"#), Err(BadSummary));
        let Line::Event(decision) = Line::read(EVENT.as_bytes()) else { panic!("no event") };
        assert_eq!(decision.counted(), Ok(0));
    }
}
