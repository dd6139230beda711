//! No event, reply or filter state contains a secret of the policy, in whatever form a caller sent it.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, REVOKED, bundle, secret, token};
use crate::wait::until as wait_until;
use crate::{echo, http2};

/// Text in the form of a minted secret that no policy knows.
const MINTED: &str = "acme_svc_gVV1qeg3oguxIdh68NuN5BaDdPUICvXo4EnURu";
const RETIRED: &str = "q83vAb/SNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFY=";
/// Secrets as other programs make them.
const SANCTUM: &str = "7|Ab3dEf7GhJkLmNpQrStUvWxYz0123456789abcdef";
const COMMA: &str = "user,0f3c9a7be21d4856aa10";
const BOT: &str = "12345678:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

#[test]
fn secret_in_any_field_is_never_logged() {
    for mode in ["enforce", "shadow"] {
        let folder = tempfile::tempdir().unwrap();
        let mut envoy = logged(folder.path(), mode);
        let mut sent = 0;
        let mut bodies = String::new();
        for clear in [READER, REVOKED, RETIRED, MINTED, SANCTUM, COMMA, BOT] {
            let spelled =
                [clear.to_owned(), escaped(clear), escaped(clear).replace('%', "%25"), armored(clear)];
            for request in spelled.iter().flat_map(|spelled| requests(spelled)) {
                let mut first = envoy.client("main");
                bodies += &first.send(&borrowed(&request)).body;
                sent += 1;
            }
            let mut second = http2::Client::connect(envoy.listener("main"));
            for request in requests(clear) {
                // Envoy itself closes a connection with an unreadable authority.
                match second.exchange_with_trailers(&fields(&request), &trailers(clear)) {
                    Ok(_) => {
                        sent += 1;
                        bodies += &String::from_utf8_lossy(second.content());
                    }
                    Err(_) => second = http2::Client::connect(envoy.listener("main")),
                }
            }
        }
        wait_until(|| envoy.decisions().len() >= sent / 2);
        envoy.terminate();
        let state = fs::read_to_string(folder.path().join("state.log")).unwrap();
        let log: String = envoy.log().lines().filter(|line| !line.starts_with("access ")).collect();
        assert!(state.lines().count() >= sent / 2 && state.contains("<hidden>"), "{mode}: {sent} sent");
        // An upstream's echo is not a reply of the filter.
        let replies = if mode == "enforce" { bodies.as_str() } else { "" };
        for clear in [READER, REVOKED, RETIRED, MINTED, SANCTUM, COMMA, BOT] {
            let mut spelled = vec![clear.to_owned(), escaped(clear), escaped(clear).replace('%', "%25")];
            // The policy has no digest for text that only has the form of a minted secret.
            if clear != MINTED {
                spelled.push(armored(clear));
            }
            for spelled in spelled {
                for (place, text) in [("log", log.as_str()), ("filter state", &state), ("reply", replies)] {
                    assert!(!text.contains(&spelled), "{mode}: `{spelled}` is in the {place}");
                }
            }
        }
    }
}

#[test]
fn nothing_before_an_at_sign_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut envoy = logged(folder.path(), "enforce");
    let mut client = envoy.client("main");
    for host in ["user:open-sesame@api.acme.test", "open-sesame@api.acme.test", "open-sesame%40api.acme.test"]
    {
        client.send(&[(":method", b"GET"), (":path", b"/v1/items"), (":authority", host.as_bytes())]);
    }
    for path in ["//open-sesame@api.acme.test/", "/http://user:open-sesame@api.acme.test/x"] {
        client.send(&[(":method", b"GET"), (":path", path.as_bytes()), (":authority", b"api.acme.test")]);
    }
    envoy.terminate();
    let state = fs::read_to_string(folder.path().join("state.log")).unwrap();
    let shown = format!("{}{state}", envoy.log());
    assert!(state.contains("<hidden>@api.acme.test"), "{state}");
    assert!(!shown.contains("open-sesame"), "{shown}");
}

/// Envoy whose filter writes events to its log, and whose access logger writes filter state to `state.log`.
fn logged(folder: &Path, mode: &str) -> Envoy {
    let mut bundle = bundle();
    let ended = json!({ "retired_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z" });
    bundle["tokens"]["retired"] = token(json!([secret("1", RETIRED, ended)]));
    for (id, clear) in [("sanctum", SANCTUM), ("comma", COMMA), ("bot", BOT)] {
        bundle["tokens"][id] = token(json!([secret("1", clear, json!({}))]));
    }
    let audit = json!({ "sinks": ["log", "filter_state"], "strangers": 1_000_000 });
    let filter = envoy::filter(&json!({ "bundle": bundle, "mode": mode, "audit": audit }).to_string());
    let mut listener = envoy::listener("main", &[filter]);
    listener["filter_chains"][0]["filters"][0]["typed_config"]["access_log"] = json!([{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": folder.join("state.log"),
            "log_format": { "text_format_source": { "inline_string": "%FILTER_STATE(wasm.tokenward:PLAIN)%\n" } },
        },
    }]);
    Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap()
}

/// A request for each place where a caller can write text.
fn requests(secret: &str) -> Vec<Vec<(String, String)>> {
    let plain = |changes: &[(&str, String)]| {
        let mut request: Vec<(String, String)> =
            [(":method", "GET"), (":path", "/v1/items/7"), (":authority", "gateway.test")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec();
        for (name, value) in changes {
            request.retain(|(known, _)| known != name);
            request.push(((*name).to_owned(), value.clone()));
        }
        request.sort_by_key(|(name, _)| !name.starts_with(':'));
        request
    };
    let mut requests = vec![
        plain(&[(":authority", format!("{secret}@api.acme.test"))]),
        plain(&[(":authority", secret.to_owned())]),
        plain(&[(":authority", format!("{secret}.api.acme.test"))]),
        plain(&[(":path", format!("/v1/items/{secret}"))]),
        plain(&[(":path", format!("/v1/items/{secret}/more"))]),
        plain(&[(":path", format!("/v1/items/x;token={secret}"))]),
        plain(&[(":path", format!("//{secret}@api.acme.test/x"))]),
        plain(&[(":path", format!("/http://user:{secret}@api.acme.test/x"))]),
        plain(&[(":path", format!("/v1/items?token={secret}"))]),
        plain(&[(":path", format!("/v1/items?{secret}=1"))]),
    ];
    if secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        requests.push(plain(&[(":method", secret.to_owned())]));
    }
    for name in
        ["authorization", "x-request-id", "x-forwarded-for", "cookie", "user-agent", "referer", "x-any"]
    {
        requests.push(plain(&[(name, secret.to_owned())]));
        requests.push(plain(&[(name, format!("Bearer {secret}"))]));
    }
    requests
}

/// Trailers with the secret as a credential, and as the value of any other name.
fn trailers(secret: &str) -> [(Vec<u8>, Vec<u8>); 3] {
    [
        ("authorization", format!("Bearer {secret}")),
        ("x-tokenward-token", secret.to_owned()),
        ("x-any", secret.to_owned()),
    ]
    .map(|(name, value)| (name.as_bytes().to_vec(), value.into_bytes()))
}

/// The secret as a Basic password.
fn armored(secret: &str) -> String {
    STANDARD.encode(format!("user:{secret}"))
}

/// The text with each byte percent-encoded.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The fields of the request over HTTP/2.
fn fields(request: &[(String, String)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let scheme = (":scheme".to_owned(), "http".to_owned());
    [scheme]
        .iter()
        .chain(request)
        .map(|(name, value)| (name.clone().into_bytes(), value.clone().into_bytes()))
        .collect()
}

fn borrowed(request: &[(String, String)]) -> Vec<(&str, &[u8])> {
    request.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}
