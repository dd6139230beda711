//! Compares the dashboard, the alert rules and the page about metrics with a running Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use tokenward::engine::words::reason::Reason;

use crate::envoy;
use crate::metrics::scrape::{ADDED, Series, selectors};
use crate::metrics::{Busy, example};

#[test]
fn dashboard_and_rules_query_existing_metrics() {
    let series = Busy::start(&example()).series();
    let expressions = [dashboard(), rules()].concat();
    assert!(expressions.len() > 20, "{expressions:#?}");
    let mut asked = BTreeSet::new();
    for expression in &expressions {
        let selectors = selectors(expression);
        assert!(!selectors.is_empty(), "{expression}");
        for selector in selectors {
            // A number of processes has fewer labels than what it divides.
            let is_divisor = selector.name.ends_with("_processes");
            let mut labels = grouped(expression);
            labels.retain(|label| !is_divisor || !expression.contains(&format!("ignoring ({label})")));
            assert_exists(&selector.name, &labels, &series, expression);
            for (label, operator, values) in &selector.matchers {
                let labels = [label.as_str()].map(str::to_owned);
                assert_exists(&selector.name, &labels, &series, expression);
                for value in values.split('|').filter(|_| !ADDED.contains(&label.as_str())) {
                    let is_reason = Reason::ALL.iter().any(|reason| reason.code() == value);
                    assert!(label != "reason" || is_reason, "{value}: {expression}");
                }
                assert!(["=", "!=", "=~", "!~"].contains(&operator.as_str()), "{expression}");
            }
            // A reason that needs a broken gateway or half a year has no series here.
            let rare =
                ["no_policy", "retired_secret|revoked_token", "retired_secret|revoked_token|expired_token"];
            let is_rare = selector.matchers.iter().any(|(_, _, value)| rare.contains(&value.as_str()));
            assert!(is_rare || series.iter().any(|series| selector.selects(series)), "{selector:?}");
            asked.insert(selector.name);
        }
    }
    let shown: BTreeSet<String> = series.into_iter().map(|series| series.name).collect();
    let unused: Vec<&String> = shown.difference(&asked).collect();
    assert_eq!(unused, ["tokenward_bundle_built_timestamp_seconds"]);
}

#[test]
fn metrics_page_lists_exactly_the_metrics() {
    let mut shown: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for series in Busy::start(&example()).series() {
        shown.entry(series.name).or_default().extend(series.labels.into_keys());
    }
    let page = std::fs::read_to_string("docs/reference/metrics.md").unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `tokenward_"));
    let listed = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let labels = cells[2].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        (format!("tokenward_{}", cells[0].trim().trim_end_matches('`')), labels)
    });
    assert_eq!(listed.collect::<BTreeMap<String, BTreeSet<String>>>(), shown);
    let tags = format!("extraStatTags: [{}]", super::LABELS.join(", "));
    assert!(page.contains(&tags), "{tags}");
}

#[test]
fn metrics_page_explains_each_alert() {
    let page = std::fs::read_to_string("docs/reference/metrics.md").unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `Tokenward"));
    let cells = |row: &'_ str| {
        row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>()
    };
    let listed: Vec<_> =
        rows.map(cells).map(|cells| (format!("Tokenward{}", cells[0]), cells[1].clone())).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rules: Vec<_> =
        rule_list().iter().map(|rule| (text(&rule["alert"]), text(&rule["labels"]["severity"]))).collect();
    assert_eq!(listed, rules);
}

#[test]
fn alert_rules_are_valid_and_fire() {
    for arguments in [["check", "rules", "rules.yaml"], ["test", "rules", "rules.test.yaml"]] {
        let mut promtool = Command::new(envoy::built("PROMTOOL", ".tools/promtool", "make promtool"));
        let output = promtool.args(arguments).current_dir("envoy/prometheus").output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&told));
    }
    let tests = std::fs::read_to_string("envoy/prometheus/rules.test.yaml").unwrap();
    let tests: Value = yaml_serde::from_str(&tests).unwrap();
    let groups = tests["tests"].as_array().unwrap().iter();
    let expected: Vec<&Value> =
        groups.flat_map(|group| group["alert_rule_test"].as_array().unwrap()).collect();
    for rule in rule_list() {
        let fires = |fires: bool| {
            let of_rule = expected.iter().filter(|test| test["alertname"] == rule["alert"]);
            of_rule.filter(|test| test.get("exp_alerts").is_some() == fires).count()
        };
        assert!(fires(false) > 0 && fires(true) > 0, "{}: once silent, once not", rule["alert"]);
    }
}

/// Asserts that the metric has series, and that all of them have these labels.
fn assert_exists(name: &str, labels: &[String], series: &[Series], expression: &str) {
    let mut of_name = series.iter().filter(|series| series.name == name).peekable();
    assert!(of_name.peek().is_some(), "{name}: {expression}");
    let has = |series: &Series, label: &String| {
        ADDED.contains(&label.as_str()) || series.labels.contains_key(label)
    };
    assert!(of_name.all(|series| labels.iter().all(|label| has(series, label))), "{labels:?}: {expression}");
}

/// The labels by which an expression groups.
fn grouped(expression: &str) -> Vec<String> {
    let groups = expression.split("by (").skip(1).filter_map(|rest| rest.split_once(')'));
    groups.flat_map(|(labels, _)| labels.split(',')).map(|label| label.trim().to_owned()).collect()
}

/// The expressions of the dashboard.
fn dashboard() -> Vec<String> {
    let dashboard: Value =
        serde_json::from_str(&std::fs::read_to_string("envoy/grafana/tokenward.json").unwrap()).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{panel}");
            let expression = target["expr"].as_str().unwrap();
            let named = grouped(expression);
            let legend = target["legendFormat"].as_str().unwrap();
            let in_legend = legend.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0);
            let by = expression.contains("by (");
            assert!(!by || in_legend.clone().eq(named.iter().map(String::as_str)), "{legend}: {expression}");
            expressions.push(expression.to_owned());
        }
    }
    expressions
}

fn rules() -> Vec<String> {
    rule_list().iter().map(|rule| rule["expr"].as_str().unwrap().to_owned()).collect()
}

fn rule_list() -> Vec<Value> {
    let rules = std::fs::read_to_string("envoy/prometheus/rules.yaml").unwrap();
    let rules: Value = yaml_serde::from_str(&rules).unwrap();
    rules["groups"][0]["rules"].as_array().unwrap().clone()
}
