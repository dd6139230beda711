//! The host's shared data, which all workers of one Envoy read and change at the same time.

use crate::filter::host::{self, ABSENT, Stored};

/// Changes what is under a key: `change` gets the value, if there is one, and gives the new one, if there is to be
/// one, and an answer.
///
/// Another worker may change it at the same moment: then `change` is asked again, with what that one left. None where
/// the host fails, or others are faster all the time.
pub(super) fn change<T>(
    key: &[u8],
    mut change: impl FnMut(Option<&[u8]>) -> (Option<Vec<u8>>, T),
) -> Option<T> {
    for _ in 0..MAX_TRIES {
        let (bytes, version) = match host::shared_data(key) {
            Stored::Value(bytes, version) => (Some(bytes), version),
            Stored::Nothing => (None, ABSENT),
            Stored::Failed => return None,
        };
        let (new, answer) = change(bytes.as_deref());
        match new {
            Some(new) if !host::replace_shared_data(key, &new, version) => {}
            Some(_) | None => return Some(answer),
        }
    }
    None
}

const MAX_TRIES: usize = 100;
