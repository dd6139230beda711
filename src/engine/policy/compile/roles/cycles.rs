//! Finds roles that inherit from themselves.

use std::collections::VecDeque;

use crate::engine::policy::compile::roles::Own;

/// The cycles, each the shortest through its first role. No two share a role.
pub(super) fn of(roles: &[Own]) -> Vec<Vec<usize>> {
    let mut left = unresolved(roles);
    let mut cycles = Vec::new();
    for start in 0..roles.len() {
        if left.get(start) != Some(&true) {
            continue;
        }
        let cycle = through(start, roles, &left);
        for number in cycle.iter().flatten().chain([&start]) {
            left.get_mut(*number).into_iter().for_each(|left| *left = false);
        }
        cycles.extend(cycle);
    }
    cycles
}

/// Marks the roles that remain after repeatedly removing all roles that inherit from no remaining role. Without a
/// cycle, no role remains.
fn unresolved(roles: &[Own]) -> Vec<bool> {
    let mut heirs = vec![Vec::new(); roles.len()];
    for (number, role) in roles.iter().enumerate() {
        for parent in &role.inherits {
            heirs.get_mut(*parent).into_iter().for_each(|heirs| heirs.push(number));
        }
    }
    let mut waiting: Vec<usize> = roles.iter().map(|role| role.inherits.len()).collect();
    let none = |(number, parents): (usize, &usize)| (*parents == 0).then_some(number);
    let mut queue: Vec<usize> = waiting.iter().enumerate().filter_map(none).collect();
    while let Some(number) = queue.pop() {
        for heir in heirs.get(number).into_iter().flatten() {
            if let Some(parents) = waiting.get_mut(*heir) {
                *parents = parents.saturating_sub(1);
                queue.extend((*parents == 0).then_some(*heir));
            }
        }
    }
    waiting.into_iter().map(|parents| parents > 0).collect()
}

/// The shortest path from `start` to itself through remaining roles, `start` first.
fn through(start: usize, roles: &[Own], left: &[bool]) -> Option<Vec<usize>> {
    // The role from which each role was first reached.
    let mut from: Vec<Option<usize>> = vec![None; roles.len()];
    let mut queue = VecDeque::from([start]);
    while let Some((number, role)) = queue.pop_front().and_then(|next| Some((next, roles.get(next)?))) {
        for parent in role.inherits.iter().filter(|parent| left.get(**parent) == Some(&true)) {
            match from.get_mut(*parent) {
                Some(first @ None) => *first = Some(number),
                Some(Some(_)) | None => continue,
            }
            queue.push_back(*parent);
        }
    }
    let mut chain = vec![from.get(start).copied().flatten()?];
    while let Some(last) = chain.last().copied().filter(|last| *last != start) {
        chain.push(from.get(last).copied().flatten()?);
    }
    chain.reverse();
    Some(chain)
}
