//! Events that the pages show: the schema takes each.

use std::fs;

use serde_json::Value;

use crate::docs::pages::pages;
use crate::schemas::{schema, validator};

#[test]
fn events_in_docs_match_the_schema() {
    let validator = validator(&schema("event"));
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        // A transcript with gaps is checked where it is run.
        let is_event = |line: &&str| line.starts_with("{\"v\":1,") && !line.contains("[..]");
        for line in text.lines().filter(is_event) {
            // What is sent to a webhook holds the event.
            let shown: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let event = if shown["event"].is_object() { &shown["event"] } else { &shown };
            if let Err(error) = validator.validate(event) {
                panic!("{}: {error}: {event}", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 1, "{checked} events are shown");
}
