//! A running Envoy with a copy of acme's policy. The demo acts as the load balancer in front of it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::envoy::{self, Envoy};
use crate::http::{Client, Response};
use crate::requests::{Exchange, Request, Who};
use crate::secrets::{Secrets, tokenward};
use crate::{echo, show};

/// Envoy and the secrets of its policy.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) secrets: Secrets,
    folder: PathBuf,
    envoy: Envoy,
}

impl Gateway {
    /// Copies acme's policy into `folder`, mints, renders and starts Envoy.
    pub(crate) fn start(folder: PathBuf) -> Self {
        show::line("tokenward: a real Envoy enforces policies/acme\n");
        let acme = copy_of_acme(&folder);
        let begin = Instant::now();
        let secrets = Secrets::mint(&acme.display().to_string());
        show::step("minted", &format!("{} secrets into a copy of the registry", secrets.count()), begin);
        let begin = Instant::now();
        render(&folder);
        show::step("rendered", "policy, registry and settings for Envoy", begin);
        let begin = Instant::now();
        let address = free_address();
        let configuration = configuration(address);
        let envoy = Envoy::start_in(&folder, &configuration, 1).unwrap_or_else(|log| panic!("{log}"));
        drop(envoy.client("gateway"));
        show::step("started", &format!("Envoy on http://{address}"), begin);
        Self { address, secrets, folder, envoy }
    }

    /// Sends a request and waits for its audit event.
    pub(crate) fn send(&self, number: usize, request: &'static Request) -> Exchange {
        let id = format!("demo-{number}");
        let response = self.ask(&id, request.who, request.method, request.path, request.source);
        Exchange { request, response, event: self.envoy.decision(&id) }
    }

    /// Sends a request under an id, with an identity header that a caller must not set.
    pub(crate) fn ask(&self, id: &str, who: Who, method: &str, path: &str, source: &str) -> Response {
        let authorization = self.secrets.of(who).map(|secret| format!("Bearer {secret}"));
        let mut headers: Vec<(&str, &[u8])> = vec![
            (":method", method.as_bytes()),
            (":path", path.as_bytes()),
            (":authority", b"api.acme.test"),
            ("x-request-id", id.as_bytes()),
            ("x-tokenward-token", b"root"),
            ("x-forwarded-for", source.as_bytes()),
        ];
        headers.extend(authorization.iter().map(|value| ("authorization", value.as_bytes())));
        Client::connect(self.address).send(&headers)
    }

    /// The reason in the audit event of a request.
    pub(crate) fn reason(&self, id: &str) -> String {
        self.envoy.decision(id)["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Renders the policy again; Envoy loads it.
    pub(crate) fn ship(&self) {
        render(&self.folder);
    }

    /// A file in the demo's folder.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

fn copy_of_acme(folder: &Path) -> PathBuf {
    let acme = folder.join("acme");
    let _ = fs::remove_dir_all(&acme);
    fs::create_dir_all(&acme).unwrap();
    for file in ["policy.yaml", "tokens.yaml"] {
        fs::copy(Path::new("policies/acme").join(file), acme.join(file)).unwrap();
    }
    let settings = fs::read_to_string("policies/acme/gateway.yaml").unwrap();
    // The demo is a load balancer, so there is one hop more than in acme's settings.
    fs::write(acme.join("gateway.yaml"), settings.replace("trusted_hops: 0", "trusted_hops: 1")).unwrap();
    acme
}

fn render(folder: &Path) {
    let path = |name: &str| folder.join(name).display().to_string();
    let module = envoy::wasm().display().to_string();
    tokenward(&["render", "ecds", "-p", &path("acme"), "--wasm", &module, "-o", &path("filter.json")], "");
}

fn configuration(address: SocketAddr) -> String {
    let configuration = fs::read_to_string("envoy/envoy.yaml").unwrap();
    configuration
        .replace("use_remote_address: true", BEHIND_A_LOAD_BALANCER)
        .replace("port_value: 10000", &format!("port_value: {}", address.port()))
        .replace("port_value: 9901", "port_value: 0")
        .replace("port_value: 8080", &format!("port_value: {}", echo::start().port()))
}

/// `127.0.0.1:$PORT`, or a free port if that port is in use.
fn free_address() -> SocketAddr {
    let wanted = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(DEFAULT_PORT);
    let bound = TcpListener::bind(("127.0.0.1", wanted)).or_else(|error| {
        show::line(&format!("  port {wanted} is not free ({error}): using another one"));
        TcpListener::bind(("127.0.0.1", 0))
    });
    bound.and_then(|listener| listener.local_addr()).unwrap()
}

/// Envoy takes the source and the request id from the demo.
const BEHIND_A_LOAD_BALANCER: &str = "use_remote_address: true
                xff_num_trusted_hops: 1
                preserve_external_request_id: true";
const DEFAULT_PORT: u16 = 10_000;
