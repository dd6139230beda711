//! Rate-limit buckets in the host's shared data: all workers of one Envoy take from the same bucket.

use crate::engine::policy::compiled::Policy;
use crate::engine::words::name::TokenId;
use crate::engine::words::rate::{Bucket, Quota, RateLimit, Taken};
use crate::engine::words::time::Time;
use crate::filter::shared;

/// Takes one request from the token's bucket.
///
/// If another worker takes from it at the same moment, this worker reads the bucket again and retries. If the host
/// fails, or if other workers are always faster, the request is not granted.
pub(super) fn take(policy: &Policy, token: &TokenId, limit: RateLimit, now: Time) -> Taken {
    let key = key(policy, token);
    let taken = shared::change(key.as_bytes(), |bytes| {
        let taken = limit.take(bytes.map_or(Bucket::FULL, Bucket::from_bytes), now);
        match taken {
            Taken::Refused(_) => (None, taken),
            Taken::Granted { bucket, .. } => (Some(bucket.to_bytes().to_vec()), taken),
        }
    });
    taken.unwrap_or_else(|| {
        log::error!(
            "tokenward: the host does not store request counts; rejecting a request of a token with a rate limit",
        );
        Taken::Refused(Quota::unknown(limit))
    })
}

/// Other modules may share the namespace (every WasmPlugin of Istio does), so the key starts with `tokenward`.
fn key(policy: &Policy, token: &TokenId) -> String {
    let name = policy.name().map_or("", |name| name.as_str());
    format!("tokenward/rate/{name}/{token}")
}
