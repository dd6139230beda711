//! The byte formats kept in Envoy's shared data, which all workers read and write.
//!
//! In: bytes that anybody may have written. Out: values, and the bytes to keep instead. Never panics, never grows without a bound.

pub mod chain_id;
pub mod key;
pub mod lease;
pub mod mark;
pub mod marks;
pub mod queue;
pub mod register;
pub mod seal;
pub mod slot;
pub mod suspensions;
pub mod uses;
pub mod window;
