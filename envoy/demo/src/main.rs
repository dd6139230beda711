//! `make demo`: a real Envoy enforces `policies/acme`, in front of an upstream that echoes each request.
//!
//! It mints secrets, starts Envoy with `envoy/envoy.yaml`, sends requests, explains two audit events, and revokes a
//! leaked secret. Exits 0 only if each request got the expected answer. `--serve` (`make run`) keeps serving.
#![expect(clippy::unwrap_used, clippy::panic, reason = "the harness of the tests, and its way to fail")]
#![expect(clippy::indexing_slicing, clippy::string_slice, reason = "the same")]
#![expect(clippy::arithmetic_side_effects, clippy::disallowed_methods, reason = "the same")]

use std::path::PathBuf;
use std::process::ExitCode;

use crate::gateway::Gateway;
use crate::requests::REQUESTS;

#[path = "../../../tests/support/echo.rs"]
mod echo;
#[path = "../../../tests/support/envoy.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod envoy;
mod gateway;
#[path = "../../../tests/support/http.rs"]
mod http;
mod leak;
mod requests;
mod secrets;
mod show;
#[path = "../../../tests/support/wait.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod wait;

fn main() -> ExitCode {
    let serve = std::env::args().any(|argument| argument == "--serve");
    let temporary = tempfile::tempdir().unwrap();
    // `make run` leaves its files in a folder that the user can find.
    let folder = if serve { PathBuf::from(".demo") } else { temporary.path().to_owned() };
    let gateway = Gateway::start(folder);
    let exchanges: Vec<_> =
        REQUESTS.iter().enumerate().map(|(id, request)| gateway.send(id, request)).collect();
    show::table(&exchanges);
    show::events(&exchanges);
    leak::revoke(&gateway);
    show::next(&gateway, serve);
    if !exchanges.iter().all(requests::Exchange::is_as_expected) {
        return ExitCode::FAILURE;
    }
    if serve {
        show::line("\nServing. Ctrl-C ends it.");
        loop {
            std::thread::park();
        }
    }
    ExitCode::SUCCESS
}
