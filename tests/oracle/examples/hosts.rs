//! Operations at hosts.

use crate::examples::{Example, PLAIN};

pub(crate) const EXAMPLES: &[Example] = &[
    Example {
        rule: "an operation at a host is at this host alone, in any letters, at any port, with a dot or without",
        operations: &[("invoices", "GET Billing.acme.test/invoices")],
        holds: &["invoices"],
        requests: &[
            ("GET billing.acme.test/invoices", "permitted"),
            ("GET BILLING.acme.TEST./invoices", "permitted"),
            ("GET billing.acme.test:8443/invoices", "permitted"),
            ("GET billing.acme.test.:80/invoices", "permitted"),
            ("GET x.billing.acme.test/invoices", "insufficient_scope"),
            ("GET acme.test/invoices", "insufficient_scope"),
            ("GET /invoices", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "`*.` is all below a domain at any depth, and not the domain itself",
        operations: &[("all", "GET *.acme.test/x")],
        holds: &["all"],
        requests: &[
            ("GET a.acme.test/x", "permitted"),
            ("GET a.b.acme.test/x", "permitted"),
            ("GET acme.test/x", "insufficient_scope"),
            ("GET xacme.test/x", "insufficient_scope"),
            ("GET a.acme.test.evil.test/x", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "one host goes before a domain, the longer domain before the shorter, and both before none",
        operations: &[
            ("one", "GET a.b.test/{x}"),
            ("long", "GET *.b.test/me"),
            ("short", "GET *.test/me"),
            ("none", "GET /me"),
        ],
        holds: &["short"],
        requests: &[
            ("GET a.b.test/me", "insufficient_scope"),
            ("GET c.b.test/me", "insufficient_scope"),
            ("GET b.test/me", "permitted"),
            ("GET c.test/me", "permitted"),
            ("GET test/me", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a host goes before the path, and an operation at no host is at all",
        operations: &[("any", "GET a.test/{x}"), ("me", "GET /me")],
        holds: &["me"],
        requests: &[
            ("GET a.test/me", "insufficient_scope"),
            ("POST a.test/me", "insufficient_scope"),
            ("GET b.test/me", "permitted"),
            ("GET /me", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a `/**` counts whatever host a more specific operation is at",
        operations: &[("all", "GET /**"), ("me", "GET a.test/me"), ("below", "GET *.test/docs/**")],
        holds: &["all"],
        requests: &[("GET a.test/me", "permitted"), ("GET b.test/docs/x", "permitted")],
        ..PLAIN
    },
    Example {
        rule: "a deny at a host is one at this host alone",
        operations: &[("all", "GET /**"), ("keys", "GET *.acme.test/keys/**")],
        holds: &["all"],
        denies: &["keys"],
        requests: &[
            ("GET a.acme.test/keys/1", "denied_operation"),
            ("GET A.ACME.test:1/KEYS", "denied_operation"),
            ("GET acme.test/keys/1", "permitted"),
            ("GET /keys/1", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a deny without a host denies at every host, whatever host the grant names",
        operations: &[
            ("billing", "GET billing.acme.test/v1/invoices/export"),
            ("below", "GET *.acme.test/v1/invoices/**"),
            ("export", "GET /v1/invoices/export"),
        ],
        holds: &["billing", "below"],
        denies: &["export"],
        requests: &[
            ("GET billing.acme.test/v1/invoices/export", "denied_operation"),
            ("GET other.acme.test/v1/invoices/Export", "denied_operation"),
            ("GET /v1/invoices/export", "denied_operation"),
            ("GET billing.acme.test/v1/invoices/7", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a deny of all below a domain beats a grant at one host",
        operations: &[("one", "GET a.acme.test/x"), ("domain", "GET *.acme.test/{any}")],
        holds: &["one"],
        denies: &["domain"],
        requests: &[("GET a.acme.test/x", "denied_operation")],
        ..PLAIN
    },
    Example {
        rule: "a host has one reading or none",
        operations: &[("public", "GET /")],
        requests: &[
            ("GET acme.test@evil.test/", "malformed_request"),
            ("GET acme..test/", "malformed_request"),
            ("GET acme.test:80:80/", "malformed_request"),
            ("GET acme.test:http/", "malformed_request"),
            ("GET acme.test,evil.test/", "malformed_request"),
            ("GET [::1/", "malformed_request"),
            ("GET ./", "malformed_request"),
            ("GET acme.test:/", "malformed_request"),
            ("GET acme.test.:/", "malformed_request"),
            ("GET [::1]:/", "malformed_request"),
            ("GET [::1]./", "malformed_request"),
            ("GET 192.0.2.1./", "malformed_request"),
            ("GET ::1:80/", "malformed_request"),
            ("GET acme.test:0/", "malformed_request"),
            ("GET acme.test:080/", "malformed_request"),
            ("GET acme.test:65536/", "malformed_request"),
            ("GET acme.test:65535/", "public"),
            ("GET [::1]:80/", "public"),
            ("GET my_service/", "public"),
        ],
        ..PLAIN
    },
    Example {
        rule: "an IPv4-mapped IPv6 address is not the IPv4 address",
        operations: &[("four", "GET 192.0.2.1/x"), ("six", "GET [::FFFF:c000:201]/y")],
        holds: &["four", "six"],
        requests: &[
            ("GET 192.0.2.1/x", "permitted"),
            ("GET [::ffff:192.0.2.1]/x", "insufficient_scope"),
            ("GET [::ffff:192.0.2.1]/y", "permitted"),
            ("GET [0::ffff:c000:0201]:80/y", "permitted"),
            ("GET 192.0.2.1/y", "insufficient_scope"),
        ],
        ..PLAIN
    },
];
