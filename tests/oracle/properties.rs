//! Properties of every policy, whatever its rules are.
//!
//! "Permits" means that the request is forwarded, even if a role in shadow mode would deny it.

use proptest::prelude::*;
use serde_json::{Value, json};
use tokenward::engine::authoring::explain::Explanation;
use tokenward::engine::config::bundle::Bundle as Document;
use tokenward::engine::config::settings::Mode;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::policy::decision::{Decision, Standing, Step};
use tokenward::engine::words::entries::Entries;

use crate::oracle::bundles::Bundle;
use crate::oracle::bundles::operations::operations;
use crate::oracle::reading::{Oracle, Request};
use crate::oracle::requests::{Case, cases};
use crate::oracle::{at, compile, config, decide, head, is_forwarded};

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn explained_decision_is_the_same(case in cases()) {
        let policy = compile(&case.bundle);
        for request in &case.requests {
            let mut explanation = Explanation::default();
            let traced = policy.decide_traced(&head(request), at(request), &mut explanation);
            let plain = decide(&policy, request);
            prop_assert_eq!(format!("{plain:?}"), format!("{traced:?}"));
            let steps: Vec<String> = explanation.steps().map(ToString::to_string).collect();
            prop_assert!(tells(&explanation, &plain), "{:?}: {:?}", request, steps);
        }
    }

    #[test]
    fn fewer_permissions_in_a_role_never_permit_more(case in cases()) {
        let lists = lists_of(&case.bundle, "roles", "permissions");
        permits_no_more(&case, less(&case.bundle, &lists))?;
    }

    #[test]
    fn fewer_permissions_in_a_scope_never_permit_more(case in cases()) {
        let lists = lists_of(&case.bundle, "tokens", "scope");
        permits_no_more(&case, less(&case.bundle, &lists))?;
    }

    #[test]
    fn fewer_entries_in_a_limit_never_permit_more(case in cases()) {
        let names = ["environments", "services", "allowed_sources", "allowed_hours"];
        let lists: Vec<String> =
            names.iter().flat_map(|name| lists_of(&case.bundle, "tokens", name)).collect();
        permits_no_more(&case, less(&case.bundle, &lists))?;
    }

    // Two kinds of roles are skipped. A role that denies is a restriction, so its removal permits more. The removal of
    // another role may leave a token with only roles in shadow mode, and such a token is only reported.
    #[test]
    fn fewer_roles_never_permit_more(case in cases()) {
        let mut lists = lists_of(&case.bundle, "tokens", "roles");
        lists.extend(lists_of(&case.bundle, "roles", "inherits"));
        let removals = without_one(&case.bundle, &lists).into_iter();
        let bundles = removals
            .filter(|(role, bundle)| !denies(&case.bundle, role) && trials(bundle) == trials(&case.bundle))
            .map(|(_, bundle)| bundle);
        permits_no_more(&case, bundles)?;
    }

    #[test]
    fn adding_a_denial_never_permits_more(case in cases()) {
        let mut bundles = Vec::new();
        for list in lists_of(&case.bundle, "roles", "deny") {
            for permission in keys(&case.bundle, "permissions") {
                let mut bundle = case.bundle.clone();
                entries(&mut bundle, &list).push(json!(permission));
                bundles.push(bundle);
            }
        }
        permits_no_more(&case, bundles.into_iter())?;
    }

    // Judges as an upstream that ignores letter case: for it, this policy has no capital letters.
    #[test]
    fn permits_hold_without_letter_case(case in cases()) {
        let policy = compile(&case.bundle);
        let Ok(folded) = Policy::compile(without_capitals(&case.bundle.document())) else { return Ok(()) };
        for request in &case.requests {
            let lower = Request { path: without_capital_letters(&request.path), ..request.clone() };
            let permits = decide(&folded, &lower).is_permit();
            prop_assert!(!decide(&policy, request).is_permit() || permits, "{:?}", request);
        }
    }

    #[test]
    fn new_operation_never_permits_more_to_others(
        case in cases(),
        others in proptest::collection::vec(operations(), 10),
    ) {
        let document = case.bundle.document();
        let oracle = Oracle::of(&document);
        let mut permissions = ["new", "p0"].into_iter().cycle();
        let like_requests = case.requests.iter().zip(0..).map(|(request, kind)| operation_of(request, kind));
        for operation in like_requests.chain(others) {
            let permission = permissions.next().unwrap();
            let mut more = document.clone();
            list(&mut more, permission, operation);
            let others = case.requests.iter().filter(|request| !oracle.holds(request, permission));
            forwards_no_more(&document, others, std::iter::once(more))?;
        }
    }
}

/// Returns the path in lower case. This includes percent-encoded letters, because the filter reads `/a/%41` as `/a/A`.
fn without_capital_letters(path: &str) -> String {
    ('A'..='Z').fold(path.to_ascii_lowercase(), |path, letter| {
        path.replace(&format!("%{:02x}", u32::from(letter)), &letter.to_ascii_lowercase().to_string())
    })
}

/// Whether the steps show the permission, `public` entry or limit that decides the request.
fn tells(explanation: &Explanation<'_>, decision: &Decision<'_>) -> bool {
    let starts = |step: &Step<'_>, text: &str| step.to_string().starts_with(text);
    explanation.steps().any(|step| match (decision.reason().code(), step) {
        ("permitted", Step::Listed { permission, standing: Standing::Held, .. }) => {
            let name = permission.map_or("", |name| name.as_str());
            *permission == decision.permission() && starts(step, &format!("{name} lists "))
        }
        ("public", Step::Listed { standing: Standing::Public, .. }) => starts(step, "public lists "),
        ("denied_operation", Step::Denied { permission: Some(name), mode, .. }) => {
            let shadow = *mode == Mode::Shadow;
            let who = if shadow { "a role in shadow would deny" } else { "a role denies" };
            shadow == decision.is_shadow() && starts(step, &format!("{who} {name}, "))
        }
        (
            "wrong_environment" | "wrong_service" | "source_not_allowed" | "outside_hours",
            Step::Limited { reason, .. },
        ) => *reason == decision.reason() && starts(step, "the token "),
        ("malformed_request", Step::Malformed(rule)) => step.to_string().contains(rule.code()),
        ("insufficient_scope", Step::Token(_)) => starts(step, "token t"),
        _ => false,
    }) || WITHOUT_STEPS.contains(&decision.reason().code())
}

/// Reasons that need no explanation by steps.
const WITHOUT_STEPS: [&str; 8] = [
    "no_policy",
    "missing_token",
    "ambiguous_token",
    "unknown_token",
    "revoked_token",
    "retired_secret",
    "expired_token",
    "not_yet_valid",
];

/// Returns the document with all operations and attributes in lower case.
fn without_capitals(document: &Document) -> Document {
    let mut folded = document.clone();
    let Entries(permissions) = &mut folded.permissions;
    let operations = permissions.iter_mut().flat_map(|(_, operations)| operations).chain(&mut folded.public);
    for operation in operations {
        let (methods, target) = operation.split_once(' ').unwrap();
        *operation = format!("{methods} {}", target.to_ascii_lowercase());
    }
    let Entries(tokens) = &mut folded.tokens;
    for (_, value) in tokens.iter_mut().flat_map(|(_, token)| &mut token.attributes.0) {
        *value = value.as_str().to_ascii_lowercase().try_into().unwrap();
    }
    folded
}

/// Adds an operation to a permission, which may be new.
fn list(document: &mut Document, permission: &str, operation: String) {
    let Entries(permissions) = &mut document.permissions;
    match permissions.iter_mut().find(|(name, _)| name.as_str() == permission) {
        Some((_, operations)) => operations.push(operation),
        None => permissions.push((permission.parse().unwrap(), vec![operation])),
    }
}

/// Returns an operation that matches the request: literally, in other letter case, at its host, or with a variable.
fn operation_of(request: &Request, kind: usize) -> String {
    let path = request.path.split('?').next().unwrap_or_default();
    let host = request.host.split(':').next().unwrap_or_default();
    match kind % 5 {
        0 => format!("* {path}"),
        1 => format!("* {}", path.to_ascii_uppercase()),
        2 => format!("* {}", path.to_ascii_lowercase()),
        3 => format!("GET {host}{path}"),
        _ => format!("GET {}/{{new}}", path.rsplit_once('/').unwrap_or_default().0),
    }
}

/// Checks that none of `bundles` permits a request that the case's bundle does not permit.
fn permits_no_more(case: &Case, bundles: impl Iterator<Item = Bundle>) -> Result<(), TestCaseError> {
    let documents = bundles.map(|bundle| bundle.document());
    forwards_no_more(&case.bundle.document(), &case.requests, documents)
}

fn forwards_no_more<'r>(
    document: &Document,
    requests: impl IntoIterator<Item = &'r Request>,
    documents: impl IntoIterator<Item = Document>,
) -> Result<(), TestCaseError> {
    let before = Policy::compile(document.clone()).unwrap();
    let is_denied = |request: &&Request| !is_forwarded(&decide(&before, request));
    let denied: Vec<&Request> = requests.into_iter().filter(is_denied).collect();
    for document in documents {
        // Some changes leave a bundle that does not compile: a scope may name a removed item.
        let Ok(after) = Policy::compile(document.clone()) else { continue };
        for request in &denied {
            let decision = decide(&after, request);
            let bundle = || Bundle(json!(document));
            prop_assert!(!is_forwarded(&decision), "{request:?} is now forwarded by {:?}", bundle());
        }
    }
    Ok(())
}

/// Returns pointers to the lists named `list` in all items of `section`.
fn lists_of(bundle: &Bundle, section: &str, list: &str) -> Vec<String> {
    keys(bundle, section)
        .map(|name| format!("/{section}/{name}/{list}"))
        .filter(|pointer| bundle.0.pointer(pointer).is_some())
        .collect()
}

fn keys<'b>(bundle: &'b Bundle, section: &str) -> impl Iterator<Item = &'b String> {
    bundle.0[section].as_object().unwrap().keys()
}

/// Returns each entry of the lists, with the bundle without that entry.
fn without_one(bundle: &Bundle, lists: &[String]) -> Vec<(String, Bundle)> {
    let mut removals = Vec::new();
    for list in lists {
        let count = entries(&mut bundle.clone(), list).len();
        for position in 0..count {
            let mut less = bundle.clone();
            let entry = entries(&mut less, list).remove(position);
            removals.push((entry.as_str().unwrap().to_owned(), less));
        }
    }
    removals
}

/// Returns the bundles that each lack one entry of the lists.
fn less(bundle: &Bundle, lists: &[String]) -> impl Iterator<Item = Bundle> {
    without_one(bundle, lists).into_iter().map(|(_, less)| less)
}

fn entries<'b>(bundle: &'b mut Bundle, list: &str) -> &'b mut Vec<Value> {
    bundle.0.pointer_mut(list).unwrap().as_array_mut().unwrap()
}

/// Whether a role, or a role that it inherits from, denies anything.
fn denies(bundle: &Bundle, role: &str) -> bool {
    let role = &bundle.0["roles"][role];
    let inherits = role["inherits"].as_array().unwrap();
    role["deny"] != json!([]) || inherits.iter().any(|parent| denies(bundle, parent.as_str().unwrap()))
}

/// Returns for each token whether it has roles and all of them are in shadow mode.
fn trials(bundle: &Bundle) -> Vec<bool> {
    let tokens = bundle.0["tokens"].as_object().unwrap().values();
    tokens
        .map(|token| {
            let roles = token["roles"].as_array().unwrap();
            let shadow = |role: &Value| bundle.0["roles"][role.as_str().unwrap()]["shadow"] == json!(true);
            !roles.is_empty() && roles.iter().all(shadow)
        })
        .collect()
}
