//! Rate limits: how many requests a token may make in a span of time.
//!
//! A token bucket, stored as one number (the generic cell rate algorithm of ITU-T I.371): the time at which
//! the bucket is full again. In: a [`Bucket`] and the time. Out: the bucket after the request, or the time
//! until the next request is allowed. The host stores buckets and shares them between threads.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::words::time::{Span, Time};

/// A number of requests per span, written as `100/1m`. All of them may come at once; the bucket refills
/// evenly.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(schemars::JsonSchema),
    schemars(extend("pattern" = "^0*[1-9][0-9]*/0*[1-9][0-9]*[smhd]$", "examples" = ["100/1m"]))
)]
#[serde(try_from = "String", into = "String")]
pub struct RateLimit {
    count: u32,
    per: Span,
}

impl RateLimit {
    /// Takes one request out of the bucket.
    pub fn take(self, bucket: Bucket, now: Time) -> Taken {
        let now = micros(now);
        // Limits what a larger limit or a wrong clock left in the bucket: it is never worse than empty.
        let full_at = bucket.0.clamp(now, now.saturating_add(self.window()));
        let next = full_at.saturating_add(self.interval());
        let wait = next.saturating_sub(now).saturating_sub(self.window());
        if wait > 0 {
            return Taken::Refused(Quota { limit: self, remaining: 0, reset: wait });
        }
        let room = now.saturating_add(self.window()).saturating_sub(next);
        let remaining = room.checked_div(self.interval()).unwrap_or(0);
        let quota = Quota { limit: self, remaining, reset: next.saturating_sub(now) };
        Taken::Granted { bucket: Bucket(next), quota }
    }

    /// Microseconds until one more request is allowed.
    fn interval(self) -> i64 {
        let per = i64::from(self.per.seconds()).saturating_mul(MICROS);
        per.checked_div(i64::from(self.count)).unwrap_or(per).max(1)
    }

    /// Microseconds in which an empty bucket refills.
    fn window(self) -> i64 {
        self.interval().saturating_mul(i64::from(self.count))
    }
}

/// The state of a token's limit: the time at which its full quota is available again, in microseconds since
/// 1970.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bucket(i64);

impl Bucket {
    /// A full bucket.
    pub const FULL: Self = Self(i64::MIN);

    /// Reads a stored bucket. Invalid bytes count as a full bucket.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        bytes.try_into().map_or(Self::FULL, |bytes| Self(i64::from_le_bytes(bytes)))
    }

    /// The bucket as bytes for storage.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

/// The result of taking a request from a bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Taken {
    /// The request is within the limit.
    Granted {
        /// The bucket after the request.
        bucket: Bucket,
        /// The remaining quota.
        quota: Quota,
    },
    /// The request exceeds the limit; the bucket is unchanged.
    Refused(Quota),
}

/// The remaining quota of a limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Quota {
    limit: RateLimit,
    remaining: i64,
    /// Microseconds until the quota is full again; if it is used up, until one request is allowed.
    reset: i64,
}

impl Quota {
    /// The quota if the host stores no counters: nothing, for one second.
    pub fn unknown(limit: RateLimit) -> Self {
        Self { limit, remaining: 0, reset: MICROS }
    }

    /// Seconds to wait, rounded up: `Retry-After` (RFC 9110 §10.2.3).
    pub fn reset(self) -> i64 {
        self.reset.saturating_add(MICROS).saturating_sub(1).div_euclid(MICROS)
    }

    /// Value of the `RateLimit-Policy` field (draft-ietf-httpapi-ratelimit-headers-10 §3).
    pub fn policy_field(self) -> String {
        format!("\"token\";q={};w={}", self.limit.count, self.limit.per.seconds())
    }

    /// Value of the `RateLimit` field (draft-ietf-httpapi-ratelimit-headers-10 §4).
    pub fn field(self) -> String {
        format!("\"token\";r={};t={}", self.remaining, self.reset())
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.per)
    }
}

impl From<RateLimit> for String {
    fn from(limit: RateLimit) -> Self {
        limit.to_string()
    }
}

impl TryFrom<String> for RateLimit {
    type Error = BadRateLimit;

    fn try_from(text: String) -> Result<Self, BadRateLimit> {
        text.parse()
    }
}

impl std::str::FromStr for RateLimit {
    type Err = BadRateLimit;

    fn from_str(text: &str) -> Result<Self, BadRateLimit> {
        let parse = || -> Option<Self> {
            let (count, per) = text.split_once('/')?;
            let digits = count.bytes().all(|byte| byte.is_ascii_digit());
            let limit = Self { count: count.parse().ok().filter(|_| digits)?, per: per.parse().ok()? };
            // Even refilling needs at least a microsecond per request.
            let most = u64::from(limit.per.seconds()).saturating_mul(1_000_000);
            (limit.count > 0 && u64::from(limit.count) <= most).then_some(limit)
        };
        parse().ok_or_else(|| BadRateLimit(text.chars().take(64).collect()))
    }
}

/// The error for text that is not a rate limit.
#[derive(Debug, Eq, PartialEq)]
pub struct BadRateLimit(String);

impl std::error::Error for BadRateLimit {}

impl fmt::Display for BadRateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a rate limit: write requests and a span, as in `100/1m`, at most 1000000 a second",
            self.0.escape_default()
        )
    }
}

fn micros(time: Time) -> i64 {
    time.millis().saturating_mul(1_000)
}

const MICROS: i64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `tries` requests at `now` are granted.
    fn granted(limit: RateLimit, bucket: &mut Bucket, now: i64, tries: usize) -> usize {
        let mut taken = |_: &usize| match limit.take(*bucket, Time::from_millis(now)) {
            Taken::Granted { bucket: next, .. } => {
                *bucket = next;
                true
            }
            Taken::Refused(_) => false,
        };
        (0..tries).filter(|number| taken(number)).count()
    }

    #[test]
    fn bucket_allows_bursts_and_refills_evenly() {
        let limit: RateLimit = "100/1m".parse().unwrap();
        let mut bucket = Bucket::FULL;
        assert_eq!(granted(limit, &mut bucket, 0, 400), 100);
        assert_eq!(granted(limit, &mut bucket, 599, 400), 0);
        assert_eq!(granted(limit, &mut bucket, 600, 400), 1);
        assert_eq!(granted(limit, &mut bucket, 30_600, 400), 50);
        assert_eq!(granted(limit, &mut bucket, 3_600_000, 400), 100);
    }

    #[test]
    fn overdrawn_bucket_counts_as_empty() {
        let limit: RateLimit = "2/1s".parse().unwrap();
        // As a larger limit, or a clock that ran ahead, would leave it.
        let mut bucket = Bucket(i64::MAX);
        assert_eq!(granted(limit, &mut bucket, 0, 5), 0);
        let mut bucket = Bucket(3_600_000_000);
        assert_eq!(granted(limit, &mut bucket, 3_599_500, 5), 1);
        assert_eq!(granted(limit, &mut Bucket::from_bytes(b"?"), i64::MAX / 2_000, 5), 2);
    }

    #[test]
    fn fields_report_limit_and_remaining_quota() {
        let limit: RateLimit = "3/90s".parse().unwrap();
        let Taken::Granted { bucket, quota } = limit.take(Bucket::FULL, Time::EPOCH) else { panic!() };
        assert_eq!(quota.policy_field(), "\"token\";q=3;w=90");
        assert_eq!(quota.field(), "\"token\";r=2;t=30");
        let mut bucket = Bucket::from_bytes(&bucket.to_bytes());
        assert_eq!(granted(limit, &mut bucket, 0, 9), 2);
        let Taken::Refused(quota) = limit.take(bucket, Time::from_millis(1)) else { panic!() };
        assert_eq!((quota.field(), quota.reset()), ("\"token\";r=0;t=30".to_owned(), 30));
    }

    #[test]
    fn invalid_limit_is_rejected() {
        for text in ["", "100", "0/1m", "100/", "+1/1m", "100/0s", "100/m", "1000001/1s", "-1/1s", "1.5/1s"] {
            assert!(text.parse::<RateLimit>().is_err(), "{text}");
        }
        assert!("1000000/1s".parse::<RateLimit>().is_ok());
    }
}
