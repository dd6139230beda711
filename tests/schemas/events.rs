//! Events on the pages of the documentation: the schema accepts each.

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
        // The test that runs a transcript with gaps checks it.
        let is_event = |line: &&str| line.starts_with("{\"v\":1,") && !line.contains("[..]");
        for line in text.lines().filter(is_event) {
            // The body of an alert contains the event.
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
