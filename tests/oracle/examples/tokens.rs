//! Tokens' attributes and limits.

use crate::examples::{Example, PLAIN};

pub(crate) const EXAMPLES: &[Example] = &[
    Example {
        rule: "`${tenant}` is the token's own, letter by letter",
        operations: &[
            ("reports", "GET /tenants/${tenant}/reports/**"),
            ("file", "GET /files/r-${tenant}.csv"),
        ],
        holds: &["reports", "file"],
        token: r#"{ "attributes": { "tenant": "acme", "other": "globex" } }"#,
        requests: &[
            ("GET /tenants/acme/reports/7", "permitted"),
            ("GET /tenants/%61cme/reports", "permitted"),
            ("GET /tenants/Acme/reports", "insufficient_scope"),
            ("GET /tenants/acme2/reports", "insufficient_scope"),
            ("GET /tenants/globex/reports", "insufficient_scope"),
            ("GET /files/r-acme.csv", "permitted"),
            ("GET /files/r-acm.csv", "insufficient_scope"),
            ("GET /files/r-acme.csv.csv", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a token without the attribute has no such path",
        operations: &[("reports", "GET /tenants/${tenant}/reports"), ("public", "GET /tenants/{name}")],
        holds: &["reports"],
        token: r#"{ "attributes": { "Tenant": "acme" } }"#,
        requests: &[("GET /tenants/acme/reports", "insufficient_scope"), ("GET /tenants/acme", "public")],
        ..PLAIN
    },
    Example {
        rule: "`${tenant}` and `{id}` are the same operation, and each of both a listing of its own",
        operations: &[("own", "GET /t/${tenant}"), ("any", "GET /t/{id}"), ("me", "GET /t/me")],
        holds: &["own"],
        token: r#"{ "attributes": { "tenant": "me" } }"#,
        requests: &[("GET /t/me", "insufficient_scope"), ("GET /t/x", "insufficient_scope")],
        ..PLAIN
    },
    Example {
        rule: "every `${…}` of an operation must be met",
        operations: &[("own", "GET /t/${tenant}/${team}")],
        holds: &["own"],
        token: r#"{ "attributes": { "tenant": "a", "team": "b" } }"#,
        requests: &[
            ("GET /t/a/b", "permitted"),
            ("GET /t/a/a", "insufficient_scope"),
            ("GET /t/b/b", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "in a deny `${tenant}` stands for every value",
        operations: &[("all", "GET /**"), ("keys", "GET /t/${tenant}/keys")],
        holds: &["all"],
        denies: &["keys"],
        token: r#"{ "attributes": { "tenant": "acme" } }"#,
        requests: &[
            ("GET /t/acme/keys", "denied_operation"),
            ("GET /t/globex/keys", "denied_operation"),
            ("GET /t/globex/KEYS", "denied_operation"),
            ("GET /t/acme", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a token that is bound to places works in these alone",
        operations: &[("read", "GET /x")],
        holds: &["read"],
        token: r#"{ "environments": ["staging", "test"], "services": ["edge"] }"#,
        bundle: r#"{ "environment": "test", "service": "billing" }"#,
        requests: &[("GET /x", "wrong_service"), ("GET /y", "wrong_service")],
        ..PLAIN
    },
    Example {
        rule: "a token that is bound to a place does not work where nobody says where that is",
        operations: &[("read", "GET /x")],
        holds: &["read"],
        token: r#"{ "environments": ["test"], "services": ["edge"] }"#,
        bundle: r#"{ "service": "edge" }"#,
        requests: &[("GET /x", "wrong_environment")],
        ..PLAIN
    },
    Example {
        rule: "a token is used from its sources; an IPv4 address is one mapped into IPv6 too",
        operations: &[("read", "GET /x")],
        holds: &["read"],
        token: r#"{ "allowed_sources": ["203.0.113.0/24", "2001:db8::/32"] }"#,
        requests: &[
            ("GET /x from 203.0.113.255:1", "permitted"),
            ("GET /x from 203.0.114.0:1", "source_not_allowed"),
            ("GET /x from [::ffff:203.0.113.7]:1", "permitted"),
            ("GET /x from [2001:db8::1]:1", "permitted"),
            ("GET /x from [2001:db9::1]:1", "source_not_allowed"),
            ("GET /x from /run/envoy.sock", "source_not_allowed"),
            ("GET /x", "source_not_allowed"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a token is used in its hours, which may cross midnight and belong to the day they begin on",
        operations: &[("read", "GET /x")],
        holds: &["read"],
        token: r#"{ "allowed_hours": ["Mon-Fri 06:00-20:00 +01:00", "Sat 22:00-06:00"] }"#,
        requests: &[
            ("GET /x at 2026-03-02T04:59:59.999Z", "outside_hours"),
            ("GET /x at 2026-03-02T05:00:00Z", "permitted"),
            ("GET /x at 2026-03-02T19:00:00Z", "outside_hours"),
            ("GET /x at 2026-03-08T05:59:59Z", "permitted"),
            ("GET /x at 2026-03-08T06:00:00Z", "outside_hours"),
            ("GET /x at 2026-03-07T05:00:00Z", "outside_hours"),
        ],
        ..PLAIN
    },
    Example {
        rule: "no limit that is empty lets anything pass",
        operations: &[("read", "GET /x")],
        holds: &["read"],
        token: r#"{ "allowed_hours": [] }"#,
        requests: &[("GET /x", "outside_hours")],
        ..PLAIN
    },
];
