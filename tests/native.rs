//! Tests of the engine and the command line without Envoy. All topics are in one program, because each program links
//! the library.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod audit;
mod cli;
mod debug;
mod decisions;
mod docs;
mod documents;
mod fuzz;
mod limits;
mod oracle;
mod schemas;
mod shipping;
mod signed;
mod tools;

#[path = "support/bad_documents.rs"]
mod bad_documents;
#[path = "support/corpus.rs"]
mod corpus;
#[path = "support/session.rs"]
mod session;
#[path = "support/signing.rs"]
mod signing;
