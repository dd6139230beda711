//! `make compose`: runs `envoy/compose.yaml` as users do, and sends the acme requests to it.
//!
//! If the official images are unavailable, `tools/stand-ins` makes replacements for the same file. With `--optional`,
//! a missing Docker or Compose is only reported. With `--keep`, everything stays up.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "it prints for people")]
#![expect(clippy::disallowed_methods, reason = "it runs where there is a clock")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::http::Client;
use crate::publisher::Publisher;

#[path = "support/http.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod http;
#[path = "support/publisher.rs"]
mod publisher;

fn main() -> ExitCode {
    let given = |flag: &str| std::env::args().any(|argument| argument == flag);
    let program = match compose_program() {
        Ok(program) => program,
        Err(missing) => {
            println!("compose: {missing}: envoy/compose.yaml is not run");
            return if given("--optional") { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
    };
    let folder = Path::new(FOLDER);
    let publisher = prepare(folder);
    let [deployer, reader] =
        ["ci-deploy", "metrics-reader"].map(|token| Caller::new(token, publisher.mint(token)));
    let (nobody, guesser) =
        (Caller::new("no token", String::new()), Caller::new("a guess", "acme_svc_guessed".to_owned()));
    publisher.publish();
    publisher.publish_revocations();
    let compose = Compose::up(program, given("--keep"));
    compose.leave(folder, &reader);

    let mut client = compose.client();
    let mut expect = |path: &str, caller: &Caller, status: u16, within: Duration| {
        let start = Instant::now();
        loop {
            let response = client.get(path, caller.secret());
            if response.status == status {
                println!("compose: {:<16} GET {path:<24} {status}", caller.name);
                return response;
            }
            let response = format!("{path}: {} in the place of {status}", response.status);
            assert!(start.elapsed() < within, "{response}\n{}", compose.run(&["logs", "--tail", "40"]));
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let (soon, now) = (Duration::from_secs(60), Duration::ZERO);
    expect("/healthz", &nobody, 200, soon);
    let seen = expect("/v1/metrics/checkout", &reader, 200, now);
    assert_eq!(seen.header("x-upstream"), Some("nginx"));
    assert!(seen.body.contains(r#""token":"metrics-reader""#), "{}", seen.body);
    assert!(seen.body.contains(r#""authorization":"""#), "the credential reached the upstream");
    expect("/v1/metrics/checkout", &nobody, 401, now);
    expect("/v1/metrics/checkout", &guesser, 401, now);
    expect("/v1/users/7", &reader, 403, now);
    expect("/v1/metrics/../users/7", &reader, 400, now);
    expect("/v1/metrics/checkout", &deployer, 200, now);
    let leaked = Instant::now();
    publisher.revoke(&deployer.secret);
    expect("/v1/metrics/checkout", &deployer, 401, soon);
    println!(
        "compose: the secret of ci-deploy was revoked, and rejected {:.1} s later",
        leaked.elapsed().as_secs_f64()
    );
    expect("/v1/metrics/checkout", &reader, 200, now);
    compose.is_healthy();
    compose.run(&["--profile", "monitoring", "config", "--quiet"]);
    let log = compose.run(&["logs", "envoy"]);
    assert!(log.contains(r#""reason":"revoked_token""#) && !log.contains(&deployer.secret), "{log}");
    ExitCode::SUCCESS
}

/// Whose request it is.
struct Caller {
    name: &'static str,
    secret: String,
}

impl Caller {
    fn new(name: &'static str, secret: String) -> Self {
        Self { name, secret }
    }

    fn secret(&self) -> Option<&str> {
        Some(self.secret.as_str()).filter(|secret| !secret.is_empty())
    }
}

/// Prepares the mounted files, readable for the containers' users, with a signed bundle of acme's policy.
fn prepare(folder: &Path) -> Publisher {
    fs::create_dir_all(folder.join("gateway")).unwrap();
    let publisher = Publisher::new(folder);
    let settings = publisher.settings("bundles");
    fs::write(folder.join("gateway.json"), settings.to_string()).unwrap();
    let render = ["render", "ecds", "--settings", "gateway.json", "--wasm", "/etc/tokenward/tokenward.wasm"];
    publisher.tokenward(&[&render[..], &["-o", "gateway/filter.json"]].concat());
    for name in ["gateway", "bundles"] {
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    publisher
}

/// `docker compose` or `docker-compose`, whichever exists; otherwise the name of the missing program.
fn compose_program() -> Result<Vec<&'static str>, &'static str> {
    let works = |words: &[&str]| {
        let output = Command::new(words.first()?).args(words.get(1..)?).output().ok()?;
        output.status.success().then_some(())
    };
    works(&["docker", "version"]).ok_or("there is no Docker here that answers `docker version`")?;
    let candidates = [&["docker", "compose"][..], &["docker-compose"]];
    let found = candidates.into_iter().find(|words| works(&[words, &["version"][..]].concat()).is_some());
    let found = found.ok_or("Docker is here, but neither `docker compose` nor `docker-compose`")?;
    Ok(found.to_vec())
}

/// The containers, which are stopped at the end.
struct Compose {
    program: Vec<&'static str>,
    variables: Vec<(String, String)>,
    address: SocketAddr,
    keep: bool,
}

impl Compose {
    fn up(program: Vec<&'static str>, keep: bool) -> Self {
        let wanted = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT);
        let port = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|bound| bound.local_addr());
        let address = port(wanted).or_else(|_| port(0)).unwrap();
        let mut variables = images();
        variables.push(("PORT".to_owned(), address.port().to_string()));
        let compose = Self { program, variables, address, keep };
        compose.run(&["up", "--detach"]);
        println!("compose: envoy/compose.yaml is up at http://{address}");
        compose
    }

    /// Leaves the secret of a token for a person who goes on.
    fn leave(&self, folder: &Path, caller: &Caller) {
        if self.keep {
            let path = folder.join(LEFT_SECRET);
            let _ = fs::remove_file(&path);
            let mut file =
                fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).unwrap();
            file.write_all(caller.secret.as_bytes()).unwrap();
        }
    }

    fn client(&self) -> Client {
        let start = Instant::now();
        // Docker accepts connections before Envoy listens, so wait for a response.
        while !self.answers() {
            assert!(start.elapsed() < Duration::from_secs(60), "{}", self.run(&["logs"]));
            std::thread::sleep(Duration::from_millis(200));
        }
        Client::connect(self.address)
    }

    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address) else { return false };
        let mut first = [0];
        stream.write_all(b"GET / HTTP/1.0\r\nhost: gateway\r\n\r\n").is_ok()
            && stream.read(&mut first).is_ok_and(|length| length == 1)
    }

    /// Waits until each service's own health check succeeds.
    fn is_healthy(&self) {
        let start = Instant::now();
        for id in self.run(&["ps", "--quiet"]).split_whitespace() {
            let format = "{{.Name}} is {{if .State.Health}}{{.State.Health.Status}}{{else}}unchecked{{end}}";
            let inspect =
                || Command::new("docker").args(["inspect", "--format", format, id]).output().unwrap().stdout;
            let mut state = inspect();
            while !state.ends_with(b" is healthy\n") {
                let state_now = String::from_utf8_lossy(&state);
                assert!(start.elapsed() < Duration::from_secs(60), "{state_now}{}", self.run(&["logs"]));
                std::thread::sleep(Duration::from_millis(200));
                state = inspect();
            }
            print!("compose: {}", String::from_utf8_lossy(&state).trim_start_matches('/'));
        }
    }

    /// Runs a command of Compose; returns its output.
    fn run(&self, arguments: &[&str]) -> String {
        let mut words = self.program.iter();
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["--project-name", "tokenward", "--file", "envoy/compose.yaml"]);
        command.args(arguments).envs(self.variables.clone());
        let output = command.output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        assert!(output.status.success(), "{arguments:?}: {printed}");
        printed
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if self.keep {
            let variables: String =
                self.variables.iter().map(|(name, value)| format!("{name}={value} ")).collect();
            let compose = format!(
                "{variables}{} --project-name tokenward --file envoy/compose.yaml",
                self.program.join(" ")
            );
            let address = self.address;
            println!("compose: it stays up. Go on with");
            println!(
                "  curl -H \"Authorization: Bearer $(cat {FOLDER}/{LEFT_SECRET})\" http://{address}/v1/metrics/checkout"
            );
            println!("  {compose} logs envoy");
            println!("  {compose} --profile monitoring up --detach    # Prometheus on 9090, Grafana on 3000");
            println!("  {compose} down");
        } else {
            self.run(&["down", "--timeout", "1"]);
        }
    }
}

/// The variables that replace unavailable images with stand-ins.
fn images() -> Vec<(String, String)> {
    let mut docker = Command::new("docker");
    let pulled = docker.args(["pull", "--quiet", ENVOY_IMAGE]).output().unwrap().status.success();
    if pulled || std::env::var_os("ENVOY_IMAGE").is_some() {
        return Vec::new();
    }
    println!("compose: the official images cannot be had; stand-ins are made");
    let output = Command::new("tools/stand-ins").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let pairs = printed.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, image)| (name.to_owned(), image.to_owned())).collect()
}

/// A secret of `metrics-reader`, in `FOLDER`, while the containers stay up.
const LEFT_SECRET: &str = "metrics-reader.secret";
const FOLDER: &str = "target/compose";
const ENVOY_IMAGE: &str = "envoyproxy/envoy:v1.40.0";
const DEFAULT_PORT: u16 = 10_000;
