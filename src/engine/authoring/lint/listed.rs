//! The operations of a bundle, each parsed once for all lints.

use crate::engine::authoring::lint::root;
use crate::engine::config::bundle::Bundle;
use crate::engine::config::problem::Place;
use crate::engine::matching::pattern::Operation;
use crate::engine::words::name::PermissionName;

/// An operation, with the place where the policy lists it.
pub(super) struct Listed<'d> {
    pub(super) place: Place,
    /// The permission; `None` for a public operation.
    pub(super) permission: Option<&'d PermissionName>,
    pub(super) text: &'d str,
    pub(super) operation: Operation,
}

/// All operations, in document order.
pub(super) fn operations(bundle: &Bundle) -> Vec<Listed<'_>> {
    let public = std::iter::once((root("public"), None, &bundle.public));
    let named = bundle.permissions.iter();
    let named = named.map(|(name, texts)| (root("permissions").key(name), Some(name), texts));
    let texts = public.chain(named).flat_map(|(place, permission, texts)| {
        let texts = texts.iter().enumerate();
        texts.map(move |(position, text)| (place.index(position), permission, text))
    });
    texts
        .filter_map(|(place, permission, text)| {
            Some(Listed { place, permission, text, operation: Operation::parse(text).ok()? })
        })
        .collect()
}
