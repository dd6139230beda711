//! Values of documents: writing a parsed value and parsing it again gives the same value.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::net::Ipv6Addr;
use std::str::FromStr;

use tokenward::engine::config::bundle::TokenPrefix;
use tokenward::engine::matching::attribute::AttributeValue;
use tokenward::engine::matching::host::{Host, Ports};
use tokenward::engine::words::address::{AddressRange, Source};
use tokenward::engine::words::hours::Hours;
use tokenward::engine::words::name::{KindName, PermissionName, TokenId};
use tokenward::engine::words::rate::{Bucket, RateLimit, Taken};
use tokenward::engine::words::secret::{Secret, SecretDigest};
use tokenward::engine::words::time::{Span, Time};

use super::is_one_line;

/// The input is a text, and also a source address, a host and a bucket.
pub(crate) fn holds(data: &[u8]) {
    source(data);
    host(data);
    assert!(Secret::parse(data).is_none_or(|secret| secret.digest() == SecretDigest::of(data)));
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(hours) = round_trip::<Hours>(text) {
        recurs_each_week(&hours, data);
    }
    if let Some(limit) = round_trip::<RateLimit>(text) {
        is_a_limit(limit, data);
    }
    if let Some(range) = round_trip::<AddressRange>(text) {
        let first = range.to_string();
        let first = first.split('/').next().unwrap_or_default().parse().unwrap();
        assert!(range.contains(first), "{range} has its first address");
    }
    round_trip::<Time>(text);
    round_trip::<Span>(text);
    round_trip::<AttributeValue>(text);
    round_trip::<TokenPrefix>(text);
    round_trip::<PermissionName>(text);
    round_trip::<KindName>(text);
    round_trip::<TokenId>(text);
    digest(text);
    let _ = RateLimit::from_str(text);
}

fn round_trip<T>(text: &str) -> Option<T>
where
    T: TryFrom<String, Error: Display> + Into<String> + Clone + Debug + PartialEq,
{
    match T::try_from(text.to_owned()) {
        Ok(value) => {
            let written: String = value.clone().into();
            let again = T::try_from(written.clone()).map_err(|error| error.to_string());
            assert_eq!(again.as_ref(), Ok(&value), "{text:?} is written as {written:?}");
            Some(value)
        }
        Err(error) => {
            let message = error.to_string();
            is_one_line(&message);
            assert!(message.len() < 1_024, "a message is short: {message}");
            None
        }
    }
}

fn recurs_each_week(hours: &Hours, data: &[u8]) {
    let seed = i64::try_from(data.iter().map(|byte| u64::from(*byte)).sum::<u64>() * 977_777).unwrap();
    for time in [seed, seed - 60_000, i64::MIN, i64::MAX, 0] {
        let inside = hours.contain(Time::from_millis(time));
        if let Some(later) = time.checked_add(WEEK).filter(|_| time > i64::MIN / 2) {
            assert_eq!(hours.contain(Time::from_millis(later)), inside, "{hours} at {time}");
        }
    }
}

fn is_a_limit(limit: RateLimit, data: &[u8]) {
    let bucket = Bucket::from_bytes(data.get(..8).unwrap_or_default());
    for now in [0, 1, 1_772_409_600_000, i64::MIN, i64::MAX, -1] {
        for bucket in [bucket, Bucket::FULL, Bucket::from_bytes(&[0xFF; 8]), Bucket::from_bytes(&[0x7F; 8])] {
            let quota = match limit.take(bucket, Time::from_millis(now)) {
                Taken::Granted { bucket, quota } => {
                    assert_eq!(Bucket::from_bytes(&bucket.to_bytes()), bucket);
                    quota
                }
                Taken::Refused(quota) => quota,
            };
            assert!(quota.reset() >= 0, "{limit} at {now}: {quota:?}");
            is_one_line(&quota.field());
            is_one_line(&quota.policy_field());
        }
    }
}

fn source(data: &[u8]) {
    let source = Source::of(data);
    if let Some(ip) = source.ip() {
        assert_eq!(Source::of(format!("{ip}:1").as_bytes()).ip(), Some(ip), "{ip}");
    }
    assert!(source.text().len() <= data.len());
}

fn host(data: &[u8]) {
    let Ok(host) = Host::parse(data) else { return };
    let text = host.as_str();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()), "{text}");
    assert_eq!(Host::parse(text.as_bytes()).unwrap().as_str(), text, "twice is once");
    for ports in [Ports::Kept, Ports::Removed] {
        let forwarded = host.rewritten(data, ports).unwrap_or(Cow::Borrowed(data));
        let read = Host::parse(&forwarded).unwrap();
        assert_eq!(read.as_str(), text, "what is forwarded is what was judged");
        assert_eq!(read.rewritten(&forwarded, ports), None, "the authority is forwarded in one spelling");
        assert!(forwarded.last() != Some(&b':'), "no port is empty");
        let without_port = ports == Ports::Kept || *forwarded == *text.as_bytes();
        assert!(without_port, "a port is removed");
    }
    if let Some(inner) = text.strip_prefix('[') {
        let address: Ipv6Addr = inner.trim_end_matches(']').parse().unwrap();
        assert_eq!(text, format!("[{address}]"), "an address has one spelling");
    }
}

fn digest(text: &str) {
    match SecretDigest::try_from(text) {
        Ok(digest) => assert_eq!(digest.to_hex(), text.to_ascii_lowercase()),
        Err(error) => is_one_line(&error.to_string()),
    }
}

/// Milliseconds in a week.
const WEEK: i64 = 7 * 86_400_000;
