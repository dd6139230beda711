//! Which operation a request belongs to, and what a deny takes away.

use crate::examples::{Example, PLAIN};

pub(crate) const EXAMPLES: &[Example] = &[
    Example {
        rule: "`{id}` stands for the values that no operation names",
        operations: &[("read", "GET /users/{id}"), ("export", "GET /users/export")],
        holds: &["read"],
        requests: &[
            ("GET /users/7", "permitted"),
            ("GET /users/export", "insufficient_scope"),
            ("GET /users/export/", "insufficient_scope"),
            ("GET /users/%65xport", "insufficient_scope"),
            ("GET /users/Export", "insufficient_scope"),
            ("GET /users/Exports", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "an operation with other methods names nothing for this one",
        operations: &[("read", "GET /users/{id}"), ("import", "POST /users/import")],
        holds: &["read"],
        requests: &[
            ("GET /users/import", "permitted"),
            ("HEAD /users/import", "permitted"),
            ("POST /users/import", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "`/**` covers everything below it, named or not, and its own prefix",
        operations: &[("all", "GET /users/**"), ("export", "GET /users/export")],
        holds: &["all"],
        requests: &[
            ("GET /users", "permitted"),
            ("GET /users/export", "permitted"),
            ("GET /users/7/keys/", "permitted"),
            ("GET /users2", "insufficient_scope"),
            ("POST /users/7", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a variable with literal text goes before one without",
        operations: &[("write", "POST /orders/{id}"), ("cancel", "POST /orders/{id}:cancel")],
        holds: &["write"],
        requests: &[
            ("POST /orders/7", "permitted"),
            ("POST /orders/7:cancel", "insufficient_scope"),
            ("POST /orders/7%3Acancel", "insufficient_scope"),
            ("POST /orders/:cancel", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "the longer literal part goes first, then the longer prefix",
        operations: &[
            ("short", "GET /files/{name}.gz"),
            ("long", "GET /files/{name}.tar.gz"),
            ("prefix", "GET /logs/ab{x}"),
            ("suffix", "GET /logs/{x}yz"),
        ],
        holds: &["long", "prefix"],
        requests: &[
            ("GET /files/a.tar.gz", "permitted"),
            ("GET /files/a.gz", "insufficient_scope"),
            ("GET /logs/ab-yz", "permitted"),
            ("GET /logs/a-yz", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a literal goes before all variables",
        operations: &[("one", "GET /v/a:go"), ("affix", "GET /v/{id}:go"), ("any", "GET /v/*")],
        holds: &["affix", "any"],
        requests: &[("GET /v/a:go", "insufficient_scope"), ("GET /v/b:go", "permitted")],
        ..PLAIN
    },
    Example {
        rule: "segments are compared from the left",
        operations: &[("left", "GET /a/b/{y}"), ("right", "GET /a/{x}/c")],
        holds: &["right"],
        requests: &[("GET /a/b/c", "insufficient_scope"), ("GET /a/z/c", "permitted")],
        ..PLAIN
    },
    Example {
        rule: "patterns of the same shape are the same operation",
        operations: &[
            ("named", "GET /users/{id}"),
            ("unnamed", "GET /users/*"),
            ("export", "GET /users/export"),
        ],
        holds: &["unnamed"],
        requests: &[("GET /users/7", "permitted"), ("GET /users/export", "insufficient_scope")],
        ..PLAIN
    },
    Example {
        rule: "a deny is judged without case too, and wins",
        operations: &[("all", "GET /**"), ("admin", "GET /admin/x")],
        holds: &["all"],
        denies: &["admin"],
        requests: &[
            ("GET /admin/x", "denied_operation"),
            ("GET /Admin/X", "denied_operation"),
            ("POST /admin/x", "insufficient_scope"),
            ("GET /admin/y", "permitted"),
            ("GET /admin/x/y", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "letters beyond ASCII fold by Unicode, in literals and around variables",
        operations: &[
            ("all", "GET /**"),
            ("cafe", "GET /caf%C3%A9"),
            ("street", "GET /stra%C3%9Fe/{x}.%C3%9F"),
            ("read", "GET /users/{id}"),
            ("named", "GET /users/%CF%83%CF%82"),
        ],
        holds: &["all"],
        denies: &["cafe", "street", "named"],
        requests: &[
            ("GET /caf%C3%89", "denied_operation"),
            ("GET /CAF%c3%89", "denied_operation"),
            ("GET /cafe%CC%81", "malformed_request"),
            ("GET /cafe", "permitted"),
            ("GET /STRASSE/1.ss", "denied_operation"),
            ("GET /stra%E1%BA%9Ee/%C3%9F.sS", "denied_operation"),
            ("GET /strasse/ss", "permitted"),
            ("GET /users/%CE%A3%CE%A3", "denied_operation"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a deny takes away all that is below its `/**`",
        operations: &[("all", "GET /**"), ("admin", "GET /admin/**"), ("keys", "GET /admin/keys")],
        holds: &["all", "keys"],
        denies: &["admin"],
        requests: &[
            ("GET /admin", "denied_operation"),
            ("GET /ADMIN/keys", "denied_operation"),
            ("GET /administrators", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a deny of a variable denies every value, a named operation too",
        operations: &[("me", "DELETE /users/me"), ("read", "DELETE /users/{id}")],
        holds: &["me", "read"],
        denies: &["read"],
        requests: &[
            ("DELETE /users/7", "denied_operation"),
            ("DELETE /users/me", "denied_operation"),
            ("DELETE /users/Me", "denied_operation"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a deny of a variable with literal text beats a grant with other text",
        operations: &[("pdf", "GET /orders/{id}.pdf"), ("x", "GET /orders/x{id}")],
        holds: &["pdf"],
        denies: &["x"],
        requests: &[
            ("GET /orders/x7.pdf", "denied_operation"),
            ("GET /orders/X7.pdf", "denied_operation"),
            ("GET /orders/7.pdf", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a deny with `${name}` denies every value",
        operations: &[("own", "GET /tenants/acme/x"), ("any", "GET /tenants/${tenant}/x")],
        holds: &["own"],
        denies: &["any"],
        token: r#"{ "attributes": { "tenant": "other" } }"#,
        requests: &[("GET /tenants/acme/x", "denied_operation")],
        ..PLAIN
    },
    Example {
        rule: "naming an operation in other letters opens nothing that a deny had closed",
        operations: &[("read", "GET /users/{id}"), ("mine", "GET /Users/m{x}"), ("me", "GET /USERS/me")],
        holds: &["read"],
        denies: &["mine"],
        requests: &[
            ("GET /users/me", "denied_operation"),
            ("GET /users/MX", "denied_operation"),
            ("GET /users/7", "permitted"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a deny of any operation that matches beats a grant by a `/**`",
        operations: &[
            ("all", "GET /users/**"),
            ("read", "GET /users/{id}"),
            ("me", "GET /users/me"),
            ("it", "GET /{x}/me"),
        ],
        holds: &["all"],
        denies: &["read"],
        requests: &[
            ("GET /users/7", "denied_operation"),
            ("GET /users/me", "denied_operation"),
            ("GET /users/ME", "denied_operation"),
            ("GET /users/me/x", "permitted"),
            ("GET /other/me", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a deny of a variable beats a grant of the operation itself beside one of a `/**`",
        operations: &[("all", "GET /users/**"), ("read", "GET /users/{id}"), ("me", "GET /users/me")],
        holds: &["all", "me"],
        denies: &["read"],
        requests: &[("GET /users/7", "denied_operation"), ("GET /users/me", "denied_operation")],
        ..PLAIN
    },
    Example {
        rule: "a permit is case-sensitive",
        operations: &[("read", "GET /users/me")],
        holds: &["read"],
        requests: &[
            ("GET /users/me", "permitted"),
            ("GET /Users/me", "insufficient_scope"),
            ("get /users/me", "malformed_request"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a public operation is an operation of its own",
        operations: &[
            ("public", "GET /users/help"),
            ("public", "GET /docs/**"),
            ("read", "GET /users/{id}"),
            ("edit", "* /docs/{page}"),
        ],
        denies: &["read", "edit"],
        requests: &[
            ("GET /users/help", "public"),
            ("HEAD /docs/a/b", "public"),
            ("GET /docs/a", "public"),
            ("PUT /docs/a", "denied_operation"),
            ("GET /users/Help", "denied_operation"),
        ],
        ..PLAIN
    },
];
