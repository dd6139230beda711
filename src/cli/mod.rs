//! The command line.
pub mod failure;
pub mod source;
pub mod workspace;
