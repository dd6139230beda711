//! `make demo`: a real Envoy enforces `policies/acme`, and everybody can see it.
//!
//! Mints secrets for the acme tokens, builds the bundle, starts Envoy with `envoy/envoy.yaml` before an
//! upstream that echoes what reached it, sends requests and shows what became of each. Exits 0 only if every
//! request was answered as expected. `--serve` (`make run`) goes on serving.
#![expect(clippy::print_stdout, reason = "it prints for people")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "the harness of the tests, and its way to fail")]
#![expect(clippy::indexing_slicing, clippy::string_slice, reason = "the same")]
#![expect(clippy::arithmetic_side_effects, clippy::disallowed_methods, reason = "the same")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde_json::Value;

use crate::envoy::Envoy;
use crate::http::{Client, Response};

#[path = "../../../tests/support/echo.rs"]
mod echo;
#[path = "../../../tests/support/envoy.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod envoy;
#[path = "../../../tests/support/http.rs"]
mod http;
#[path = "../../../tests/support/wait.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod wait;

fn main() -> ExitCode {
    let serve = std::env::args().any(|argument| argument == "--serve");
    // Only what goes on serving leaves its files where its user finds them.
    let temporary = tempfile::tempdir().unwrap();
    let folder = if serve { PathBuf::from(".demo") } else { temporary.path().to_owned() };
    let gateway = Gateway::start(folder);
    let rows: Vec<Row> =
        REQUESTS.iter().enumerate().map(|(number, request)| gateway.send(number, request)).collect();
    println!("{}", table(&rows));
    println!("The audit event of each, as Envoy logged it:\n");
    rows.iter().for_each(|row| println!("{}", row.event));

    let wrong = rows.iter().filter(|row| !row.as_expected()).count();
    println!("\n{} of {} requests were answered as expected.", rows.len() - wrong, rows.len());
    gateway.tell_what_next(serve);
    if serve && wrong == 0 {
        println!("\nServing. Ctrl-C ends it.");
        loop {
            std::thread::park();
        }
    }
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A request and what is to become of it.
struct Request {
    method: &'static str,
    path: &'static str,
    /// The token whose secret it brings; `?` after it for a secret with one character changed.
    token: &'static str,
    /// Where it comes from.
    source: &'static str,
    status: u16,
    reason: &'static str,
}

impl Request {
    const fn from(self, source: &'static str) -> Self {
        Self { source, ..self }
    }
}

const fn request(
    method: &'static str,
    path: &'static str,
    token: &'static str,
    status: u16,
    reason: &'static str,
) -> Request {
    Request { method, path, token, source: HOME, status, reason }
}

const REQUESTS: [Request; 20] = [
    request("GET", "/healthz", "", 200, "public"),
    request("GET", "/v1/metrics/checkout", "", 401, "missing_token"),
    request("POST", "/v1/services/checkout/deployments", "ci-deploy", 200, "permitted"),
    request("GET", "/v1/users/7", "ci-deploy", 403, "insufficient_scope"),
    request("GET", "/v1/metrics/../users/7", "ci-deploy", 400, "malformed_request"),
    request("POST", "/v1/services/checkout/deployments", "ci-deploy?", 401, "unknown_token"),
    request("POST", "/v1/services/checkout/deployments", LEAKED, 401, "revoked_token"),
    request("GET", "/v1/metrics/checkout/latency", "metrics-reader", 200, "permitted"),
    request("PUT", "/v1/config/limits", "metrics-reader", 403, "insufficient_scope"),
    request("PATCH", "/v1/users/7", "admin-dashboard", 200, "permitted").from(OFFICE),
    request("PATCH", "/v1/users/7", "admin-dashboard", 403, "source_not_allowed"),
    request("GET", "/v1/integrations/stripe/keys", "admin-dashboard", 403, "denied_operation").from(OFFICE),
    request("GET", "/v1/Integrations/stripe/keys", "admin-staging", 403, "denied_operation").from(OFFICE),
    request("GET", "/v1/tenants/globex/reports/7", "globex-reports", 200, "permitted"),
    request("GET", "/v1/tenants/initech/reports/7", "globex-reports", 403, "insufficient_scope"),
    request("POST", "/v1/invoices/exports", "billing-staging", 403, "wrong_environment"),
    request("POST", "/v1/services/checkout/deployments", RETIRING, 200, "permitted"),
    request("GET", "/v1/users/7", "alice", 200, "permitted"),
    request("GET", "/v1/users/export", "alice", 403, "insufficient_scope"),
    request("GET", "/v1/invoices", EXPIRED, 401, "expired_token"),
];

/// Envoy with the acme policy and secrets that are known.
struct Gateway {
    folder: PathBuf,
    envoy: Envoy,
    address: SocketAddr,
    secrets: BTreeMap<&'static str, String>,
}

/// What became of a request.
struct Row {
    request: &'static Request,
    response: Response,
    event: Value,
}

impl Gateway {
    fn start(folder: PathBuf) -> Self {
        let begin = Instant::now();
        let acme = folder.join("acme");
        let _ = fs::remove_dir_all(&acme);
        fs::create_dir_all(&acme).unwrap();
        for file in ["policy.yaml", "tokens.yaml"] {
            fs::copy(Path::new("policies/acme").join(file), acme.join(file)).unwrap();
        }
        let path = |name: &str| folder.join(name).display().to_string();
        let secrets = mint(&path("acme"));
        let module = envoy::wasm().display().to_string();
        // The demo plays the load balancer that callers come through: one hop more than acme has.
        let settings = fs::read_to_string("policies/acme/gateway.yaml").unwrap();
        let settings = settings.replace("trusted_hops: 0", "trusted_hops: 1");
        fs::write(acme.join("gateway.yaml"), settings).unwrap();
        let render = ["render", "ecds", "-p", &path("acme"), "--wasm", &module, "-o", &path("filter.json")];
        tokenward(&render);

        let address = free_address();
        let configuration = fs::read_to_string("envoy/envoy.yaml").unwrap();
        let configuration = configuration
            .replace("use_remote_address: true", BEHIND_A_LOAD_BALANCER)
            .replace("port_value: 10000", &format!("port_value: {}", address.port()))
            .replace("port_value: 9901", "port_value: 0")
            .replace("port_value: 8080", &format!("port_value: {}", echo::start().port()));
        let envoy = Envoy::start_in(&folder, &configuration, 2).unwrap_or_else(|log| panic!("{log}"));
        drop(envoy.client("gateway"));
        let seconds = begin.elapsed().as_secs_f64();
        println!("Envoy enforces policies/acme on http://{address}, {seconds:.1} s after the first mint.\n");
        Self { folder, envoy, address, secrets }
    }

    fn send(&self, number: usize, request: &'static Request) -> Row {
        let id = format!("demo-{number}");
        let authorization = self.secret(request.token).map(|secret| format!("Bearer {secret}"));
        let mut headers: Vec<(&str, &[u8])> = vec![
            (":method", request.method.as_bytes()),
            (":path", request.path.as_bytes()),
            (":authority", b"api.acme.test"),
            ("x-request-id", id.as_bytes()),
            ("x-tokenward-token", b"root"),
            ("x-forwarded-for", request.source.as_bytes()),
        ];
        headers.extend(authorization.iter().map(|value| ("authorization", value.as_bytes())));
        let response = Client::connect(self.address).send(&headers);
        Row { request, response, event: self.envoy.decision(&id) }
    }

    fn secret(&self, token: &str) -> Option<String> {
        let secret = self.secrets.get(token.trim_end_matches('?'))?;
        if !token.ends_with('?') {
            return Some(secret.clone());
        }
        let (rest, last) = secret.split_at(secret.len() - 1);
        Some(format!("{rest}{}", if last == "x" { "y" } else { "x" }))
    }

    /// Shows what to try; where it goes on serving, leaves the secrets in a file of the user's own for it.
    fn tell_what_next(&self, serve: bool) {
        if !serve {
            println!(
                "\nTo try it yourself: `make run` serves, mints secrets for you, and shows what to send."
            );
            return;
        }
        let path = |name: &str| self.folder.join(name).display().to_string();
        let exports = |(token, secret): (&&str, &String)| format!("export {}={secret}\n", variable(token));
        let exports: String = self.secrets.iter().map(exports).collect();
        let _ = fs::remove_file(path("tokens.sh"));
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).open(path("tokens.sh")).unwrap();
        file.write_all(exports.as_bytes()).unwrap();
        let (url, acme) = (format!("http://{}", self.address), path("acme"));
        println!("\nTry it from another terminal:");
        println!("  . {}", path("tokens.sh"));
        println!(
            "  curl -i -H \"Authorization: Bearer $CI_DEPLOY\" -X POST {url}/v1/services/checkout/deployments"
        );
        println!("  curl -i -H \"Authorization: Bearer $CI_DEPLOY\" {url}/v1/users/7");
        println!("  {CLI} explain -p {acme} GET /v1/users/7 --token ci-deploy");
        println!("Edit {acme}/policy.yaml, and see it live in two seconds:");
        println!("  {CLI} render ecds -p {acme} --wasm $PWD/dist/tokenward.wasm -o {}", path("filter.json"));
    }
}

impl Row {
    fn reason(&self) -> &str {
        self.event["reason"].as_str().unwrap_or_default()
    }

    /// The identity that the upstream saw: what it echoes, never what the caller claimed.
    fn identity(&self) -> String {
        if self.response.header("x-upstream").is_none() {
            return "not reached".to_owned();
        }
        let echo = self.response.json();
        let header = |name: &str| {
            let headers = echo["headers"].as_array().into_iter().flatten();
            headers
                .filter(|header| header[0] == name)
                .filter_map(|header| header[1].as_str())
                .collect::<Vec<_>>()
                .join(",")
        };
        assert_eq!(header("authorization"), "", "the credential reached the upstream");
        match header("x-tokenward-token").as_str() {
            "" => "no identity".to_owned(),
            token => format!("{token}: {}", header("x-tokenward-identity")),
        }
    }

    fn as_expected(&self) -> bool {
        let token = if self.request.token == RETIRING { "ci-deploy" } else { self.request.token };
        let retiring = self.event["retiring"] == true;
        let identity = match self.request.reason {
            _ if retiring != (self.request.token == RETIRING) => false,
            "permitted" => self.identity().starts_with(&format!("{token}: kind=")),
            "public" => self.identity() == "no identity",
            _ => self.identity() == "not reached",
        };
        (self.response.status, self.reason()) == (self.request.status, self.request.reason) && identity
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none() {
        table.set_width(WIDTH_OF_NO_TERMINAL);
    }
    table.set_header([
        "request",
        "token",
        "expected",
        "got",
        "reason",
        "what the upstream saw of the caller",
    ]);
    for row in rows {
        let colour = match (row.as_expected(), row.response.status) {
            (false, _) => Color::Magenta,
            (true, 200) => Color::Green,
            (true, _) => Color::Yellow,
        };
        let token = match row.request.token {
            "" => "none".to_owned(),
            EXPIRED => "billing-export, an expired secret".to_owned(),
            RETIRING => "ci-deploy, the secret rotated away".to_owned(),
            token => match token.strip_suffix('?') {
                Some(token) => format!("{token}, one character changed"),
                None => token.to_owned(),
            },
        };
        let from = if row.request.source == OFFICE { ", from the office" } else { "" };
        table.add_row([
            Cell::new(format!("{} {}{from}", row.request.method, row.request.path)),
            Cell::new(token),
            Cell::new(format!("{} {}", row.request.status, row.request.reason)),
            Cell::new(row.response.status).fg(colour),
            Cell::new(row.reason()).fg(colour),
            Cell::new(row.identity()),
        ]);
    }
    table
}

/// Mints a secret for each acme token that the requests use, and one that has expired when they come.
fn mint(acme: &str) -> BTreeMap<&'static str, String> {
    let mut secrets = BTreeMap::new();
    let expiring = tokenward(&["mint", "-p", acme, "billing-export", "--expires-in", "1s"]);
    for request in &REQUESTS {
        let token = request.token.trim_end_matches('?');
        if !["", EXPIRED, RETIRING, LEAKED].contains(&token) && !secrets.contains_key(token) {
            secrets.insert(token, tokenward(&["mint", "-p", acme, token]));
        }
    }
    // One that leaks out of a build log, and is revoked by what leaked: nobody need know whose it is.
    let new = ["--kind", "service", "--role", "deployer", "--owner", "you@acme.test", "--purpose", "a demo"];
    let leaked = tokenward(&[&["mint", "-p", acme, LEAKED][..], &new].concat());
    tokenward_told(&["revoke", "-p", acme, "--stdin", "--reason", "leaked in a build log"], &leaked);
    secrets.insert(LEAKED, leaked);
    // From here on both secrets work, for a day.
    let rotated = tokenward(&["rotate", "-p", acme, "ci-deploy", "--grace", "24h"]);
    let old = secrets.insert("ci-deploy", rotated);
    secrets.extend(old.map(|old| (RETIRING, old)));
    std::thread::sleep(Duration::from_millis(1_100));
    secrets.insert(EXPIRED, expiring);
    secrets
}

/// Runs the command line, shows what it was asked, and returns what it printed.
fn tokenward(arguments: &[&str]) -> String {
    tokenward_told(arguments, "")
}

/// The same with something on standard input.
fn tokenward_told(arguments: &[&str], input: &str) -> String {
    println!("$ tokenward {}", arguments.join(" "));
    let mut command = Command::new(CLI);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// `127.0.0.1:$PORT`, or another port where that one is taken.
fn free_address() -> SocketAddr {
    let wanted = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT);
    let bound = TcpListener::bind(("127.0.0.1", wanted)).or_else(|error| {
        println!("port {wanted} cannot be had ({error}); another one is taken");
        TcpListener::bind(("127.0.0.1", 0))
    });
    bound.and_then(|listener| listener.local_addr()).unwrap()
}

fn variable(token: &str) -> String {
    token.replace('-', "_").to_uppercase()
}

/// The demo plays the load balancer, which says where each request comes from and how it is called.
const BEHIND_A_LOAD_BALANCER: &str = "use_remote_address: true
                xff_num_trusted_hops: 1
                preserve_external_request_id: true";
/// Stands for a secret of `billing-export` that has expired.
const EXPIRED: &str = "expired";
/// Stands for the secret of `ci-deploy` that was rotated away.
const RETIRING: &str = "retiring";
/// A token whose secret leaks.
const LEAKED: &str = "old-contractor";
const OFFICE: &str = "203.0.113.7";
const HOME: &str = "198.51.100.7";
const CLI: &str = "target/release/tokenward";
const WIDTH_OF_NO_TERMINAL: u16 = 180;
const DEFAULT_PORT: u16 = 10_000;
