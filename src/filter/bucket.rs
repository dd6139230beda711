//! Buckets of rate limits in the host's shared data, so that all workers of one Envoy take from the same.

use crate::engine::name::TokenId;
use crate::engine::policy::Policy;
use crate::engine::rate::{Bucket, Quota, RateLimit, Taken};
use crate::engine::time::Time;
use crate::filter::host::{self, Stored};

/// Takes a request of the token out of its bucket.
///
/// Another worker may take at the same moment: then what it left is read and taken from again. Where the host
/// fails, or others are faster all the time, nothing is granted.
pub(super) fn take(policy: &Policy, token: &TokenId, limit: RateLimit, now: Time) -> Taken {
    let key = key(policy, token);
    for _ in 0..MAX_TRIES {
        let (bucket, version) = match host::shared_data(key.as_bytes()) {
            Stored::Value(bytes, version) => (Bucket::from_bytes(&bytes), version),
            Stored::Nothing => (Bucket::FULL, host::ABSENT),
            Stored::Failed => break,
        };
        let taken = limit.take(bucket, now);
        match taken {
            Taken::Refused(_) => return taken,
            Taken::Granted { bucket, .. } => {
                if host::replace_shared_data(key.as_bytes(), &bucket.to_bytes(), version) {
                    return taken;
                }
            }
        }
    }
    host::log_error(
        "tokenward: the host keeps no count of requests; a request of a token with a limit is refused",
    );
    Taken::Refused(Quota::unknown(limit))
}

/// Other modules may share the namespace (every WasmPlugin of Istio does), so the key begins with our name.
fn key(policy: &Policy, token: &TokenId) -> String {
    let name = policy.name().map_or("", |name| name.as_str());
    format!("tokenward/rate/{name}/{token}")
}

const MAX_TRIES: usize = 100;
