//! Roles in shadow.

use crate::examples::{Example, PLAIN};

pub(crate) const EXAMPLES: &[Example] = &[
    Example {
        rule: "what a role in shadow denies is only reported, and what it grants counts",
        operations: &[("read", "GET /x"), ("write", "POST /x"), ("old", "GET /old")],
        holds: &["read"],
        roles: r#"{ "strict": { "permissions": ["write", "old"], "deny": ["read", "old"], "shadow": true } }"#,
        token: r#"{ "roles": ["role", "strict"] }"#,
        requests: &[
            ("GET /x", "denied_operation (tried)"),
            ("GET /X", "insufficient_scope"),
            ("POST /x", "permitted"),
            ("GET /old", "denied_operation (tried)"),
            ("GET /y", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a token whose roles are all in shadow is only reported on",
        operations: &[("read", "GET /x"), ("keys", "GET /keys/**")],
        roles: r#"{ "strict": { "inherits": ["role"], "deny": ["keys"], "shadow": true } }"#,
        holds: &["read"],
        token: r#"{ "roles": ["strict"] }"#,
        requests: &[
            ("GET /x", "permitted"),
            ("GET /y", "insufficient_scope (tried)"),
            ("GET /keys/1", "denied_operation (tried)"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a scope is the token's own restriction",
        operations: &[("read", "GET /x"), ("write", "POST /x")],
        roles: r#"{ "strict": { "permissions": ["read", "write"], "deny": ["write"], "shadow": true } }"#,
        token: r#"{ "roles": ["strict"], "scope": ["read"] }"#,
        requests: &[
            ("GET /x", "permitted"),
            ("POST /x", "insufficient_scope"),
            ("GET /y", "insufficient_scope"),
        ],
        ..PLAIN
    },
    Example {
        rule: "what an enforced role denies stays denied, inherited by one in shadow or beside it",
        operations: &[("all", "GET /**"), ("keys", "GET /keys/**"), ("logs", "GET /logs")],
        holds: &["all"],
        denies: &["keys"],
        roles: r#"{ "strict": { "inherits": ["role"], "deny": ["logs", "keys"], "shadow": true } }"#,
        token: r#"{ "roles": ["strict"] }"#,
        requests: &[
            ("GET /keys/1", "denied_operation"),
            ("GET /LOGS", "denied_operation (tried)"),
            ("GET /x", "permitted"),
            ("POST /x", "insufficient_scope (tried)"),
        ],
        ..PLAIN
    },
    Example {
        rule: "an enforced deny also holds for a token that is only reported on",
        operations: &[("read", "GET /users/{id}"), ("me", "GET /users/me")],
        denies: &["read"],
        roles: r#"{ "strict": { "inherits": ["role"], "shadow": true } }"#,
        token: r#"{ "roles": ["strict"] }"#,
        requests: &[
            ("GET /users/7", "denied_operation"),
            ("GET /users/me", "denied_operation"),
            ("GET /users", "insufficient_scope (tried)"),
        ],
        ..PLAIN
    },
    Example {
        rule: "a role in shadow that an enforced one inherits from denies nothing, and no token is on trial for it",
        operations: &[("all", "GET /**"), ("keys", "GET /keys/**")],
        holds: &["all"],
        roles: r#"{ "strict": { "deny": ["keys"], "shadow": true }, "top": { "inherits": ["role", "strict"] } }"#,
        token: r#"{ "roles": ["top"] }"#,
        requests: &[("GET /keys", "denied_operation (tried)"), ("POST /keys", "insufficient_scope")],
        ..PLAIN
    },
    Example {
        rule: "a token without roles holds nothing, and is not on trial",
        operations: &[("all", "GET /**")],
        token: r#"{ "roles": [] }"#,
        requests: &[("GET /x", "insufficient_scope")],
        ..PLAIN
    },
    Example {
        rule: "limits of a token are enforced whatever its roles are",
        operations: &[("all", "GET /**")],
        roles: r#"{ "strict": { "permissions": ["all"], "shadow": true } }"#,
        token: r#"{ "roles": ["strict"], "environments": ["test"] }"#,
        requests: &[("GET /x", "wrong_environment")],
        ..PLAIN
    },
];
