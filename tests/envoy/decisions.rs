//! Runs the corpus through the filter: decision, status and audit event are the same as natively.

use std::collections::{BTreeMap, HashMap};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokenward::engine::authoring::case::{Case, Observed, Prepared, Site};
use tokenward::engine::config::settings::{LinesPerSecond, Settings};
use tokenward::engine::words::hours::Hours;
use tokenward::engine::words::time::Time;

use crate::corpus::{Topic, topics};
use crate::envoy::{self, Envoy};
use crate::{echo, fixture, http};

#[test]
fn corpus_is_decided_in_envoy_as_natively() {
    let topics = topics();
    let groups = groups(&topics);
    let wrong = run(
        &groups,
        |group| group.listener(),
        |prepared, response, event| match event {
            Some(event) => differences(&prepared.judge(&mut ()), response, event),
            None => vec![format!("no event; Envoy itself answered {}", response.status)],
        },
    );
    let all: usize = topics.iter().map(|topic| topic.cases.len()).sum();
    let count: usize = groups.iter().map(|group| group.cases.len()).sum();
    println!("{count} of {all} cases in Envoy, {} at the edge of a second natively only", all - count);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(count * 10 > all * 9, "only {count} of {all} cases ran in Envoy");
}

#[test]
fn normalised_path_is_judged_as_forwarded() {
    let topics = topics();
    let groups = groups(&topics);
    let mut changed = 0;
    let normalising = |group: &Group<'_>| envoy::normalising(group.listener());
    let wrong = run(&groups, normalising, |prepared, response, event| {
        let Some(event) = event else {
            // Envoy rejects paths that it cannot normalize.
            let refused = response.status == 400;
            return if refused { Vec::new() } else { vec![format!("no event, and {}", response.status)] };
        };
        let natively = prepared.judge(&mut ());
        let expected: Value = serde_json::from_str(&natively.event).unwrap();
        if expected["path"] == event["path"] {
            return differences(&natively, response, event);
        }
        // Envoy normalized the path as the filter would have done, so the filter judges the forwarded path.
        changed += 1;
        let path = event["path"].as_str().unwrap_or_default();
        let mut other = prepared.clone();
        other
            .headers
            .iter_mut()
            .filter(|(name, _)| name == ":path")
            .for_each(|(_, value)| *value = path.to_owned());
        let mut wrong = differences(&other.judge(&mut ()), response, event);
        let reached = response.header("x-upstream").map(|_| response.json()["path"].clone());
        if reached.as_ref().is_some_and(|reached| !is_path_of(reached, path)) {
            wrong.push(format!("judged as {path}, forwarded as {reached:?}"));
        }
        wrong
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(changed > 10, "Envoy normalised {changed} paths");
}

/// Whether a request's target has this path.
fn is_path_of(target: &Value, path: &str) -> bool {
    target.as_str().and_then(|target| target.split('?').next()) == Some(path)
}

/// Runs the groups' cases in one Envoy; returns the differences that `check` finds.
fn run(
    groups: &[Group<'_>],
    listener: impl Fn(&Group<'_>) -> Value,
    mut check: impl FnMut(&Prepared<'_>, &http::Response, Option<&Value>) -> Vec<String>,
) -> Vec<String> {
    let listeners: Vec<Value> = groups.iter().map(listener).collect();
    let envoy = Envoy::start(&envoy::configuration(&listeners, echo::start()), 2).unwrap();
    let mut sent = Vec::new();
    for group in groups {
        let mut client = envoy.client(&group.name());
        for (case, prepared) in &group.cases {
            let id = format!("case-{}", sent.len());
            let forwarded_for = prepared.forwarded_for();
            for earlier in 0..prepared.earlier {
                client.send(&headers(prepared, &forwarded_for, &format!("{id}-{earlier}")));
            }
            let response = client.send(&headers(prepared, &forwarded_for, &id));
            sent.push((id, format!("{}: {}", group.topic.folder.display(), case.name), prepared, response));
        }
    }
    let events = events(&envoy, sent.iter().map(|(id, ..)| id.as_str()));
    let mut wrong = Vec::new();
    for (id, name, prepared, response) in &sent {
        // The position of a cut depends on everything that was sent.
        let mut prepared = (*prepared).clone();
        prepared.headers.push(("x-request-id".to_owned(), id.clone()));
        let differences = match events.get(id).map_or(&[][..], Vec::as_slice) {
            [] => check(&prepared, response, None),
            [event] => check(&prepared, response, Some(event)),
            events => vec![format!("{} events", events.len())],
        };
        wrong.extend(differences.iter().map(|difference| format!("{name}: {difference}")));
    }
    wrong
}

/// The events of decisions by request id. Waits for Envoy's own line about each request, which is written later.
fn events<'i>(envoy: &Envoy, ids: impl Iterator<Item = &'i str>) -> HashMap<String, Vec<Value>> {
    ids.for_each(|id| envoy.wait_for_log(&format!("access {id} ")));
    let mut events: HashMap<String, Vec<Value>> = HashMap::new();
    for event in envoy.decisions() {
        events.entry(event["request_id"].as_str().unwrap().to_owned()).or_default().push(event);
    }
    events
}

/// Cases of one policy at one time and place, which share one configuration of the filter.
struct Group<'t> {
    topic: &'t Topic,
    at: Time,
    site: Site,
    cases: Vec<(&'t Case, Prepared<'t>)>,
}

fn groups(topics: &[Topic]) -> Vec<Group<'_>> {
    let mut groups = Vec::new();
    for topic in topics {
        let mut by_gateway: BTreeMap<(Time, Site), Vec<(&Case, Prepared<'_>)>> = BTreeMap::new();
        for case in &topic.cases {
            let prepared = topic.rehearsal.prepare(&case.request).unwrap();
            if lasts(topic, case) {
                let gateway = (prepared.at, prepared.site.clone());
                by_gateway.entry(gateway).or_default().push((case, prepared));
            }
        }
        groups.extend(by_gateway.into_iter().map(|((at, site), cases)| Group { topic, at, site, cases }));
    }
    groups
}

/// Whether the decision is still the same some minutes later, because Envoy's clock advances while cases run.
fn lasts(topic: &Topic, case: &Case) -> bool {
    let now = topic.rehearsal.prepare(&case.request).unwrap();
    let mut later = topic.rehearsal.prepare(&case.request).unwrap();
    later.at = later.at.shifted(MINUTES_MILLIS);
    now.judge(&mut ()).reason == later.judge(&mut ()).reason
}

impl Group<'_> {
    fn name(&self) -> String {
        let Site { environment, service } = &self.site;
        format!("{} at {} in {environment:?} {service:?}", self.topic.folder.display(), self.at)
    }

    /// A listener whose policy has all times shifted so that the group's time is now.
    fn listener(&self) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        // Shift by whole minutes, the unit of weekly hours.
        let shift = (i64::try_from(now).unwrap() - self.at.millis()).div_euclid(MINUTE) * MINUTE;
        let document = self.site.bundle(self.topic.rehearsal.bundle());
        let (_, prepared) = self.cases.first().unwrap();
        let mut configuration =
            Settings { bundle: Some(document.into()), ..prepared.gateway.settings.clone() };
        // Every case must have a line in the log.
        configuration.audit.strangers = LinesPerSecond::try_from(1_000_000).unwrap();
        let mut configuration = serde_json::to_value(&configuration).unwrap();
        shift_times(&mut configuration["bundle"], shift);
        envoy::upgrading(envoy::listener(&self.name(), &[envoy::filter(&configuration.to_string())]))
    }
}

fn shift_times(value: &mut Value, shift: i64) {
    match value {
        Value::Object(entries) => {
            for (key, entry) in entries {
                if key.ends_with("_at") || key == "not_before" {
                    let time: Time = entry.as_str().unwrap().parse().unwrap();
                    *entry = json!(time.shifted(shift).to_string());
                } else if key == "allowed_hours" {
                    *entry = json!(shifted_hours(serde_json::from_value(entry.take()).unwrap(), shift));
                } else {
                    shift_times(entry, shift);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shift_times(item, shift)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The same hours, shifted by `shift` milliseconds: minute by minute, day by day.
fn shifted_hours(hours: Vec<Hours>, shift: i64) -> Vec<String> {
    let monday = "2026-03-02T00:00:00Z".parse::<Time>().unwrap();
    let allowed = |day: i64, minute: i64| {
        let time = monday.shifted((day * DAY + minute) * MINUTE - shift);
        minute < DAY && hours.iter().any(|hours| hours.contain(time))
    };
    let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let mut shifted = Vec::new();
    for (day, name) in (0..).zip(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]) {
        let mut begun = None;
        for minute in 0..=DAY {
            match (begun, allowed(day, minute)) {
                (None, true) => begun = Some(minute),
                (Some(start), false) => {
                    shifted.push(format!("{name} {}-{}", clock(start), clock(minute)));
                    begun = None;
                }
                (None, false) | (Some(_), true) => {}
            }
        }
    }
    shifted
}

fn headers<'p>(prepared: &'p Prepared<'_>, forwarded_for: &'p str, id: &'p str) -> Vec<(&'p str, &'p [u8])> {
    let headers = prepared.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    // By default, Envoy uses the last address of this header as the source.
    let source = ("x-forwarded-for", forwarded_for.as_bytes());
    headers.chain([("x-request-id", id.as_bytes()), source]).collect()
}

fn differences(native: &Observed, response: &http::Response, event: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    let status = status(response);
    if status != native.status {
        differences.push(format!("status: natively {}, in Envoy {status}", native.status));
    }
    let reached = response.header("x-upstream").is_some();
    if reached != native.forwarded {
        differences.push(format!("forwarded natively: {}, in Envoy: {reached}", native.forwarded));
    }
    // The response to a HEAD does not show what reached the upstream.
    if let Some(host) = native.host.as_ref().filter(|_| reached && !response.body.is_empty()) {
        let got = fixture::upstream_header(response, "host");
        if got.as_ref() != Some(host) {
            differences.push(format!("host: natively {host}, in Envoy {got:?}"));
        }
    }
    let mut expected: Value = serde_json::from_str(&native.event).unwrap();
    let mut got = event.clone();
    for event in [&mut expected, &mut got] {
        let entries = event.as_object_mut().unwrap();
        entries.retain(|key, _| !["ts", "seq", "chain", "hash", "request_id"].contains(&key.as_str()));
    }
    if expected != got {
        differences.push(format!("event: natively {expected}, in Envoy {got}"));
    }
    differences
}

/// The status of a response. A gRPC response is always HTTP 200, so its `grpc-status` is converted.
fn status(response: &http::Response) -> u32 {
    match (response.status, response.header("grpc-status")) {
        (200, Some("3")) => 400,
        (200, Some("7")) => 403,
        (200, Some("8")) => 429,
        (200, Some("14")) => 503,
        (200, Some("16")) => 401,
        (200, Some(unknown)) => panic!("grpc-status {unknown}"),
        (status, _) => status.into(),
    }
}

const MINUTES_MILLIS: i64 = 300_000;
/// Milliseconds in a minute.
const MINUTE: i64 = 60_000;
/// Minutes in a day.
const DAY: i64 = 1_440;
