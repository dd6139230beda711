//! Mutators for headers and methods that may make an upstream see a different request than the filter.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::generate::{Draft, Place};
use crate::mutate::Mutator;
use crate::random::Random;
use crate::readings::{HOST_HEADERS, METHOD_HEADERS, PATH_HEADERS, SECOND_HEADERS};

pub(crate) const MUTATORS: [Mutator; 15] = [
    Mutator { name: "method-override", apply: method_override },
    Mutator { name: "path-override", apply: path_override },
    Mutator { name: "second-path", apply: second_path },
    Mutator { name: "host-override", apply: host_override },
    Mutator { name: "host", apply: host },
    Mutator { name: "host-spelling", apply: host_spelling },
    Mutator { name: "identity", apply: identity },
    Mutator { name: "credentials", apply: credentials },
    Mutator { name: "method", apply: method },
    Mutator { name: "preflight", apply: preflight },
    Mutator { name: "nominated", apply: nominated },
    Mutator { name: "upgrade", apply: upgrade },
    Mutator { name: "query-method", apply: query_method },
    Mutator { name: "content", apply: content },
    Mutator { name: "http2", apply: http2 },
];

/// Returns a spelling that CGI or a careless parser treats as the same name.
fn spelled(name: &str, random: &mut Random) -> Vec<u8> {
    let name = match random.below(6) {
        0 => name.replace('-', "_"),
        1 => name.to_uppercase(),
        2 => name.replace('-', "."),
        3 => name.replacen('-', "_", 1),
        4 => name.replace('-', random.one_of(&["!", "+", "~", "|", "^", "'"])),
        _ => name.to_owned(),
    };
    name.into_bytes()
}

fn method_override(draft: &mut Draft, random: &mut Random) {
    let name = spelled(random.one_of(&METHOD_HEADERS), random);
    let method =
        if random.once_in(3) { draft.goal.method.to_lowercase() } else { draft.goal.method.to_owned() };
    let instead: &[u8] = random.one_of(&[&b"GET"[..], b"GET", b"POST", b"HEAD", b"PATCH"]);
    draft.request.method = instead.to_vec();
    draft.request.add(&name, method.as_bytes());
}

fn path_override(draft: &mut Draft, random: &mut Random) {
    let name = spelled(random.one_of(&PATH_HEADERS), random);
    let goal = draft.path().clone();
    draft.take_cover();
    draft.request.method = draft.goal.method.as_bytes().to_vec();
    if random.once_in(2) {
        draft.request.method = b"GET".to_vec();
    }
    let value = match random.below(5) {
        0 => [b"http://gateway.test", &goal[..]].concat(),
        1 => goal.strip_prefix(b"/").unwrap_or(&goal).to_vec(),
        _ => goal,
    };
    draft.place = Place::Header(draft.request.headers.len());
    draft.request.add(&name, &value);
}

/// Adds a second path to a request for a permitted one.
fn second_path(draft: &mut Draft, random: &mut Random) {
    let name = spelled(random.one_of(&SECOND_HEADERS), random);
    let goal = draft.path().clone();
    draft.take_cover();
    if random.once_in(2) {
        let method: &[u8] = random.one_of(&[&b"MOVE"[..], b"COPY", b"PUT", b"POST"]);
        draft.request.method = method.to_vec();
    }
    let value = match random.below(5) {
        0 => [b"http://gateway.test", &goal[..]].concat(),
        1 => goal.strip_prefix(b"/").unwrap_or(&goal).to_vec(),
        2 => goal.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect(),
        _ => goal,
    };
    draft.place = Place::Header(draft.request.headers.len());
    draft.request.add(&name, &value);
}

fn host_override(draft: &mut Draft, random: &mut Random) {
    let name = spelled(random.one_of(&HOST_HEADERS[1..]), random);
    let host = draft.goal.host.as_bytes();
    if draft.goal.host != "gateway.test" {
        draft.request.authority = b"api.acme.test".to_vec();
    }
    let value = match random.below(4) {
        0 => [b"host=", host].concat(),
        1 => [host, b":443"].concat(),
        2 => [b"api.acme.test, ", host].concat(),
        _ => host.to_vec(),
    };
    draft.request.add(&name, &value);
}

fn host(draft: &mut Draft, random: &mut Random) {
    let host = draft.goal.host;
    let authority = match random.below(10) {
        0 => host.to_uppercase(),
        1 => format!("{host}."),
        2 => format!("{host}:80"),
        3 => format!("api.acme.test@{host}"),
        4 => format!("{host}@api.acme.test"),
        5 => format!("api.acme.test,{host}"),
        6 => format!("{host} api.acme.test"),
        7 => String::new(),
        8 => format!("api.acme.test/{host}"),
        _ => {
            draft.request.add(b"host", host.as_bytes());
            "api.acme.test".to_owned()
        }
    };
    draft.request.authority = authority.into_bytes();
}

/// Spells a host of the policy so that a router that compares text sees a different host.
fn host_spelling(draft: &mut Draft, random: &mut Random) {
    let host = random.one_of(&["api.acme.test", "API.Acme.test", "api.acme.test.", draft.goal.host]);
    let ends = [
        "", ":", ".", ".:", ":80", ".:443", ":8443", ":0", ":080", ":65536", "::", ":80:", "%3a", "%2e", ":x",
    ];
    draft.request.authority = [host, random.one_of(&ends)].concat().into_bytes();
}

fn identity(draft: &mut Draft, random: &mut Random) {
    let name = random.one_of(&["x-tokenward-token", "x-tokenward-identity"]);
    let value: &[u8] =
        random.one_of(&[&b"admin"[..], b"operator", b"kind=admin, roles=(admin)", b"root, viewer"]);
    draft.request.add(&spelled(name, random), value);
    if random.once_in(2) {
        draft.take_cover();
    }
}

fn credentials(draft: &mut Draft, random: &mut Random) {
    // The caller's own credential, which lacks the permission, in an unusual form.
    let own = draft.goal.caller.secret().unwrap_or_default();
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    let value = match random.below(18) {
        8 => basic(format!("admin:{own}")),
        9 => basic(format!("{own}:admin")),
        10 => basic(format!("admin\0:{own}:admin")),
        11 => basic(format!("admin:{own}")).replace('=', ""),
        12 => format!("Bearer 1|{own}"),
        13 => format!("1|{own}"),
        14 => format!("admin,1|{own}"),
        15 => format!("{own},{own}"),
        16 => format!("Token {own}"),
        17 => own,
        0 => format!("Bearer {own},Bearer admin"),
        1 => format!("bearer  {own}"),
        2 => format!("Bearer {own}\t"),
        3 => "Basic YWRtaW46YWRtaW4=".to_owned(),
        4 => format!("Bearer {own} {own}"),
        5 => format!("Bearer {own}%00"),
        6 => format!("Bearer\u{a0}{own}"),
        _ => String::new(),
    };
    if random.once_in(2) {
        draft.request.headers.retain(|(name, _)| name != b"authorization");
    }
    let name = random.one_of(&[
        "authorization",
        "Authorization",
        "proxy-authorization",
        "x-api-key",
        "authorization_",
    ]);
    draft.request.add(name.as_bytes(), value.as_bytes());
    if random.once_in(4) {
        let name = random.one_of(&["cookie", "Cookie"]);
        let value = random.one_of(&["token=admin", "token=admin,admin", "token=1|admin; token=admin"]);
        draft.request.add(name.as_bytes(), value.as_bytes());
    }
}

fn method(draft: &mut Draft, random: &mut Random) {
    let method = draft.goal.method;
    let odd = match random.below(8) {
        0 => method.to_lowercase(),
        1 => format!("{}{}", &method[..1], method[1..].to_lowercase()),
        2 => format!("{method}\t"),
        3 => format!(" {method}"),
        4 => format!("{method}X"),
        5 => (*random
            .one_of(&["HEAD", "POST", "PUT", "PATCH", "TRACE", "CONNECT", "PROPFIND", "QUERY", "PRI"]))
        .to_owned(),
        6 => String::new(),
        _ => "OPTIONS".to_owned(),
    };
    draft.request.method = odd.into_bytes();
}

/// A request that looks like a preflight, which needs no token.
fn preflight(draft: &mut Draft, random: &mut Random) {
    let method = draft.goal.method;
    let asked = if random.once_in(4) { method.to_lowercase() } else { method.to_owned() };
    draft.request.method = if random.once_in(5) { method.as_bytes().to_vec() } else { b"OPTIONS".to_vec() };
    draft.request.add(b"origin", b"https://app.acme.test");
    draft.request.add(b"access-control-request-method", asked.as_bytes());
    if random.once_in(2) {
        let name = spelled(random.one_of(&METHOD_HEADERS), random);
        draft.request.add(&name, method.as_bytes());
    }
    // Headers that browsers never send with a preflight.
    match random.below(8) {
        0 => draft.request.add(b"cookie", b"session=1"),
        1 => {
            draft.request.add(random.one_of(&[&b"authorization"[..], b"proxy-authorization"]), b"Basic YTpi")
        }
        2 => draft.request.add(b"content-length", b"0"),
        3 | 4 => {
            let name = random.one_of(&METHOD_PARAMETERS);
            draft.request.target.extend(format!("?{name}={method}").bytes());
        }
        _ => {}
    }
}

/// Parameters that some framework reads the method from.
const METHOD_PARAMETERS: [&str; 10] = [
    "_method",
    "%5fmethod",
    "_METHOD",
    "a=1&_method",
    "a;_%6dethod",
    "X-HTTP-Method-Override",
    "_HttpMethod",
    "x-tunneled-method",
    "my_method",
    "[method",
];

/// A `Connection` header that names the filter's headers, so that the next hop drops them.
fn nominated(draft: &mut Draft, random: &mut Random) {
    let value: &[u8] = random.one_of(&[
        &b"x-tokenward-token, x-tokenward-identity"[..],
        b"close, authorization",
        b"keep-alive, host",
        b"upgrade, http2-settings",
        b"te, x-tokenward-token",
        b"upgrade, x-tokenward-token, x-tokenward-identity",
    ]);
    draft.request.add(b"connection", value);
    if random.once_in(2) {
        draft.request.add(b"upgrade", random.one_of(&[&b"h2c"[..], b"websocket", b"TLS/1.0"]));
    }
    if random.once_in(2) {
        draft.take_cover();
    }
}

/// An upgrade: Envoy keeps its `connection` header, and some upstreams ignore its method.
fn upgrade(draft: &mut Draft, random: &mut Random) {
    let value: &[u8] =
        random.one_of(&[&b"upgrade"[..], b"Upgrade, x-tokenward-token", b"x-tokenward-identity,upgrade"]);
    draft.request.add(b"connection", value);
    draft.request.add(b"upgrade", b"websocket");
    if random.once_in(3) {
        draft.request.method = b"OPTIONS".to_vec();
        draft.request.add(b"origin", b"https://app.acme.test");
        draft.request.add(b"access-control-request-method", draft.goal.method.as_bytes());
    }
    if random.once_in(2) {
        draft.take_cover();
    }
}

/// A filter that leaves queries to the upstream cannot see this, so it counts as outside.
fn query_method(draft: &mut Draft, _: &mut Random) {
    let method = draft.goal.method;
    draft.request.method = b"GET".to_vec();
    draft.request.target.extend(format!("?_method={method}").bytes());
}

fn content(draft: &mut Draft, random: &mut Random) {
    let (name, value): (&[u8], &[u8]) = random.one_of(&[
        (&b"content-type"[..], &b"application/grpc"[..]),
        (b"content-type", b"application/grpc+json"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"accept", b"*/*, x\xff"),
        (b"te", b"trailers"),
        (b"expect", b"100-continue"),
        (b"x-forwarded-for", b"127.0.0.1"),
        (b"x-forwarded-proto", b"https"),
        (b"x-envoy-internal", b"true"),
        (b"x-envoy-external-address", b"127.0.0.1"),
        (b"cookie", b"token=admin; a=b"),
        (b"referer", b"http://gateway.test/v1/admin"),
    ]);
    draft.request.add(name, value);
}

/// The same tricks over HTTP/2, which permits more bytes in a header and repeated pseudo-headers.
fn http2(draft: &mut Draft, random: &mut Random) {
    draft.over_http2();
    let goal = draft.goal;
    let (name, value): (&[u8], Vec<u8>) = match random.below(16) {
        0 => (b":path", goal.cover.as_bytes().to_vec()),
        1 => (b":method", b"GET".to_vec()),
        2 => (b":authority", b"api.acme.test".to_vec()),
        3 => (b"host", b"api.acme.test".to_vec()),
        4 => (b":protocol", b"websocket".to_vec()),
        5 => (b"X-Original-URL", goal.path.as_bytes().to_vec()),
        6 => (b"x-original-url ", goal.path.as_bytes().to_vec()),
        7 => (b"x-a", format!("b\r\nx-original-url: {}", goal.path).into_bytes()),
        8 => (b"x-a: b\r\nx-original-url", goal.path.as_bytes().to_vec()),
        9 => (b"transfer-encoding", b"chunked".to_vec()),
        10 => (b"content-length", b"5".to_vec()),
        11 => (b"x-tokenward-token\0", b"admin".to_vec()),
        _ => return,
    };
    draft.request.add(name, &value);
}
