//! File hosts in typical setups: private hosts, and hosts that mislabel, redirect or compress.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::echo;
use crate::envoy::{self, Envoy};
use crate::feed::{Site, cluster, configuration, failures, revision, revocations};
use crate::feed_policies::{Gateway, status};
use crate::nginx::Nginx;
use crate::relay::Fault;
use crate::wait::{found, until};

#[test]
fn signed_content_of_any_type_is_accepted() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    for (number, directive) in (1..).zip([
        "location / { default_type binary/octet-stream; }",
        "location / { default_type text/plain; }",
        "location / { default_type ''; }",
        "location / { default_type text/html; }",
    ]) {
        site.nginx.serve(directive);
        site.nginx.put("revocations.json", &revocations(number, &[], &[]));
        site.nginx.put("bundle.json", &revision(number, json!({})));
        site.envoy.wait_for_log(&format!(
            "\"result\":\"fetched\",\"what\":\"bundle\",\"bundle\":\"fixture\",\"revision\":{number},"
        ));
        site.envoy.wait_for_log(&format!(
            "\"result\":\"fetched\",\"what\":\"revocations\",\"bundle\":\"fixture\",\"revision\":{number},"
        ));
        // The other worker reads it at its next tick.
        until(|| status(&mut client) == 200);
    }
}

#[test]
fn private_host_gets_the_authorization() {
    let gateway = Gateway::start(&configuration());
    let mut client = gateway.envoy.client("main");
    gateway.nginx.put("bundle.json", &revision(1, json!({})));
    gateway.nginx.serve(&private(SECRET));
    let failed = |what: &str, text: &str| {
        until(|| failures(&gateway.envoy, what).iter().any(|error| error == text));
    };
    let required = "status 401: the server requires an authorization; set it in `feed.headers`";
    failed("bundle", required);
    failed("revocations", required);
    assert_eq!(status(&mut client), 503);

    gateway.write(&with_headers(json!({ "authorization": format!("Bearer {OLD_SECRET}") })));
    let rejected = "status 401: the server rejects the authorization in `feed.headers`; check or renew it";
    failed("bundle", rejected);
    failed("revocations", rejected);

    let good = json!({ "authorization": format!("Bearer {SECRET}"), "x-tenant": "acme edge" });
    gateway.nginx.put("revocations.json", &revocations(1, &[], &[]));
    gateway.write(&with_headers(good));
    until(|| status(&mut client) == 200);
    gateway.envoy.wait_for_log("\"result\":\"fetched\",\"what\":\"revocations\"");

    // The host now requires another authorization. The active bundle stays until the gateway has the new authorization.
    gateway.nginx.serve(&private(OLD_SECRET));
    gateway.nginx.put("bundle.json", &revision(2, json!({ "tokens": {} })));
    until(|| gateway.nginx.requests().ends_with(&["401 /bundle.json".to_owned()]));
    assert_eq!(status(&mut client), 200);
    gateway.write(&with_headers(json!({ "authorization": format!("Bearer {OLD_SECRET}") })));
    until(|| status(&mut client) == 401);

    let log = gateway.envoy.log();
    assert!(!log.contains(SECRET) && !log.contains(OLD_SECRET), "{log}");
}

#[test]
fn answer_of_host_says_what_to_do() {
    let site = Site::start_with(Fault::None, &with_headers(json!({ "private-token": SECRET })));
    let mut client = site.envoy.client("main");
    site.nginx.put("revocations.json", &revocations(1, &[], &[]));
    site.nginx.put("bundle.json", &revision(1, json!({})));
    until(|| status(&mut client) == 200);
    site.nginx.put("page.html", "<html>Log in</html>");
    for (directives, expected) in [
        (
            "location / { return 302 https://cdn.acme.test/a/bundle.json; }",
            "status 302: the server redirects to `cdn.acme.test/a/bundle.json`, and the filter does not follow; set \
             `feed.cluster`, `feed.authority` and the path to that place",
        ),
        (
            "location / { return 307 https://s3.test/b.json?X-Amz-Signature=5ec2e7; }",
            "status 307: the server redirects to `s3.test/b.json` with more that is not shown and may be a signature, \
             and the filter does not follow; publish the file where the server sends it itself",
        ),
        (
            "location / { return 301 https://cdn.test/?back=$http_private_token; }",
            "status 301: the server redirects, and the filter does not follow; publish the file where the server \
             sends it itself",
        ),
        (
            "location / { return 308 https://bundles.test$request_uri; }",
            "status 308: the server redirects to https; use TLS in `feed.cluster`",
        ),
        (
            "location / { return 403; }",
            "status 403: the authorization in `feed.headers` does not permit to read the file; check it and the path",
        ),
        (
            "location / { return 404; }",
            "status 404: there is no such file, or the authorization in `feed.headers` does not permit to read it; \
             check both",
        ),
        (
            "etag off; if_modified_since off; add_header content-encoding gzip;",
            "content encoding gzip: the filter reads uncompressed files only; publish the file without an encoding, \
             and turn compression off at the server",
        ),
        ("location / { try_files /page.html =404; default_type text/plain; }", "(content type text/html)"),
    ] {
        site.nginx.serve(directives);
        let is_expected = |error: &String| error.ends_with(expected);
        found(
            || site.failures().iter().any(is_expected).then_some(()),
            || format!("{expected}: {:#?}", site.failures()),
        );
        assert_eq!(status(&mut client), 200, "{directives}");
    }
    let log = site.envoy.log();
    assert!(!log.contains(SECRET) && !log.contains("5ec2e7"), "{log}");
}

#[test]
fn compression_is_neither_requested_nor_read() {
    let site = Site::start(Fault::None);
    let mut client = site.envoy.client("main");
    site.nginx.serve("gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; gzip_http_version 1.0;");
    site.nginx.put("bundle.json", &revision(1, json!({})));
    until(|| status(&mut client) == 200);
    site.nginx.put_bytes("bundle.json", &compressed(&revision(2, json!({ "tokens": {} }))));
    let expected = "the file is compressed (gzip): publish it uncompressed";
    until(|| site.failures().iter().any(|error| error == expected));
    assert_eq!(status(&mut client), 200);
}

#[test]
fn documented_cluster_is_valid() {
    let page = std::fs::read_to_string("docs/guides/feed.md").unwrap();
    let (_, snippet) = page.split_once("```yaml\n# envoy.yaml\n").unwrap();
    let mut configuration: Value = yaml_serde::from_str(snippet.split("```").next().unwrap()).unwrap();
    // Some machines have no certificates in this place. Without them Envoy cannot read the TLS context.
    if !std::path::Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
        let context = "/static_resources/clusters/0/transport_socket/typed_config/common_tls_context";
        *configuration.pointer_mut(context).unwrap() = json!({});
    }
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), configuration.to_string()).unwrap();
    let mut envoy = std::process::Command::new(envoy::program());
    let output = envoy.args(["--mode", "validate", "--config-path"]).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn envoy_itself_adds_the_authorization() {
    let (nginx, folder) = (Nginx::start(), tempfile::tempdir().unwrap());
    nginx.put("bundle.json", &revision(1, json!({})));
    nginx.serve(&private(SECRET));
    let page = std::fs::read_to_string("docs/guides/feed.md").unwrap();
    let snippets = page.split("```").filter_map(|snippet| snippet.strip_prefix("yaml\n"));
    let snippet = snippets.into_iter().find(|snippet| snippet.contains("credential_injector")).unwrap();
    let secret = folder.path().join("authorization.yaml");
    std::fs::write(
        &secret,
        json!({ "resources": [{
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": "bundles-authorization",
            "generic_secret": { "secret": { "inline_string": format!("Bearer {SECRET}") } },
        }]})
        .to_string(),
    )
    .unwrap();
    let snippet = snippet.replace("/etc/envoy/authorization.yaml", secret.to_str().unwrap());
    let options: Value = yaml_serde::from_str(&snippet).unwrap();
    let mut bundles = cluster(nginx.address());
    bundles.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let listener = envoy::listener("main", &[envoy::filter(&configuration().to_string())]);
    let mut configuration = envoy::configuration(&[listener], echo::start());
    configuration["static_resources"]["clusters"].as_array_mut().unwrap().push(bundles);
    let envoy = Envoy::start(&configuration, 1).unwrap();
    let mut client = envoy.client("main");
    until(|| status(&mut client) == 200);
    let dump = envoy.admin("/config_dump");
    assert!(!dump.contains(SECRET) && !envoy.log().contains(SECRET), "{dump}");
}

/// Returns a server that answers 401 without this secret.
fn private(secret: &str) -> String {
    format!("if ($http_authorization != 'Bearer {secret}') {{ return 401; }}")
}

fn with_headers(headers: Value) -> Value {
    let mut configuration = configuration();
    configuration["feed"]["headers"] = headers;
    configuration
}

fn compressed(text: &str) -> Vec<u8> {
    let mut gzip = Command::new("gzip").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    gzip.wait_with_output().unwrap().stdout
}

const SECRET: &str = "glpat-of-the-gateway-0";
const OLD_SECRET: &str = "glpat-of-the-gateway-1";
