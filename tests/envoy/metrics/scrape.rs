//! Reads `/stats/prometheus` of a running Envoy, and the selectors of PromQL expressions.

use std::collections::BTreeMap;

use crate::envoy::Envoy;

/// A series of one of tokenward's metrics.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// The series of tokenward's metrics in an Envoy, under any name.
pub(crate) fn scrape(envoy: &Envoy) -> Vec<Series> {
    parsed(&envoy.admin("/stats/prometheus"))
}

/// tokenward's metrics in the text of `/stats/prometheus`.
pub(crate) fn parsed(text: &str) -> Vec<Series> {
    let lines = text.lines().filter(|line| line.contains("tokenward_") && !line.starts_with('#'));
    lines.filter(|line| !line.starts_with("envoy_")).map(series).collect()
}

fn series(line: &str) -> Series {
    let (selector, value) = line.rsplit_once(' ').unwrap();
    let Selector { name, matchers } = selectors(selector).remove(0);
    let labels = matchers.into_iter().map(|(label, _, value)| (label, value)).collect();
    Series { name, labels, value: value.parse().unwrap() }
}

/// The value of the series with this name and exactly these labels.
pub(crate) fn value(all: &[Series], name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let is_it = |series: &&Series| {
        series.name == name
            && series
                .labels
                .iter()
                .map(|(label, value)| (label.as_str(), value.as_str()))
                .eq(labels.iter().copied().collect::<BTreeMap<_, _>>())
    };
    all.iter().find(is_it).map(|series| series.value)
}

/// A selector of series, as in `tokenward_decisions_total{outcome="deny"}`.
#[derive(Debug)]
pub(crate) struct Selector {
    pub(crate) name: String,
    /// Label, operator, value.
    pub(crate) matchers: Vec<(String, String, String)>,
}

/// The selectors of tokenward's metrics in an expression.
pub(crate) fn selectors(expression: &str) -> Vec<Selector> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut selectors = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        let text = &rest[start..];
        let end = text.find(|character| !is_name(character)).unwrap_or(text.len());
        let (name, after) = text.split_at(end);
        rest = after;
        if !name.contains("tokenward_") {
            continue;
        }
        let braces = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let matchers = braces.map_or_else(Vec::new, |(inner, _)| matchers(inner));
        rest = braces.map_or(after, |(_, rest)| rest);
        selectors.push(Selector { name: name.to_owned(), matchers });
    }
    selectors
}

fn matchers(inner: &str) -> Vec<(String, String, String)> {
    let parts = inner.split("\",").filter(|part| !part.is_empty());
    let matcher = |part: &str| {
        let (left, value) = part.split_once('"').unwrap();
        let label = left.trim_end_matches(['=', '~', '!']);
        let operator = &left[label.len()..];
        (label.trim().to_owned(), operator.to_owned(), value.trim_end_matches('"').to_owned())
    };
    parts.map(matcher).collect()
}

impl Selector {
    /// Whether it selects a series. Labels that Prometheus adds match everything.
    pub(crate) fn selects(&self, series: &Series) -> bool {
        self.name == series.name
            && self.matchers.iter().filter(|(label, ..)| !ADDED.contains(&label.as_str())).all(
                |(label, operator, wanted)| {
                    let Some(value) = series.labels.get(label) else { return false };
                    let among = wanted.split('|').any(|wanted| wanted == value);
                    match operator.as_str() {
                        "=" => value == wanted,
                        "!=" => value != wanted,
                        "=~" => among,
                        "!~" => !among,
                        operator => panic!("{operator}"),
                    }
                },
            )
    }
}

/// Labels that Prometheus adds when it scrapes.
pub(crate) const ADDED: [&str; 2] = ["instance", "job"];
