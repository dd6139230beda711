//! A real Envoy: started with a configuration, queried through its admin interface, stopped when dropped.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Client;
use crate::wait;

/// A running Envoy.
pub(crate) struct Envoy {
    process: Child,
    admin: SocketAddr,
    folder: PathBuf,
    /// Removes the folder at the end, if it is a temporary one.
    temporary: Option<TempDir>,
}

impl Envoy {
    /// Starts Envoy and waits until it serves.
    ///
    /// # Errors
    /// Its log, if it does not start.
    pub(crate) fn start(configuration: &Value, workers: u32) -> Result<Self, String> {
        let temporary = tempfile::tempdir().unwrap();
        let started = Self::start_in(temporary.path(), &configuration.to_string(), workers);
        started.map(|mut envoy| {
            envoy.temporary = Some(temporary);
            envoy
        })
    }

    /// Starts Envoy in a folder, with a configuration in YAML or JSON.
    ///
    /// # Errors
    /// Its log, if it does not start.
    pub(crate) fn start_in(folder: &Path, configuration: &str, workers: u32) -> Result<Self, String> {
        let folder = std::fs::canonicalize(folder).unwrap();
        let path = |name: &str| folder.join(name);
        std::fs::write(path("envoy.yaml"), configuration).unwrap();
        let _ = std::fs::remove_file(path("admin"));
        let log = File::create(path("log")).unwrap();
        let process = mortal(&program())
            .args(["--file-flush-interval-msec", "20"])
            .args(["--disable-hot-restart", "--concurrency", &workers.to_string()])
            .args(["--log-level", "warning", "--component-log-level", "wasm:info,main:warning"])
            .current_dir(&folder)
            .arg("--config-path")
            .arg(path("envoy.yaml"))
            .arg("--admin-address-path")
            .arg(path("admin"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self { process, admin: unset, folder, temporary: None };
        let ready = envoy.wait_until_ready();
        ready.map(|()| envoy)
    }

    fn wait_until_ready(&mut self) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < wait::PATIENCE {
            if self.process.try_wait().unwrap().is_some() {
                return Err(self.log());
            }
            let admin = std::fs::read_to_string(self.folder.join("admin")).unwrap_or_default();
            if let Ok(address) = admin.trim().parse() {
                self.admin = address;
                if is_live(address) {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("Envoy is not ready after {:?}\n{}", wait::PATIENCE, self.log()))
    }

    /// The address of a listener.
    pub(crate) fn listener(&self, name: &str) -> SocketAddr {
        let listeners: Value = serde_json::from_str(&self.admin("/listeners?format=json")).unwrap();
        let statuses = listeners["listener_statuses"].as_array().unwrap();
        let listener = statuses.iter().find(|status| status["name"] == name).unwrap();
        let address = &listener["local_address"]["socket_address"];
        format!("{}:{}", address["address"].as_str().unwrap(), address["port_value"]).parse().unwrap()
    }

    /// A connection to a listener.
    pub(crate) fn client(&self, listener: &str) -> Client {
        let address = self.listener(listener);
        // The server is live shortly before its workers listen.
        wait::found(|| Client::try_connect(address).ok(), || format!("listener `{listener}` at {address}"))
    }

    /// The address of the admin interface.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The response of the admin interface.
    pub(crate) fn admin(&self, path: &str) -> String {
        Client::connect(self.admin).get(path, None).body
    }

    /// The whole log of Envoy so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.join("log")).unwrap()).into_owned()
    }

    /// The audit events of decisions so far.
    pub(crate) fn decisions(&self) -> Vec<Value> {
        self.events("decision")
    }

    /// The audit events of this kind so far.
    pub(crate) fn events(&self, kind: &str) -> Vec<Value> {
        let log = self.log();
        let events = log.lines().filter_map(|line| line.find("{\"v\":1,").map(|start| &line[start..]));
        events
            .map(|event| {
                serde_json::from_str::<Value>(event).unwrap_or_else(|error| panic!("{error}: {event}"))
            })
            .filter(|event| event["event"] == kind)
            .collect()
    }

    /// The audit event of the request with this id. Waits for the log to be written.
    pub(crate) fn decision(&self, request_id: &str) -> Value {
        let events = || {
            let mut events = self.decisions();
            events.retain(|event| event["request_id"] == request_id);
            Some(events).filter(|events| !events.is_empty())
        };
        let events = wait::found(events, || format!("no event of {request_id}\n{}", self.log()));
        assert_eq!(events.len(), 1, "events of request {request_id}");
        events.into_iter().next().unwrap()
    }

    /// Shuts Envoy down as an operator would, and waits for it. Its log stays.
    pub(crate) fn terminate(&mut self) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        self.process.wait().unwrap();
    }

    /// Waits until the log contains `text`.
    pub(crate) fn wait_for_log(&self, text: &str) {
        wait::found(|| self.log().contains(text).then_some(()), || format!("no `{text}` in\n{}", self.log()));
    }

    /// The process id, for its CPU time and memory in /proc.
    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether the server with the admin interface at `address` is live. During the start it may not respond.
fn is_live(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.contains("LIVE"))
    };
    ask().unwrap_or(false)
}

/// A command that ends with its parent, even after a crash, if the system supports that.
pub(crate) fn mortal(program: &Path) -> Command {
    let setpriv = Path::new("/usr/bin/setpriv");
    if !setpriv.exists() {
        return Command::new(program);
    }
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// The Envoy binary.
pub(crate) fn program() -> PathBuf {
    built("ENVOY", ".tools/envoy", "make envoy")
}

/// The module under test.
pub(crate) fn wasm() -> PathBuf {
    built("TOKENWARD_WASM", "dist/tokenward.wasm", "make wasm")
}

/// A configuration with these listeners and an upstream.
pub(crate) fn configuration(listeners: &[Value], upstream: SocketAddr) -> Value {
    json!({
        "node": { "id": "test", "cluster": "test" },
        "admin": { "address": socket_address(SocketAddr::from(([127, 0, 0, 1], 0))) },
        "static_resources": {
            "listeners": listeners,
            "clusters": [{
                "name": "upstream",
                "connect_timeout": "1s",
                "load_assignment": { "cluster_name": "upstream", "endpoints": [{ "lb_endpoints": [
                    { "endpoint": { "address": socket_address(upstream) } }
                ]}]},
            }],
        },
    })
}

/// A listener on a free port with these filters before the router; everything goes to the upstream.
pub(crate) fn listener(name: &str, filters: &[Value]) -> Value {
    listener_with(name, filters, &json!({ "cluster": "upstream" }), "route")
}

/// The listener with all of Envoy's path normalization (RFC 3986, merged slashes, decoded slashes).
pub(crate) fn normalising(mut listener: Value) -> Value {
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["normalize_path"] = json!(true);
    manager["merge_slashes"] = json!(true);
    manager["path_with_escaped_slashes_action"] = json!("UNESCAPE_AND_FORWARD");
    listener
}

/// The listener with upgrades to WebSocket enabled, also over HTTP/2.
pub(crate) fn upgrading(mut listener: Value) -> Value {
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }]);
    manager["http2_protocol_options"] = json!({ "allow_connect": true });
    listener
}

/// A listener with a single route that performs `action`.
pub(crate) fn listener_with(name: &str, filters: &[Value], action: &Value, kind: &str) -> Value {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let filters: Vec<&Value> = filters.iter().chain([&router]).collect();
    json!({
        "name": name,
        "address": socket_address(SocketAddr::from(([127, 0, 0, 1], 0))),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": name,
                "access_log": [{
                    "name": "envoy.access_loggers.stderr",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
                        "log_format": { "text_format_source": {
                            "inline_string": "access %REQ(x-request-id)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%\n",
                        }},
                    },
                }],
                "http_filters": filters,
                "route_config": { "virtual_hosts": [{
                    "name": "all", "domains": ["*"],
                    "routes": [{ "match": { "prefix": "/" }, kind: action }],
                }]},
            },
        }]}],
    })
}

/// The filter with a configuration as the bytes of a StringValue.
pub(crate) fn filter(configuration: &str) -> Value {
    wasm_filter(
        &wasm(),
        &json!({
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": configuration,
        }),
    )
}

/// The filter with a configuration that Envoy serialises from a Struct.
pub(crate) fn filter_from_struct(configuration: &Value) -> Value {
    wasm_filter(
        &wasm(),
        &json!({
            "@type": "type.googleapis.com/google.protobuf.Struct",
            "value": configuration,
        }),
    )
}

/// A filter from any module.
pub(crate) fn wasm_filter(module: &Path, configuration: &Value) -> Value {
    json!({
        "name": "tokenward",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
            "config": {
                "name": "tokenward",
                "failure_policy": "FAIL_RELOAD",
                "vm_config": {
                    "vm_id": "tokenward",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": module } },
                },
                "configuration": configuration,
            },
        },
    })
}

fn socket_address(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

/// The file that an environment variable names, or by default the one that `target` builds in the checkout.
pub(crate) fn built(variable: &str, default: &str, target: &str) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(|| default.into(), PathBuf::from);
    std::fs::canonicalize(&path).unwrap_or_else(|_| panic!("{} is missing: run `{target}`", path.display()))
}
