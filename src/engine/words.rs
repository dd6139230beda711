//! The basic types: names, times, secrets, addresses, spans.
//!
//! In: text and bytes. Out: checked values. This folder knows no document, request or policy.

pub mod address;
pub mod entries;
pub(crate) mod fields;
pub(crate) mod header;
pub mod hours;
pub mod life;
pub mod name;
pub mod rate;
pub mod reason;
pub mod secret;
pub(crate) mod text;
pub mod time;
pub mod wording;
