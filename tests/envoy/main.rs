//! The module in a real Envoy.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a test fails by panicking")]

#[path = "../support/corpus.rs"]
mod corpus;
#[path = "../support/documents.rs"]
mod documents;
#[path = "../support/echo.rs"]
mod echo;
#[path = "../support/envoy.rs"]
mod envoy;
#[path = "../support/http.rs"]
mod http;
#[path = "../support/http2.rs"]
mod http2;

mod bytes;
mod decisions;
mod failure;
mod fixture;
mod forwarding;
mod replies;
