//! The Envoy under attack: one listener for each setting, and one without the filter.

use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::envoy::{self, Envoy};
use crate::policy::{bundle, flooded_bundle, guarded_bundle};
use crate::readings::SECOND_HEADERS;
use crate::upstream::Upstream;

/// A listener and its rules for paths.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    envoy_normalizes: bool,
    /// The filter's `paths`: names of rules, and the value for them.
    paths: &'static [(&'static [&'static str], &'static str)],
    upgrades: bool,
    removes: bool,
    moves: bool,
    audits: bool,
}

impl Setting {
    /// Returns a setting with the defaults of Envoy and of the filter.
    const fn plain(name: &'static str, about: &'static str) -> Self {
        Self {
            name,
            about,
            envoy_normalizes: false,
            paths: &[],
            upgrades: false,
            removes: false,
            moves: false,
            audits: false,
        }
    }

    /// Whether the filter keeps all characters that it can keep.
    pub(crate) fn keeps_all(&self) -> bool {
        self.paths.contains(&(&KEPT, "keep"))
    }
}

/// Rules that can be `normalize`, whatever the filter keeps.
const NORMALIZED: [&str; 3] = ["duplicate_slash", "dot_segments", "semicolon"];
/// Rules that can keep a character.
const KEPT: [&str; 4] = ["encoded_slash", "percent", "look_alikes", "invisible"];

/// The settings under test. None of them may have a bypass.
pub(crate) const SETTINGS: [Setting; 11] = [
    Setting::plain("plain", "Envoy's defaults"),
    Setting {
        envoy_normalizes: true,
        ..Setting::plain("normalized", "Envoy normalises paths, merges slashes and unescapes %2F")
    },
    Setting {
        paths: &[(&NORMALIZED, "normalize"), (&["encoded_slash"], "normalize")],
        ..Setting::plain("relaxed", "each rule of the filter's `paths` set to normalize, where it can be")
    },
    Setting {
        paths: &[(&["encoded_slash"], "keep")],
        ..Setting::plain("slash", "the filter keeps `%2F` in a segment")
    },
    Setting { paths: &[(&["percent"], "keep")], ..Setting::plain("percent", "the filter keeps `%25`") },
    Setting {
        paths: &[(&["look_alikes"], "keep")],
        ..Setting::plain("look-alikes", "the filter keeps characters that some programs read as ASCII")
    },
    Setting {
        paths: &[(&["invisible"], "keep")],
        ..Setting::plain("invisible", "the filter keeps characters that some programs leave out")
    },
    Setting { paths: &[(&KEPT, "keep")], ..Setting::plain("kept", "the filter keeps all of these") },
    Setting {
        upgrades: true,
        ..Setting::plain("upgrading", "connections may be upgraded to WebSocket, from HTTP/2 too")
    },
    Setting {
        removes: true,
        ..Setting::plain(
            "removing",
            "`second_path: forward`, and `remove_headers` with all such headers that the upstream reads",
        )
    },
    Setting {
        paths: &[(&NORMALIZED, "normalize"), (&KEPT, "keep")],
        upgrades: true,
        removes: true,
        moves: true,
        ..Setting::plain(
            "moved",
            "every relaxation at once, and each place and part that may bring a credential",
        )
    },
];

/// The listener whose audit events the bench reads.
pub(crate) const AUDITED: Setting =
    Setting { audits: true, ..Setting::plain("audited", "Envoy's defaults, and the filter's audit") };

/// The listener without the filter.
pub(crate) const OPEN: &str = "open";

/// Starts Envoy with all listeners in front of the upstream.
pub(crate) fn start(upstream: &Upstream) -> Envoy {
    let mut listeners: Vec<Value> = SETTINGS.iter().chain([&AUDITED]).map(Setting::listener).collect();
    listeners.push(silent(envoy::listener(OPEN, &[])));
    Envoy::start(&envoy::configuration(&listeners, upstream.address), 2).unwrap_or_else(|log| panic!("{log}"))
}

/// The listener with everything on: audit to the log and to filter state, a defense, rate limits.
pub(crate) const SOAKED: &str = "soaked";

/// Starts Envoy with only the listener for a soak, in a folder where its log is discarded.
pub(crate) fn start_soaked(folder: &Path, upstream: &Upstream) -> Envoy {
    symlink("/dev/null", folder.join("log")).unwrap();
    let configuration =
        json!({ "bundle": guarded_bundle(), "audit": { "sinks": ["log", "filter_state"] } }).to_string();
    let listener = silent(envoy::listener(SOAKED, &[envoy::filter(&configuration)]));
    let configuration = envoy::configuration(&[listener], upstream.address).to_string();
    Envoy::start_in(folder, &configuration, 2).unwrap_or_else(|_| panic!("Envoy does not start"))
}

/// The listener for floods, with the filter's defaults.
pub(crate) const FLOODED: &str = "flooded";

/// Starts Envoy with only the listener for floods, and one worker.
pub(crate) fn start_flooded(upstream: &Upstream) -> Envoy {
    let configuration = json!({ "bundle": flooded_bundle() }).to_string();
    let listener = silent(envoy::listener(FLOODED, &[envoy::filter(&configuration)]));
    Envoy::start(&envoy::configuration(&[listener], upstream.address), 1)
        .unwrap_or_else(|log| panic!("{log}"))
}

impl Setting {
    fn listener(&self) -> Value {
        let sinks: &[&str] = if self.audits { &["log"] } else { &[] };
        // The bench reads every event.
        let audit = json!({ "sinks": sinks, "strangers": 1_000_000 });
        let mut configuration = json!({ "bundle": bundle(), "audit": audit });
        for (rules, what) in self.paths {
            rules.iter().for_each(|rule| configuration["paths"][rule] = json!(what));
        }
        if self.removes {
            configuration["second_path"] = json!("forward");
            configuration["remove_headers"] = json!(SECOND_HEADERS);
        }
        if self.moves {
            configuration["credentials"] = json!([
                { "header": "authorization", "scheme": "Bearer", "part": "after_bar" },
                { "header": "authorization", "scheme": "Basic", "part": "password" },
                { "header": "authorization", "scheme": "Token" },
                { "header": "proxy-authorization", "scheme": "Basic", "part": "user" },
                { "header": "x-api-key", "part": "after_bar" },
                { "query": "access_token" },
                { "cookie": "token" },
            ]);
        }
        let mut listener = silent(envoy::listener(self.name, &[envoy::filter(&configuration.to_string())]));
        if self.envoy_normalizes {
            let manager = manager(&mut listener);
            manager["normalize_path"] = json!(true);
            manager["merge_slashes"] = json!(true);
            manager["path_with_escaped_slashes_action"] = json!("UNESCAPE_AND_FORWARD");
        }
        if self.upgrades { envoy::upgrading(listener) } else { listener }
    }
}

/// Removes the access log of a listener. Each answer from Envoy or the filter states its reason.
fn silent(mut listener: Value) -> Value {
    let manager = manager(&mut listener);
    manager["access_log"] = json!([]);
    // By default a broken HTTP/2 connection stays open for a second.
    manager["delayed_close_timeout"] = json!("0.02s");
    manager["local_reply_config"] = json!({ "mappers": [{
        "filter": { "status_code_filter": { "comparison": {
            "op": "GE", "value": { "default_value": 100, "runtime_key": "bypass" },
        }}},
        "headers_to_add": [{ "header": { "key": "x-details", "value": "%RESPONSE_CODE_DETAILS%" } }],
    }]});
    listener
}

fn manager(listener: &mut Value) -> &mut Value {
    &mut listener["filter_chains"][0]["filters"][0]["typed_config"]
}
