//! Hosts in all spellings: the judged host is the host that the request reaches.
//!
//! Envoy has two virtual hosts and a catch-all, and the policy has a permission for each of them. The response says
//! which virtual host Envoy chose, which permission the filter used, and which authority was forwarded.

use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::fixture::{READER, reader, secret, token, upstream_header};
use crate::{echo, http, http2};

#[test]
fn each_host_spelling_reaches_the_judged_host() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut wire = Wire::to(&envoy);
    for (spelling, expected) in SPELLINGS {
        for answer in wire.both(spelling.as_bytes()) {
            assert_eq!(answer.judged.as_deref(), *expected, "{spelling:?}: {answer:?}");
            assert_eq!(answer.reached.as_deref(), *expected, "{spelling:?}: {answer:?}");
        }
    }
}

#[test]
fn host_suffixes_do_not_change_the_route() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut wire = Wire::to(&envoy);
    let mut passed = 0;
    for name in NAMES {
        for end in ENDS {
            for answer in wire.both(&[name.as_bytes(), *end].concat()) {
                let shown = end.escape_ascii();
                assert_eq!(answer.judged, answer.reached, "{name}{shown}: {answer:?}");
                assert!(answer.reached.is_some() || answer.status != 200, "{name}{shown}: {answer:?}");
                passed += usize::from(answer.reached.is_some());
            }
        }
    }
    assert!(passed > NAMES.len() * 2, "only {passed} requests passed");
}

#[test]
fn permission_applies_only_to_its_host() {
    for held in ["billing", "shop", "rest"] {
        let mut bundle = bundle();
        bundle["roles"]["reader"]["permissions"] = json!([held]);
        let envoy = start(&json!({ "bundle": bundle }));
        let mut wire = Wire::to(&envoy);
        for (spelling, expected) in SPELLINGS {
            for answer in wire.both(spelling.as_bytes()) {
                let expected = expected.filter(|expected| *expected == held);
                assert_eq!(answer.reached.as_deref(), expected, "{held}, {spelling:?}: {answer:?}");
            }
        }
    }
}

#[test]
fn the_upstream_gets_the_host_as_judged() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut wire = Wire::to(&envoy);
    for (sent, forwarded) in [
        ("billing.acme.test", "billing.acme.test"),
        ("Billing.ACME.test.:8443", "billing.acme.test"),
        ("[2001:DB8:0:0::1]:443", "[2001:db8::1]"),
        ("[::FFFF:c000:201]", "[::ffff:192.0.2.1]"),
        ("xn--bcher-kva.shop.acme.test:80", "xn--bcher-kva.shop.acme.test"),
    ] {
        for answer in wire.both(sent.as_bytes()) {
            assert_eq!(answer.host.as_deref(), Some(forwarded), "{sent}: {answer:?}");
        }
        let response = wire.http1.send(&headers(sent.as_bytes(), &reader()));
        let upstream = upstream_header(&response, "host");
        assert_eq!(upstream.as_deref(), Some(forwarded), "{sent}");
    }
}

#[test]
fn envoy_can_name_the_port_of_the_listener() {
    let mut listener = listener(&json!({ "bundle": bundle() }));
    manager(&mut listener)["use_remote_address"] = json!(true);
    manager(&mut listener)["append_x_forwarded_port"] = json!(true);
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    let port = envoy.listener("main").port().to_string();
    let authority = format!("billing.acme.test:{port}");
    let response = envoy.client("main").send(&headers(authority.as_bytes(), &reader()));
    assert_eq!(upstream_header(&response, "host").as_deref(), Some("billing.acme.test"));
    assert_eq!(upstream_header(&response, "x-forwarded-port"), Some(port));
}

#[test]
fn port_is_forwarded_if_no_operation_has_hosts() {
    let mut bundle = bundle();
    bundle["permissions"] = json!({ "billing": [], "shop": [], "rest": ["GET /who"] });
    let envoy = start(&json!({ "bundle": bundle }));
    let mut wire = Wire::to(&envoy);
    for (sent, forwarded) in [
        ("billing.acme.test:8443", Some("billing.acme.test:8443")),
        ("Billing.acme.test.:8443", Some("billing.acme.test:8443")),
        ("billing.acme.test:", None),
    ] {
        for answer in wire.both(sent.as_bytes()) {
            assert_eq!(answer.host.as_deref(), forwarded, "{sent}: {answer:?}");
        }
    }
}

#[test]
fn shadow_gateway_forwards_the_host_unchanged() {
    let envoy = start(&json!({ "bundle": bundle(), "mode": "shadow" }));
    let mut wire = Wire::to(&envoy);
    for (sent, reached) in [
        ("Billing.acme.test", "billing"),
        ("billing.acme.test.", "rest"),
        ("billing.acme.test:8443", "rest"),
        ("billing.acme.test:", "rest"),
        ("[::FFFF:c000:201]", "rest"),
    ] {
        for answer in wire.both(sent.as_bytes()) {
            assert_eq!(answer.host.as_deref(), Some(sent), "{answer:?}");
            assert_eq!(answer.reached.as_deref(), Some(reached), "{sent}: {answer:?}");
        }
    }
}

#[test]
fn http_1_request_names_one_host() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut wire = Wire::to(&envoy);
    for (target, hosts, expected) in [
        ("/who", &["billing.acme.test"][..], Some("billing")),
        ("/who", &["billing.acme.test", "a.shop.acme.test"], None),
        ("/who", &["billing.acme.test", "billing.acme.test:"], None),
        ("/who", &["billing.acme.test:", "billing.acme.test"], None),
        ("/who", &[], None),
        // The host of the absolute form counts (RFC 9112 §3.2.2).
        ("http://billing.acme.test/who", &["a.shop.acme.test"], Some("billing")),
        ("http://Billing.acme.test.:8443/who", &["a.shop.acme.test"], Some("billing")),
        ("http://billing.acme.test:/who", &["a.shop.acme.test"], None),
        ("http://billing.acme.test:/who", &["billing.acme.test"], None),
        // Envoy itself removes user information from the absolute form.
        ("http://user@billing.acme.test/who", &["billing.acme.test"], Some("billing")),
        ("http://[::ffff:192.0.2.1]/who", &["192.0.2.1"], Some("rest")),
        ("http://192.0.2.1:80/who", &["[::ffff:192.0.2.1]"], Some("billing")),
    ] {
        let mut request = format!("GET {target} HTTP/1.1\r\n");
        hosts.iter().for_each(|host| request += &format!("host: {host}\r\n"));
        request += &format!("authorization: Bearer {READER}\r\n\r\n");
        let answer = Answer::of_http1(&wire.http1.send_raw(request.as_bytes(), false));
        assert_eq!(answer.judged.as_deref(), expected, "{request}{answer:?}");
        assert_eq!(answer.reached.as_deref(), expected, "{request}{answer:?}");
    }
}

#[test]
fn host_header_beside_the_authority_is_ignored() {
    let envoy = start(&json!({ "bundle": bundle() }));
    let mut wire = Wire::to(&envoy);
    for (authority, host, expected) in [
        (Some("billing.acme.test"), "billing.acme.test", Some("billing")),
        (Some("billing.acme.test"), "a.shop.acme.test", Some("billing")),
        (Some("billing.acme.test"), "billing.acme.test:", Some("billing")),
        (Some("billing.acme.test:"), "billing.acme.test", None),
        (Some("billing.acme.test:"), "billing.acme.test:", None),
        (None, "billing.acme.test", Some("billing")),
        (None, "Billing.acme.test.:80", Some("billing")),
        (None, "billing.acme.test:", None),
    ] {
        let mut request = vec![(":method", &b"GET"[..]), (":path", b"/who")];
        request.extend(authority.map(|authority| (":authority", authority.as_bytes())));
        let authorization = reader();
        request.extend([("host", host.as_bytes()), ("authorization", &authorization)]);
        let answer = wire.http2(&request);
        // A request that is rejected for its `host` header does not reach an upstream either.
        let is_refused = answer.reached.is_none() && answer.judged.is_none() && answer.status != 200;
        let agrees = authority.is_none_or(|authority| authority == host);
        assert!(!is_refused || expected.is_none() || !agrees, "{authority:?}, {host}: {answer:?}");
        if !is_refused {
            assert_eq!(answer.judged.as_deref(), expected, "{authority:?}, {host}: {answer:?}");
            assert_eq!(answer.reached.as_deref(), expected, "{authority:?}, {host}: {answer:?}");
        }
    }
}

#[test]
fn lint_reports_unreachable_virtual_hosts() {
    let mut listener = listener(&json!({ "bundle": bundle() }));
    let domains = ["Upper.acme.test", "port.acme.test:8443", "dot.acme.test.", "[::FFFF:c000:209]"];
    for (name, domain) in ["upper", "port", "dot", "mapped"].iter().zip(domains) {
        virtual_hosts(&mut listener).push(virtual_host(name, &[domain]));
    }
    let envoy = Envoy::start(&envoy::configuration(&[listener], echo::start()), 1).unwrap();
    let mut wire = Wire::to(&envoy);
    for (domain, reached) in domains.iter().zip(["upper", "rest", "rest", "rest"]) {
        for answer in wire.both(domain.as_bytes()) {
            assert_eq!(answer.reached.as_deref(), Some(reached), "{domain}: {answer:?}");
        }
    }
}

/// One permission for each virtual host.
fn bundle() -> Value {
    json!({
        "version": 1,
        "name": "hosts",
        "revision": 1_800_000_001,
        "permissions": {
            "billing": ["GET billing.acme.test/who", "GET 192.0.2.1/who"],
            "shop": ["GET *.shop.acme.test/who", "GET [2001:db8::1]/who"],
            "rest": ["GET /who"],
        },
        "roles": { "reader": { "permissions": ["billing", "shop", "rest"] } },
        "kinds": { "service": {} },
        "tokens": { "reader": token(json!([secret("1", READER, json!({}))])) },
    })
}

fn start(configuration: &Value) -> Envoy {
    Envoy::start(&envoy::configuration(&[listener(configuration)], echo::start()), 1).unwrap()
}

/// A listener with virtual hosts that have the same names as the permissions.
fn listener(configuration: &Value) -> Value {
    let mut listener = envoy::listener("main", &[envoy::filter(&configuration.to_string())]);
    // By default a broken HTTP/2 connection lingers for a second.
    manager(&mut listener)["delayed_close_timeout"] = json!("0.02s");
    *virtual_hosts(&mut listener) = vec![
        virtual_host("billing", &["billing.acme.test", "192.0.2.1"]),
        virtual_host("shop", &["*.shop.acme.test", "[2001:db8::1]"]),
        virtual_host("rest", &["*"]),
    ];
    listener
}

fn virtual_hosts(listener: &mut Value) -> &mut Vec<Value> {
    manager(listener)["route_config"]["virtual_hosts"].as_array_mut().unwrap()
}

fn manager(listener: &mut Value) -> &mut Value {
    &mut listener["filter_chains"][0]["filters"][0]["typed_config"]
}

/// A virtual host whose response shows the virtual host, the permission and the authority.
fn virtual_host(name: &str, domains: &[&str]) -> Value {
    let header = |key: &str, value: &str| json!({ "header": { "key": key, "value": value } });
    json!({
        "name": name,
        "domains": domains,
        "routes": [{ "match": { "prefix": "/" }, "route": { "cluster": "upstream" } }],
        "response_headers_to_add": [
            header("x-reached", name),
            header("x-judged", "%REQ(x-tokenward-identity)%"),
            header("x-host", "%REQ(:authority)%"),
        ],
    })
}

/// A connection for each protocol.
struct Wire<'e> {
    envoy: &'e Envoy,
    http1: http::Client,
    http2: http2::Client,
}

impl<'e> Wire<'e> {
    fn to(envoy: &'e Envoy) -> Self {
        let http1 = envoy.client("main");
        Self { envoy, http1, http2: http2::Client::connect(envoy.listener("main")) }
    }

    /// The responses to a request with this authority, over HTTP/1 and HTTP/2.
    fn both(&mut self, authority: &[u8]) -> [Answer; 2] {
        let authorization = reader();
        let request = headers(authority, &authorization);
        [Answer::of_http1(&self.http1.send(&request)), self.http2(&request)]
    }

    fn http2(&mut self, request: &[(&str, &[u8])]) -> Answer {
        let mut fields = vec![(b":scheme".to_vec(), b"http".to_vec())];
        for (name, value) in request {
            let at = if name.starts_with(':') { 0 } else { fields.len() };
            fields.insert(at, (name.as_bytes().to_vec(), value.to_vec()));
        }
        match self.http2.exchange(&fields) {
            Ok(response) => Answer::of_http2(&response.unwrap_or_default()),
            // Envoy closes a connection that breaks the protocol.
            Err(_) => {
                self.http2 = http2::Client::connect(self.envoy.listener("main"));
                Answer::default()
            }
        }
    }
}

/// The result of a request; the default if Envoy reset it.
#[derive(Debug, Default)]
struct Answer {
    status: u16,
    /// The virtual host.
    reached: Option<String>,
    /// The permission.
    judged: Option<String>,
    /// The forwarded authority.
    host: Option<String>,
}

impl Answer {
    fn of_http1(response: &http::Response) -> Self {
        Self::of(response.status, |name| response.header(name).map(str::to_owned))
    }

    fn of_http2(response: &[(Vec<u8>, Vec<u8>)]) -> Self {
        let header = |wanted: &str| {
            let found = response.iter().find(|(name, _)| name == wanted.as_bytes());
            found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        Self::of(header(":status").map_or(0, |status| status.parse().unwrap()), header)
    }

    fn of(status: u16, header: impl Fn(&str) -> Option<String>) -> Self {
        // The filter's reply has the headers of the route, although the request did not reach it.
        let upstream = header("x-upstream");
        let header = |name| upstream.as_ref().and_then(|_| header(name));
        let judged = header("x-judged").and_then(|identity| {
            let (_, permission) = identity.split_once("permission=\"")?;
            Some(permission.split('"').next()?.to_owned())
        });
        Self { status, reached: header("x-reached"), judged, host: header("x-host") }
    }
}

fn headers<'h>(authority: &'h [u8], authorization: &'h [u8]) -> [(&'h str, &'h [u8]); 4] {
    [(":method", b"GET"), (":path", b"/who"), (":authority", authority), ("authorization", authorization)]
}

const BILLING: Option<&str> = Some("billing");
const SHOP: Option<&str> = Some("shop");
const REST: Option<&str> = Some("rest");

/// Spellings, and the host that is both judged and reached; `None` if the request is rejected.
const SPELLINGS: &[(&str, Option<&str>)] = &[
    ("billing.acme.test", BILLING),
    ("BILLING.Acme.TEST", BILLING),
    ("billing.acme.test.", BILLING),
    ("Billing.acme.test.", BILLING),
    ("billing.acme.test..", None),
    ("billing.acme.test:80", BILLING),
    ("billing.acme.test:443", BILLING),
    ("billing.acme.test:8443", BILLING),
    ("billing.acme.test:65535", BILLING),
    ("BILLING.acme.test.:1", BILLING),
    ("billing.acme.test:", None),
    ("billing.acme.test.:", None),
    ("billing.acme.test::", None),
    ("billing.acme.test:0", None),
    ("billing.acme.test:00", None),
    ("billing.acme.test:080", None),
    ("billing.acme.test:65536", None),
    ("billing.acme.test:99999", None),
    ("billing.acme.test:123456", None),
    ("billing.acme.test:+80", None),
    ("billing.acme.test:-1", None),
    ("billing.acme.test:http", None),
    ("billing.acme.test:80:80", None),
    ("billing.acme.test:80.", None),
    ("billing..acme.test", None),
    (".billing.acme.test", None),
    ("billing%2eacme.test", None),
    ("%62illing.acme.test", None),
    ("billing.acme.test%00", None),
    ("billing.acme.test%3a80", None),
    ("user@billing.acme.test", None),
    ("user:secret@billing.acme.test", None),
    ("billing.acme.test@a.shop.acme.test", None),
    ("billing.acme.test:80@a.shop.acme.test", None),
    ("billing.acme.test/", None),
    ("billing.acme.test?a", None),
    ("billing.acme.test#a", None),
    ("billing.acme.test\\a", None),
    ("billing.acme.test,a.shop.acme.test", None),
    ("billing.acme.test a.shop.acme.test", None),
    ("http://billing.acme.test", None),
    ("billing.acme.test\u{3002}", None),
    ("billing\u{3002}acme.test", None),
    ("b\u{0131}lling.acme.test", None),
    ("\u{ff42}illing.acme.test", None),
    ("b\u{200d}illing.acme.test", None),
    ("xn--billing-.acme.test", REST),
    ("xn--bcher-kva.shop.acme.test", SHOP),
    ("b\u{fc}cher.shop.acme.test", None),
    ("a.shop.acme.test", SHOP),
    ("A.b.SHOP.acme.test.:80", SHOP),
    ("a.shop.acme.test:", None),
    ("shop.acme.test", REST),
    ("ashop.acme.test", REST),
    ("billing.acme.test.evil.test", REST),
    ("gateway.test", REST),
    ("gateway.test:8080", REST),
    ("gateway.test:", None),
    ("billing", REST),
    ("192.0.2.1", BILLING),
    ("192.0.2.1:80", BILLING),
    ("192.0.2.1:", None),
    ("192.0.2.1.", None),
    ("192.0.2.01", None),
    ("192.0.513", None),
    ("0xc0.0.2.1", None),
    ("0xc0000201", None),
    ("3221225985", None),
    ("192.0.2.2", REST),
    ("[::ffff:192.0.2.1]", REST),
    ("[::FFFF:192.0.2.1]:80", REST),
    ("[::ffff:c000:201]", REST),
    ("[0:0:0:0:0:ffff:c000:0201]:80", REST),
    ("[::192.0.2.1]", REST),
    ("::ffff:192.0.2.1", None),
    ("[192.0.2.1]", None),
    ("[2001:db8::1]", SHOP),
    ("[2001:DB8::1]", SHOP),
    ("[2001:db8:0:0:0:0:0:1]", SHOP),
    ("[2001:0db8::0001]:443", SHOP),
    ("[2001:db8::1]:", None),
    ("[2001:db8::1].", None),
    ("[2001:db8::1]:0443", None),
    ("[2001:db8::1%25eth0]", None),
    ("[2001:db8::1", None),
    ("2001:db8::1]", None),
    ("2001:db8::1", None),
    ("2001:db8::1:443", None),
    ("::1:80", None),
    ("[2001:db8::2]", REST),
    (":", None),
    (":80", None),
    (".", None),
    ("*.shop.acme.test", None),
];

/// Hosts of each kind.
const NAMES: &[&str] = &[
    "billing.acme.test",
    "Billing.ACME.test",
    "a.shop.acme.test",
    "acme.test",
    "localhost",
    "my_service",
    "192.0.2.1",
    "[::ffff:192.0.2.1]",
    "[2001:db8::1]",
    "[2001:DB8:0::1]",
    "2001:db8::1",
    "",
];

/// Suffixes that a caller may append.
const ENDS: &[&[u8]] = &[
    b"",
    b".",
    b"..",
    b":",
    b".:",
    b":.",
    b"::",
    b":1",
    b":80",
    b".:80",
    b":80.",
    b":0",
    b":00",
    b":080",
    b":65535",
    b":65536",
    b":4294967376",
    b":80:",
    b":80:80",
    b":+80",
    b":-80",
    b":0x50",
    b":8o",
    b":%38",
    b": 80",
    b" :80",
    b" ",
    b"\t",
    b"%",
    b"%00",
    b"%2e",
    b"%3a80",
    b"@",
    b"@acme.test",
    b"/",
    b"/x",
    b"?",
    b"#",
    b"\\",
    b",",
    b",acme.test",
    b";",
    b"]",
    b"]:80",
    b"[",
    b"*",
    b"_",
    b"-",
    b"\x80",
    b"\xc3\xa9",
    b"\xe3\x80\x82",
    b"\xef\xbc\x9a80",
];
