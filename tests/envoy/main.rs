//! Tests the module in a real Envoy.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::arithmetic_side_effects, clippy::string_slice, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test tells how many cases it ran")]
#![expect(clippy::disallowed_methods, reason = "a test runs where there is a clock")]

#[path = "../support/audit_log.rs"]
mod audit_log;
#[path = "../support/bad_documents.rs"]
#[expect(dead_code, reason = "Envoy takes JSON; the rest is for the command line")]
mod bad_documents;
#[path = "../support/corpus.rs"]
mod corpus;
#[path = "../support/discovery.rs"]
mod discovery;
#[path = "../support/echo.rs"]
mod echo;
#[path = "../support/envoy.rs"]
#[expect(dead_code, reason = "the benchmark uses the rest")]
mod envoy;
#[path = "../support/hook.rs"]
mod hook;
#[path = "../support/http.rs"]
mod http;
#[path = "../support/http2.rs"]
mod http2;
#[path = "../support/nginx.rs"]
mod nginx;
#[path = "../support/relay.rs"]
mod relay;
#[path = "../support/signing.rs"]
mod signing;
#[path = "../support/tripwire.rs"]
mod tripwire;
#[path = "../support/wait.rs"]
mod wait;

mod alerts;
mod attack;
mod audit;
mod chains;
mod credentials;
mod decisions;
mod defense;
mod differential;
mod examples;
mod failure;
mod feed;
mod feed_hosts;
mod feed_policies;
mod fixture;
mod forwarding;
mod hosts;
mod hot_restart;
mod istio;
mod limits;
mod lint;
mod metrics;
mod module;
mod preflight;
mod raw_bytes;
mod reload;
mod renewal;
mod replies;
mod secrets;
mod shadow;
mod signed;
mod sources;
mod strangers;
mod trailers;
mod trap;
mod upgrades;
