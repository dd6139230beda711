//! Finds all mistakes in a document's shape, not only the first.
//!
//! serde stops at the first error. This file removes the faulty part from the tree and reads the rest again, until
//! there are no more errors. The rest is never used, because the document is rejected anyway.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::engine::config::bundle::from_tree;
use crate::engine::config::problem::{Fault, Place, Problem, Problems, Step};

/// Finds all mistakes in a tree whose first problem is `first`; the text of the tree has `size` bytes.
///
/// # Errors
/// All mistakes.
pub(super) fn all<T: DeserializeOwned>(
    mut tree: Value,
    first: Problems,
    size: usize,
) -> Result<(), Problems> {
    let mut found: Vec<Problem> = Vec::new();
    let mut removed: Vec<Place> = Vec::new();
    let mut next = Some(first);
    for _ in 0..rounds(size) {
        let Some(problem) = next.and_then(|problems| problems.into_iter().next()) else { break };
        let whole = original(&problem.place, &removed);
        let goes_on = remove(&mut tree, &problem.place);
        if !is_consequence(&problem.fault, &whole, &found, &removed) {
            found.push(Problem { place: whole.clone(), fault: problem.fault });
        }
        if !goes_on {
            break;
        }
        removed.push(whole);
        next = from_tree::<T>(&tree).err();
    }
    Problems::check(found)
}

/// How often a tree of this size is read again. Each reading takes time in proportion to the size.
fn rounds(size: usize) -> usize {
    MAX_BYTES_READ.checked_div(size).unwrap_or(MAX_PROBLEMS).clamp(1, MAX_PROBLEMS)
}

/// Whether a missing field was removed before, or may be the misspelled field beside it.
fn is_consequence(fault: &Fault, place: &Place, found: &[Problem], removed: &[Place]) -> bool {
    let Fault::Shape(message) = fault else { return false };
    let field = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
    let is_unknown = |Problem { place: other, fault }: &Problem| {
        matches!(fault, Fault::Shape(message) if message.starts_with("unknown field "))
            && other.steps().split_last().is_some_and(|(_, above)| above == place.steps())
    };
    field.is_some_and(|field| removed.contains(&place.key(field)) || found.iter().any(is_unknown))
}

/// Removes the value at a place; false if there is no such value.
fn remove(tree: &mut Value, place: &Place) -> bool {
    let Some((last, above)) = place.steps().split_last() else { return false };
    let mut parent = tree;
    for step in above {
        let next = match step {
            Step::Key(key) => parent.get_mut(key.as_str()),
            Step::Index(index) => parent.get_mut(*index),
        };
        let Some(next) = next else { return false };
        parent = next;
    }
    match (parent, last) {
        (Value::Object(entries), Step::Key(key)) => entries.shift_remove(key.as_str()).is_some(),
        (Value::Array(items), Step::Index(index)) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    }
}

/// The place in the original document, before items were removed from its lists.
fn original(place: &Place, removed: &[Place]) -> Place {
    place.steps().iter().fold(Place::default(), |whole, step| match step {
        Step::Key(key) => whole.key(key),
        Step::Index(index) => {
            let mut gone: Vec<usize> = removed.iter().filter_map(|place| item_of(place, &whole)).collect();
            gone.sort_unstable();
            let index =
                gone.iter().fold(*index, |index, gone| index.saturating_add(usize::from(*gone <= index)));
            whole.index(index)
        }
    })
}

/// The index, if the place is in an item of the list.
fn item_of(place: &Place, list: &Place) -> Option<usize> {
    match place.steps().split_last()? {
        (Step::Index(index), above) if above == list.steps() => Some(*index),
        _ => None,
    }
}

/// Maximum number of reported mistakes in a file's shape.
const MAX_PROBLEMS: usize = 100;
/// Maximum number of bytes that are read again: about a second of work.
const MAX_BYTES_READ: usize = 64 << 20;
