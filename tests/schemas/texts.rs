//! Texts with their own grammar: compares the regular expressions of the schemas with the parsers of the types.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokenward::engine::config::bundle::TokenPrefix;
use tokenward::engine::matching::attribute::AttributeValue;
use tokenward::engine::matching::pattern::Operation;
use tokenward::engine::words::address::AddressRange;
use tokenward::engine::words::hours::Hours;
use tokenward::engine::words::name::{PermissionName, TokenId};
use tokenward::engine::words::rate::RateLimit;
use tokenward::engine::words::secret::SecretDigest;
use tokenward::engine::words::time::{Span, Time};

use crate::schemas::{definition, schema};

/// A type, typical values, and texts that its pattern is known to accept beyond the parser.
struct Text {
    schema: &'static str,
    definition: &'static str,
    parses: fn(&str) -> bool,
    good: &'static [&'static str],
    bad: &'static [&'static str],
    beyond: &'static [&'static str],
}

#[test]
fn schema_patterns_accept_good_and_reject_bad() {
    for Text { schema: file, definition: name, parses, good, bad, beyond } in TEXTS {
        let validator = definition(&schema(file), name);
        let takes = |text: &str| validator.is_valid(&text.into());
        for text in *good {
            assert!(parses(text) && takes(text), "{name}: `{text}` is refused");
        }
        for text in *bad {
            assert!(!parses(text) && !takes(text), "{name}: `{text}` is taken");
        }
        for text in *beyond {
            assert!(!parses(text) && takes(text), "{name}: `{text}` is not as listed");
        }
    }
}

#[test]
fn editor_never_marks_valid_texts() {
    for Text { schema: file, definition: name, parses, good, .. } in TEXTS {
        // The documentation promises RFC 3339; the parser accepts more of ISO 8601.
        if *name == "Time" {
            continue;
        }
        let validator = definition(&schema(file), name);
        proptest!(config(), |(text in nearly(good))| {
            prop_assert!(!parses(&text) || validator.is_valid(&text.clone().into()), "{}: `{}`", name, text);
        });
    }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() }
}

/// One of the texts, with some characters changed, removed or added.
fn nearly(good: &'static [&'static str]) -> impl Strategy<Value = String> {
    let character = select(CHARACTERS.chars().collect::<Vec<_>>());
    let edit = (any::<Index>(), 0..3_u8, character);
    (select(good), proptest::collection::vec(edit, 0..5)).prop_map(|(text, edits)| {
        let mut text: Vec<char> = text.chars().collect();
        for (index, kind, character) in edits {
            let at = index.index(text.len().saturating_add(1));
            // The removed part, and its replacement.
            let (end, new) = match kind {
                0 => (at, Some(character)),
                1 => (at.saturating_add(1), Some(character)),
                _ => (at.saturating_add(1), None),
            };
            text.splice(at..end.min(text.len()), new);
        }
        text.into_iter().collect()
    })
}

const CHARACTERS: &str = "aAzZfF019.:/-_,;+*%${}[]()!?#@&='\"\\<>|^`~ \t\n\u{85}\u{7f}é∕２MonZdhms";

const TEXTS: &[Text] = &[
    Text {
        schema: "policy",
        definition: "Operation",
        parses: |text| Operation::parse(text).is_ok(),
        good: &[
            "GET /",
            "* /**",
            "GET,DELETE /v1/users/{id}/",
            "GET  /v1/a%20b/${tenant}/x{id}.json/**",
            "POST *.acme.test./v1/*:cancel",
            "GET [2001:db8::1]/.{x}",
            "X-1 LocalHost/a...",
        ],
        bad: &["", "/v1", "get /v1", "GET v1/users", "GET /a//b", "GET /a/../b", "GET /a%2fb", "GET /{a}{b}"],
        beyond: &["GET /%ff", "GET /%E2%88%95", "GET /e%CC%81", "GET [::1::]/"],
    },
    Text {
        schema: "policy",
        definition: "PermissionName",
        parses: |text| text.parse::<PermissionName>().is_ok(),
        good: &["metrics:read", "a", "A-b_c.d:9"],
        bad: &["", "9a", "users read", ":a", "a/b", "a\n", "ä"],
        beyond: &[],
    },
    Text {
        schema: "tokens",
        definition: "TokenId",
        parses: |text| text.parse::<TokenId>().is_ok(),
        good: &["ci-deploy", "7"],
        bad: &["", "-a", "ci/deploy"],
        beyond: &[],
    },
    Text {
        schema: "policy",
        definition: "TokenPrefix",
        parses: |text| TokenPrefix::try_from(text.to_owned()).is_ok(),
        good: &["acme", "a1", "abcdefghijklmnop"],
        bad: &["", "a", "Acme", "1a", "abcdefghijklmnopq", "a_b"],
        beyond: &[],
    },
    Text {
        schema: "policy",
        definition: "Span",
        parses: |text| text.parse::<Span>().is_ok(),
        good: &["90d", "24h", "015m", "1s"],
        bad: &["", "d", "5", "0d", "+5m", "-1h", "1.5h", "5 m", "1y", "3 months"],
        beyond: &["99999999999d"],
    },
    Text {
        schema: "tokens",
        definition: "RateLimit",
        parses: |text| text.parse::<RateLimit>().is_ok(),
        good: &["100/1m", "1000000/1s", "007/90d"],
        bad: &["", "100", "0/1m", "100/", "+1/1m", "100/0s", "100/m", "-1/1s", "1.5/1s", "100/1m/1m"],
        beyond: &["1000001/1s"],
    },
    Text {
        schema: "tokens",
        definition: "Hours",
        parses: |text| Hours::try_from(text.to_owned()).is_ok(),
        good: &[
            "Mon-Fri 06:00-20:00 +01:00",
            "22:00-06:00",
            "Sat,Sun 00:00-24:00 Z",
            "Fri-Mon,Wed 12:00-13:00",
        ],
        bad: &["", "Mon", "mon 06:00-20:00", "6:00-20:00", "06:00-25:00", "24:00-06:00", "06:00-20:00 CET"],
        beyond: &["06:00-06:00"],
    },
    Text {
        schema: "tokens",
        definition: "AddressRange",
        parses: |text| AddressRange::try_from(text.to_owned()).is_ok(),
        good: &[
            "203.0.113.0/24",
            "203.0.113.7",
            "2001:db8::/32",
            "::ffff:203.0.113.0/120",
            "::/0",
            "0.0.0.0/0",
        ],
        bad: &["", "office", "203.0.113.0/33", "203.0.113/24", "203.0.113.0/", "10.0.0.0/8 ", "1.2.3.4:80"],
        beyond: &["203.0.113.7/24", ":::", "1:2/32"],
    },
    Text {
        schema: "tokens",
        definition: "AttributeValue",
        parses: |text| AttributeValue::try_from(text.to_owned()).is_ok(),
        good: &["acme", "a b", "café", "a+b", "a@b.test", "...a"],
        bad: &[
            "",
            ".",
            "..",
            "a.",
            "a...",
            " a",
            "a ",
            "a+",
            "+a",
            "a/b",
            "a;b",
            "a%b",
            "a\\b",
            "a\u{7}",
            "a\u{FF0F}b",
            "a\u{80}",
        ],
        beyond: &[
            concat!("éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé", "é"),
            "cafe\u{301}",
        ],
    },
    Text {
        schema: "tokens",
        definition: "SecretDigest",
        parses: |text| SecretDigest::try_from(text).is_ok(),
        good: &[
            "2173d63431e9d0667f497875b1321b282d5577a3ddf04e4cc4d66e9be67ac99F",
            "sha256:2173d63431e9d0667f497875b1321b282d5577a3ddf04e4cc4d66e9be67ac99f",
            "SHA256-2173D63431E9D0667F497875B1321B282D5577A3DDF04E4CC4D66E9BE67AC99F",
            "sha256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
            "sha256-n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg",
        ],
        bad: &[
            "",
            "2173d634",
            "g173d63431e9d0667f497875b1321b282d5577a3ddf04e4cc4d66e9be67ac99f",
            "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
            "sha256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgh=",
            "sha256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg==",
            "sha512:2173d63431e9d0667f497875b1321b282d5577a3ddf04e4cc4d66e9be67ac99f",
        ],
        beyond: &[],
    },
    Text {
        schema: "tokens",
        definition: "Time",
        parses: |text| text.parse::<Time>().is_ok(),
        good: &["2026-03-01T00:00:00Z", "2026-03-01T01:00:00.5+01:00"],
        bad: &["", "2026-03-01", "2026-03-01T00:00:00", "2026-13-01T00:00:00Z", "now"],
        beyond: &[],
    },
];
