//! The byte formats in Envoy's shared data, which all workers read and write.
//!
//! In: untrusted bytes. Out: values, and the new bytes to store. Nothing here panics or grows without a bound.

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
