//! A property test of the registry editor: in every style, the edit has the intended result, and only comments of
//! removed items disappear.

use proptest::prelude::*;

use crate::cli::registry::edit::edited;
use crate::cli::source::parse_yaml;
use crate::engine::config::bundle::Registry;
use crate::engine::words::time::Time;

/// How a token and its secrets are written.
#[derive(Clone, Copy, Debug)]
enum Style {
    Block,
    BlockBelowTheKey,
    FlowItems,
    FlowLines,
    Flow,
    AllFlow,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Stays,
    IsRevoked,
    Goes,
}

/// A token: its style, and what happens to it and to its secrets.
#[derive(Clone, Debug)]
struct Plan {
    style: Style,
    secrets: Vec<Fate>,
    token: Fate,
}

proptest! {
    #[test]
    fn edits_in_any_style_keep_comments(plans in plans(), crlf: bool) {
        let text = text(&plans).replace('\n', if crlf { "\r\n" } else { "\n" });
        let old: Registry = parse_yaml(&text).unwrap();
        let new = fulfilled(&plans, old.clone());
        let edited = edited(&text, &old, &new);
        prop_assert!(edited.is_ok(), "{}", text);
        let edited = edited.unwrap();
        let count = |text: &str| text.matches("# keep").count();
        prop_assert_eq!(count(&edited), count(&text), "{}\n{}", text, edited);
        prop_assert!(!crlf || edited.matches('\n').count() == edited.matches("\r\n").count());
    }
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    use Style::{AllFlow, Block, BlockBelowTheKey, Flow, FlowItems, FlowLines};
    let style = prop::sample::select(vec![Block, BlockBelowTheKey, FlowItems, FlowLines, Flow, AllFlow]);
    let fate = || prop::sample::select(vec![Fate::Stays, Fate::IsRevoked, Fate::Goes]);
    let plan = (style, prop::collection::vec(fate(), 0..4), fate());
    prop::collection::vec(plan.prop_map(|(style, secrets, token)| Plan { style, secrets, token }), 1..4)
}

/// Renders the registry of the plans. Comments that must stay say `keep`; comments that may go say `note`.
fn text(plans: &[Plan]) -> String {
    let tokens = plans.iter().enumerate().map(|(number, plan)| token(number, plan));
    format!("# keep\nversion: 1\ntokens: # keep\n{}# keep\n", tokens.collect::<String>())
}

fn token(number: usize, plan: &Plan) -> String {
    let word = word(plan.token);
    let secrets = plan.secrets.iter().enumerate().map(|(position, fate)| {
        let digest = format!("{number:032}{position:032}");
        let fate = if plan.token == Fate::Goes { Fate::Goes } else { *fate };
        (format!("id: s{position}"), format!("sha256: \"{digest}\""), self::word(fate))
    });
    let secrets: Vec<(String, String, &str)> = secrets.collect();
    let items: Vec<String> = secrets.iter().map(|(id, digest, _)| format!("{{ {id}, {digest} }}")).collect();
    let list = items.join(", ");
    if let Style::AllFlow = plan.style {
        return format!(
            "\n  # keep\n  t{number}: {{ kind: tool, owner: \"ü, # {{\", secrets: [{list}] }} # {word}\n"
        );
    }
    let below: String = match plan.style {
        _ if items.is_empty() => format!(" [] # {word}\n"),
        Style::Flow | Style::AllFlow => format!(" [{list}] # {word}\n"),
        Style::FlowLines => {
            let lines = secrets.iter().zip(&items).enumerate().map(|(position, ((.., own), item))| {
                let comma = if position.saturating_add(1) == items.len() { "" } else { "," };
                format!("      # {word}\n      {item}{comma} # {own}\n")
            });
            format!(" [ # {word}\n{}    ]\n", lines.collect::<String>())
        }
        Style::FlowItems => {
            let lines = secrets
                .iter()
                .zip(&items)
                .map(|((.., own), item)| format!("      # {word}\n      - {item} # {own}\n"));
            format!(" # {word}\n{}", lines.collect::<String>())
        }
        Style::Block => format!(" # {word}\n{}", block(&secrets, "      ")),
        Style::BlockBelowTheKey => format!(" # {word}\n{}", block(&secrets, "    ")),
    };
    format!("\n  # keep\n  t{number}: # {word}\n    kind: tool # {word}\n    secrets:{below}")
}

fn block(secrets: &[(String, String, &str)], indent: &str) -> String {
    let lines = secrets.iter().map(|(id, digest, word)| {
        format!("\n{indent}- {id} # {word}\n{indent}  # {word}\n{indent}  {digest} # {word}\n")
    });
    lines.collect()
}

fn word(fate: Fate) -> &'static str {
    if fate == Fate::Goes { "note" } else { "keep" }
}

fn fulfilled(plans: &[Plan], mut registry: Registry) -> Registry {
    let revoked_at = |fate| (fate == Fate::IsRevoked).then_some(Time::from_millis(0));
    for (Plan { secrets, token: fate, .. }, (_, token)) in plans.iter().zip(&mut registry.tokens.0) {
        let mut fates = secrets.iter();
        token.secrets.retain_mut(|secret| {
            let fate = *fates.next().unwrap();
            secret.revoked_at = revoked_at(fate);
            fate != Fate::Goes
        });
        token.revoked_at = revoked_at(*fate);
        // No command removes one secret and adds another.
        if *fate == Fate::IsRevoked && !secrets.contains(&Fate::Goes) {
            let mut added = token.secrets.first().cloned();
            added.iter_mut().for_each(|secret| secret.id = "new".parse().unwrap());
            token.secrets.extend(added);
        }
    }
    let mut fates = plans.iter().map(|plan| plan.token);
    registry.tokens.0.retain(|_| fates.next() != Some(Fate::Goes));
    registry
}
