//! A token reaches only the paths of its own attributes.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use tokenward::engine::matching::path::PathRules;
use tokenward::engine::words::secret::SecretDigest;

use crate::oracle::bundles::Bundle;
use crate::oracle::reading::Request;
use crate::oracle::{compile, config, decide};

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn token_reaches_only_its_own_attributes(
        world in worlds(),
        spelling in select(vec![Spelling::Plain, Spelling::Escaped, Spelling::InFull]),
        (method, end) in (select(vec!["GET", "HEAD", "DELETE"]), select(vec!["", "/", "?x=/t/acme"])),
    ) {
        let policy = compile(&world.bundle());
        for (number, caller) in world.owners.iter().enumerate() {
            for owner in &world.owners {
                let request = Request {
                    method: method.to_owned(),
                    host: String::new(),
                    path: world.path(owner, spelling) + end,
                    authorization: vec![format!("Bearer {}", secret(number))],
                    source: String::new(),
                    now: crate::oracle::bundles::time(0),
                    paths: PathRules::default(),
                };
                let decided = decide(&policy, &request).reason().code();
                // An owner with the same values in the pattern's attributes counts as the caller itself.
                let same = world.names().all(|name| caller[name] == owner[name]);
                let expected = if same { "permitted" } else { "insufficient_scope" };
                prop_assert_eq!(decided, expected, "{:?}", request);
            }
        }
    }
}

/// Names and values of a token's attributes.
type Attributes = Map<String, Value>;

/// A pattern with bound segments, and tokens that hold it.
#[derive(Clone, Debug)]
struct World {
    segments: Vec<&'static str>,
    subtree: bool,
    owners: Vec<Attributes>,
}

#[derive(Clone, Copy, Debug)]
enum Spelling {
    /// As usual in a path, with all other characters percent-encoded.
    Plain,
    /// With letters percent-encoded too, in lower-case hex.
    Escaped,
    /// As the policy spells the value, where a path may hold it.
    InFull,
}

fn worlds() -> impl Strategy<Value = World> {
    let bound = vec!["${t}", "${t}", "r-${t}", "${t}.csv", "r-${u}.csv", "${u}", "${t}:go"];
    let free = vec!["x", "{id}", "a{id}", "*.csv"];
    let segments = (proptest::collection::vec(select(bound), 1..=2), select(free), any::<bool>()).prop_map(
        |(mut segments, free, first)| {
            segments.insert(if first { 0 } else { segments.len() }, free);
            segments
        },
    );
    let owners = (subsequence(VALUES.as_slice(), 2..=4), subsequence(VALUES.as_slice(), 2..=4));
    let owners = owners.prop_map(|(ts, us)| {
        ts.iter()
            .zip(us.iter().cycle())
            .map(|(t, u)| [("t".to_owned(), json!(t)), ("u".to_owned(), json!(u))].into_iter().collect())
            .collect()
    });
    (segments, any::<bool>(), owners).prop_map(|(segments, subtree, owners)| World {
        segments,
        subtree,
        owners,
    })
}

impl World {
    /// Only two listings have this shape: the bound one, and one in a permission that no token holds. Everything else
    /// that the tokens hold is elsewhere.
    fn bundle(&self) -> Bundle {
        let end = if self.subtree { "/**" } else { "" };
        let pattern: String = self.segments.iter().flat_map(|segment| ["/", segment]).collect();
        let free = pattern.replace("${", "{");
        let tokens = self.owners.iter().enumerate().map(|(number, attributes)| {
            let digest = SecretDigest::of(secret(number).as_bytes());
            let token = json!({
                "kind": "any",
                "roles": ["role"],
                "attributes": attributes,
                "secrets": [{ "id": "1", "sha256": digest }],
            });
            (format!("token{number}"), token)
        });
        Bundle(json!({
            "version": 1,
            "name": "attributes",
            "permissions": {
                "bound": [format!("* /t{pattern}{end}")],
                "free": [format!("* /t{free}")],
                "others": ["* /t", "* /other/**", "* /{x}", "GET /T/**", "* elsewhere.test/**"],
            },
            "roles": { "role": { "permissions": ["bound", "others"] } },
            "kinds": { "any": {} },
            "tokens": tokens.collect::<Map<String, Value>>(),
        }))
    }

    /// Returns the attributes that the pattern needs.
    fn names(&self) -> impl Iterator<Item = &str> {
        let bound = |segment: &&'static str| Some(segment.split_once("${")?.1.split_once('}')?.0);
        self.segments.iter().filter_map(bound)
    }

    /// Returns a path with the attributes of `owner`.
    fn path(&self, owner: &Attributes, spelling: Spelling) -> String {
        let mut path = "/t".to_owned();
        for segment in &self.segments {
            path.push('/');
            match segment.split_once(['{', '*']) {
                None => path.push_str(segment),
                Some((prefix, rest)) => {
                    let (name, suffix) = rest.split_once('}').unwrap_or(("id", rest));
                    path.push_str(prefix.trim_end_matches('$'));
                    match owner.get(name) {
                        Some(value) => path.push_str(&spelled(value.as_str().unwrap(), spelling)),
                        None => path.push_str("7-b"),
                    }
                    path.push_str(suffix);
                }
            }
        }
        path
    }
}

fn spelled(value: &str, spelling: Spelling) -> String {
    let byte = |byte: u8| {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let may_be_sent = plain || b"@!$&'()*,=:".contains(&byte);
        match spelling {
            Spelling::Plain if plain => char::from(byte).to_string(),
            Spelling::InFull if may_be_sent => char::from(byte).to_string(),
            Spelling::Escaped => format!("%{byte:02x}"),
            Spelling::Plain | Spelling::InFull => format!("%{byte:02X}"),
        }
    };
    value.bytes().map(byte).collect()
}

fn secret(number: usize) -> String {
    format!("attribute-secret-{number}")
}

/// Values that a careless comparison treats as equal.
const VALUES: [&str; 14] = [
    "acme", "Acme", "acm", "acme2", "acme.csv", "acme:go", "r-acme", "a", "a b", "a+b", "a@b.test", "café",
    "cafe", "ACME",
];
