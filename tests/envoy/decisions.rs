//! The corpus through the filter: the same decision, status and audit event as natively.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokenward::engine::case::{Case, Judged, Outcome, Prepared};
use tokenward::engine::time::Time;

use crate::corpus::{Topic, topics};
use crate::envoy::{self, Envoy};
use crate::{echo, http};

#[test]
fn the_corpus_is_decided_in_envoy_as_natively() {
    let topics = topics();
    let groups = groups(&topics);
    let listeners: Vec<Value> = groups.iter().map(Group::listener).collect();
    let envoy = Envoy::start(&envoy::configuration(&listeners, echo::start()), 2).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for group in &groups {
        let mut client = envoy.client(&group.name());
        for (case, prepared) in &group.cases {
            count += 1;
            let id = format!("case-{count}");
            let response = client.send(&headers(prepared, &id));
            let native = group.topic.rehearsal.judge(prepared, &mut ());
            let differences = differences(&native, &response, &envoy.decision(&id));
            let name = format!("{}: {}", group.topic.folder.display(), case.name);
            wrong.extend(differences.iter().map(|difference| format!("{name}: {difference}")));
        }
    }
    let all: usize = topics.iter().map(|topic| topic.cases.len()).sum();
    println!("{count} of {all} cases in Envoy, {} at the edge of a second natively only", all - count);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(count * 10 > all * 9, "only {count} of {all} cases ran in Envoy");
}

/// Cases of one policy at one time, which are one configuration of the filter.
struct Group<'t> {
    topic: &'t Topic,
    at: Time,
    cases: Vec<(&'t Case, Prepared)>,
}

fn groups(topics: &[Topic]) -> Vec<Group<'_>> {
    let mut groups = Vec::new();
    for topic in topics {
        let mut by_time: BTreeMap<Time, Vec<(&Case, Prepared)>> = BTreeMap::new();
        for case in &topic.cases {
            let prepared = topic.rehearsal.prepare(&case.request).unwrap();
            if lasts(topic, case) {
                by_time.entry(prepared.at).or_default().push((case, prepared));
            }
        }
        groups.extend(by_time.into_iter().map(|(at, cases)| Group { topic, at, cases }));
    }
    groups
}

/// Whether the decision is still the same some minutes later: Envoy's clock goes on while cases run.
fn lasts(topic: &Topic, case: &Case) -> bool {
    let now = topic.rehearsal.prepare(&case.request).unwrap();
    let mut later = topic.rehearsal.prepare(&case.request).unwrap();
    later.at = later.at.shifted(MINUTES_MILLIS);
    topic.rehearsal.judge(&now, &mut ()).reason == topic.rehearsal.judge(&later, &mut ()).reason
}

impl Group<'_> {
    fn name(&self) -> String {
        format!("{} at {}", self.topic.folder.display(), self.at)
    }

    /// A listener whose policy has all its times moved so that the group's time is now.
    fn listener(&self) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let shift = i64::try_from(now).unwrap() - self.at.millis();
        let mut bundle = serde_json::to_value(self.topic.rehearsal.document()).unwrap();
        shift_times(&mut bundle, shift);
        envoy::listener(&self.name(), &[envoy::filter(&json!({ "bundle": bundle }).to_string())])
    }
}

fn shift_times(value: &mut Value, shift: i64) {
    match value {
        Value::Object(entries) => {
            for (key, entry) in entries {
                if key.ends_with("_at") || key == "not_before" {
                    let time: Time = entry.as_str().unwrap().parse().unwrap();
                    *entry = json!(time.shifted(shift).to_string());
                } else {
                    shift_times(entry, shift);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shift_times(item, shift)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn headers<'p>(prepared: &'p Prepared, id: &'p str) -> Vec<(&'p str, &'p [u8])> {
    let headers = prepared.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    headers.chain([("x-request-id", id.as_bytes())]).collect()
}

fn differences(native: &Judged, response: &http::Response, event: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    if u32::from(response.status) != native.status {
        differences.push(format!("status: natively {}, in Envoy {}", native.status, response.status));
    }
    let reached = response.header("x-upstream").is_some();
    if reached != (native.decision == Outcome::Permit) {
        differences.push(format!("{} natively, but reached the upstream: {reached}", native.decision));
    }
    let mut expected: Value = serde_json::from_str(&native.event).unwrap();
    let mut got = event.clone();
    for event in [&mut expected, &mut got] {
        let entries = event.as_object_mut().unwrap();
        entries.retain(|key, _| !["ts", "seq", "request_id"].contains(&key.as_str()));
    }
    if expected != got {
        differences.push(format!("event: natively {expected}, in Envoy {got}"));
    }
    differences
}

const MINUTES_MILLIS: i64 = 300_000;
