//! Misleading variables: a missing `$`, another router's syntax, one name used twice.

use std::collections::HashMap;

use crate::engine::authoring::lint::listed::Listed;
use crate::engine::authoring::lint::{Code, Finding};
use crate::engine::config::bundle::Bundle;

/// Finds the misleading variables of these operations.
pub(super) fn findings(bundle: &Bundle, operations: &[Listed<'_>]) -> Vec<Finding> {
    let attributes = attributes(bundle, operations);
    let mut findings = Vec::new();
    for listed in operations {
        findings.extend(forgotten_dollar(listed, &attributes));
        findings.extend(repeated(listed));
        findings.extend(foreign(listed));
    }
    findings
}

/// The attributes that tokens have or operations need: in lower case, and as first written.
fn attributes(bundle: &Bundle, operations: &[Listed<'_>]) -> HashMap<String, String> {
    let of_tokens = bundle.tokens.iter().flat_map(|(_, token)| token.attributes.iter().map(|(name, _)| name));
    let bound = operations.iter().flat_map(|listed| &listed.operation.pattern.bindings);
    let names = of_tokens.chain(bound.map(|binding| &binding.attribute)).map(ToString::to_string);
    let mut attributes = HashMap::new();
    for name in names {
        attributes.entry(alike(&name)).or_insert(name);
    }
    attributes
}

/// Finds `{tenant}` where tokens have an attribute `tenant`: the segment matches any value, not only the token's own.
fn forgotten_dollar(listed: &Listed<'_>, attributes: &HashMap<String, String>) -> Option<Finding> {
    // A public operation has no token, so it cannot mean an attribute.
    listed.permission?;
    let (variable, attribute) =
        variables(listed.text).find_map(|name| Some((name, attributes.get(&alike(name))?)))?;
    let message = format!(
        "`{{{variable}}}` in `{}` matches every value, not the token's attribute `{attribute}`",
        listed.text
    );
    let hint = format!("write `${{{attribute}}}`, or give the variable another name");
    Some(Finding { hint: Some(hint), ..Finding::new(Code::ForgottenDollar, listed.place.clone(), message) })
}

/// Finds a name used twice: the two segments need not be equal.
fn repeated(listed: &Listed<'_>) -> Option<Finding> {
    let names: Vec<&str> = variables(listed.text).collect();
    let twice =
        names.iter().enumerate().find(|(position, name)| names.iter().take(*position).any(|n| n == *name));
    let message =
        |name: &str| format!("`{{{name}}}` occurs twice in `{}`: the two segments may differ", listed.text);
    twice.map(|(_, name)| Finding::new(Code::RepeatedVariable, listed.place.clone(), message(name)))
}

/// Finds a whole segment in the syntax of another router: here it matches only itself.
fn foreign(listed: &Listed<'_>) -> Option<Finding> {
    let (segment, name) =
        segments(listed.text).find_map(|segment| Some((segment, foreign_name(segment)?)))?;
    let message =
        format!("`{segment}` in `{}` is not a variable: it matches only `{segment}` itself", listed.text);
    let hint = format!("write `{{{name}}}` for any value, or `${{{name}}}` for the token's own attribute");
    Some(Finding { hint: Some(hint), ..Finding::new(Code::ForeignVariable, listed.place.clone(), message) })
}

/// The variable's name, if another router reads the segment as a variable: `:flag` (Express, Rails), `<flag>` and
/// `<int:flag>` (Flask), `[flag]` (Next.js), `(flag)`. Not `$flag`: OData has literal segments such as `$metadata`.
fn foreign_name(segment: &str) -> Option<&str> {
    let wrapped = [("<", ">"), ("%3C", "%3E"), ("[", "]"), ("%5B", "%5D"), ("(", ")")];
    let inner = wrapped.iter().find_map(|(open, close)| segment.strip_prefix(open)?.strip_suffix(close));
    let name = inner
        .or_else(|| segment.strip_prefix(':'))?
        .trim_start_matches('.')
        .trim_end_matches(['?', '+', '*']);
    let name = name.rsplit(':').next().unwrap_or(name);
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|char| char.is_ascii_alphanumeric() || "_-".contains(char))
    };
    Some(name).filter(|name| is_name(name))
}

/// The names of the variables `{name}`, including those with a prefix or suffix, but not of `${name}`.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    segments(text).filter_map(|segment| {
        let (before, rest) = segment.split_once('{')?;
        let (name, _) = rest.split_once('}')?;
        (!before.ends_with('$')).then_some(name)
    })
}

/// The segments of an operation's path.
fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split_once('/').map_or("", |(_, path)| path).split('/').map(str::trim)
}

/// Normalizes a name so that typing errors in letter case, `-` and `_` disappear.
fn alike(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_routers_variables_are_recognised() {
        for (segment, name) in [
            (":flag", Some("flag")),
            (":flag?", Some("flag")),
            ("<flag>", Some("flag")),
            ("<int:flag>", Some("flag")),
            ("%3Cflag%3E", Some("flag")),
            ("[flag]", Some("flag")),
            ("[...flag]", Some("flag")),
            ("(flag)", Some("flag")),
            ("{flag}", None),
            ("${flag}", None),
            ("$metadata", None),
            ("*.json", None),
            ("{id}:cancel", None),
            (":", None),
            ("<>", None),
            ("flag", None),
            ("*", None),
            ("**", None),
        ] {
            assert_eq!(foreign_name(segment), name, "{segment}");
        }
    }

    #[test]
    fn variables_are_those_without_a_dollar() {
        let text = "GET,PUT {not}.acme.test/v1/{a}/${b}/x-{c}.json/{a}:cancel/**";
        assert_eq!(variables(text).collect::<Vec<_>>(), ["a", "c", "a"]);
    }
}
