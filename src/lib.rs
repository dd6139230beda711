//! tokenward.
#[cfg(not(target_arch = "wasm32"))]
pub mod cli;
pub mod engine;
#[cfg(target_arch = "wasm32")]
mod filter;
