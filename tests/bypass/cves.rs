//! Known vulnerabilities of other products: for each one a request of its kind and the expected result.

use crate::generate::Attack;
use crate::policy::Caller;
use crate::request::{Request, Wire};
use crate::run::Round;
use crate::send::Outcome;

/// A case.
pub(crate) struct Case {
    pub(crate) id: &'static str,
    pub(crate) about: &'static str,
    pub(crate) request: Request,
    pub(crate) want: Want,
}

/// The expected result of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Want {
    /// It does not reach the upstream.
    Refused,
    /// It reaches the upstream, without another caller's rights or name.
    Forwarded,
}

/// Returns the cases as attacks of one round.
pub(crate) fn attacks(cases: &[Case]) -> Vec<Attack> {
    cases.iter().map(|case| Attack { request: case.request.clone(), families: vec![case.id] }).collect()
}

/// Returns the cases whose result differs from the expected one.
pub(crate) fn failures(cases: &[Case], round: &Round) -> Vec<String> {
    let mut failures = Vec::new();
    for (number, (case, outcome)) in cases.iter().zip(&round.outcomes).enumerate() {
        let got = if *outcome == Outcome::Forwarded { Want::Forwarded } else { Want::Refused };
        if got != case.want {
            failures.push(format!("{} ({}): {outcome:?}, but must be {:?}", case.id, case.about, case.want));
        }
        let hits = round.bypasses().filter(|find| find.number == Some(number));
        failures.extend(hits.map(|find| format!("{} ({}): {:?}", case.id, case.about, find.hit)));
    }
    failures
}

fn case(id: &'static str, about: &'static str, want: Want, request: Request) -> Case {
    Case { id, about, request, want }
}

fn get(caller: Caller, target: &[u8]) -> Request {
    Request::new(caller, b"GET", target)
}

fn bearer(caller: Caller, tail: &[u8]) -> Vec<u8> {
    [b"Bearer ", caller.secret().unwrap_or_default().as_bytes(), tail].concat()
}

/// Returns all cases. The advisories describe the original vulnerabilities.
pub(crate) fn all() -> Vec<Case> {
    [paths(), headers(), others()].into_iter().flatten().collect()
}

fn paths() -> Vec<Case> {
    use Caller::{Operator, Support, Viewer};
    use Want::{Forwarded, Refused};
    vec![
        case("CVE-2019-9901", "`..` not resolved", Refused, get(Viewer, b"/v1/metrics/../admin/keys")),
        case(
            "CVE-2019-9901",
            "`..` not resolved before a deny",
            Refused,
            get(Operator, b"/x/../v1/admin/keys"),
        ),
        case("CVE-2020-8595", "an exact path with a query", Refused, get(Support, b"/v1/users/export?x")),
        case("CVE-2020-8595", "an exact path with a fragment", Refused, get(Support, b"/v1/users/export#x")),
        case("CVE-2021-29492", "`%2f` kept by the matcher", Refused, get(Operator, b"/v1%2fadmin/keys")),
        case("CVE-2021-29492", "`%5c` kept by the matcher", Refused, get(Viewer, b"/v1/metrics/..%5cadmin")),
        case("CVE-2021-31920", "`//` before a deny", Refused, get(Operator, b"//v1//admin/keys")),
        case("CVE-2021-31920", "`%2F` before a deny", Refused, get(Operator, b"/v1/admin%2Fkeys")),
        case("CVE-2021-32779", "`#` hides the end of a path", Refused, get(Operator, b"/v1/admin#/public")),
        case("CVE-2021-39156", "`#` behind a denied path", Refused, get(Operator, b"/v1/admin/keys#")),
        case("CVE-2025-46821", "`*` in a path before a deny", Refused, get(Operator, b"/v1/admin/*")),
        case("CVE-2025-46821", "`*` in a permitted path", Forwarded, get(Viewer, b"/v1/metrics/*")),
        case("CVE-2026-73511", "`;` in a segment before a deny", Refused, get(Operator, b"/v1/admin;x/keys")),
        case("CVE-2026-73511", "`;` at the end before a deny", Refused, get(Operator, b"/v1/admin/keys;a=b")),
        case("istio#27409", "`..;` before Tomcat", Refused, get(Viewer, b"/v1/metrics/..;/admin/keys")),
        case("CVE-2026-26205", "`//` taken for a host", Refused, get(Viewer, b"//x/v1/metrics/cpu")),
        case("CVE-2026-32811", "`?` encoded again", Refused, get(Support, b"/v1/users/export?a=b")),
        case("CVE-2026-32811", "`?` encoded by the caller", Refused, get(Operator, b"/v1/admin/keys%3Fa=b")),
    ]
}

fn headers() -> Vec<Case> {
    use Caller::{Nobody, Partner, Viewer};
    use Want::{Forwarded, Refused};
    let metrics = || get(Viewer, b"/v1/metrics/cpu");
    vec![
        case("CVE-2019-9900", "NUL in a value", Refused, metrics().with(b"x-a", b"b\0c")),
        case(
            "CVE-2019-9900",
            "NUL in the credential",
            Refused,
            get(Nobody, b"/v1/metrics/cpu").with(b"authorization", &bearer(Viewer, b"\0")),
        ),
        case(
            "CVE-2020-25017",
            "only the first of two credentials is read",
            Refused,
            metrics().with(b"authorization", &bearer(Caller::Operator, b"")),
        ),
        case(
            "CVE-2020-25017",
            "only the first of two forged headers is removed",
            Forwarded,
            metrics().with(b"x-tokenward-token", b"admin").with(b"x-tokenward-token", b"root"),
        ),
        case(
            "CVE-2021-32777",
            "another scheme beside the token",
            Refused,
            metrics().with(b"authorization", b"Basic YTpi"),
        ),
        case("CVE-2026-26308, CVE-2026-31838", "values joined by a comma", Refused, {
            get(Nobody, b"/v1/metrics/cpu").with(b"authorization", &bearer(Viewer, b",x"))
        }),
        case("CVE-2021-39155", "the host in upper case", Refused, {
            get(Partner, b"/v1/invoices/7").at(b"BILLING.ACME.TEST")
        }),
        case("CVE-2021-39155", "the caller's own host in upper case", Forwarded, {
            get(Partner, b"/v1/invoices/7").at(b"API.Acme.Test")
        }),
        case("CVE-2023-27487, CVE-2024-7207", "a forged `x-envoy-original-path`", Forwarded, {
            metrics().with(b"x-envoy-original-path", b"/v1/admin/keys")
        }),
        case("CVE-2024-7207", "a forged `x-envoy-original-path`, over HTTP/2", Forwarded, {
            metrics().with(b"x-envoy-original-path", b"/v1/admin/keys").over(Wire::Http2)
        }),
        case("CVE-2023-27488", "a credential that is no UTF-8", Refused, {
            get(Nobody, b"/v1/metrics/cpu").with(b"authorization", b"Bearer \xff\xfe")
        }),
        case("CVE-2023-27488", "a value that is no UTF-8", Forwarded, metrics().with(b"x-a", b"\xff\xfe")),
        case("CVE-2024-45806", "`x-envoy-internal` believed", Refused, {
            get(Nobody, b"/v1/admin/keys")
                .with(b"x-envoy-internal", b"true")
                .with(b"x-forwarded-for", b"127.0.0.1")
        }),
    ]
}

fn others() -> Vec<Case> {
    use Caller::{Nobody, Operator, Viewer};
    use Want::{Forwarded, Refused};
    let forged = b"x\",\"token\":\"admin\"}\xc2\x85{\"v\":1,\"event\":\"decision\",\"token\":\"admin\"}";
    vec![
        case("CVE-2024-45808", "a line of the log by the caller", Forwarded, {
            get(Viewer, b"/v1/metrics/cpu").with(b"x-request-id", forged)
        }),
        case("CVE-2026-73547", "a request without a path", Refused, {
            Request::new(Operator, b"CONNECT", b"").over(Wire::Http2)
        }),
        case(
            "CVE-2026-73547",
            "the same without a method that has none",
            Refused,
            get(Operator, b"").over(Wire::Http2),
        ),
        case(
            "CVE-2026-73547",
            "the VM lives on",
            Forwarded,
            get(Viewer, b"/v1/metrics/cpu").over(Wire::Http2),
        ),
        case(
            "CVE-2026-73547",
            "over HTTP/1.1",
            Refused,
            Request::new(Nobody, b"CONNECT", b"gateway.test:443"),
        ),
    ]
}
