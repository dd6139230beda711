//! The report: a table of the settings, the findings outside the filter's reach, and each bypass in full.

use std::collections::{BTreeMap, HashSet};

use comfy_table::{Table, presets};

use crate::generate::Attack;
use crate::harmless::Harmless;
use crate::readings::Hit;
use crate::run::{Find, Round, Vacuity};
use crate::send::Outcome;
use crate::setting::{SETTINGS, Setting};
use crate::steps::OUTSIDE;

/// Renders a table with one row for each setting.
pub(crate) fn table(attacks: &[Attack], rounds: &[(&Setting, Round)]) -> Table {
    // Distinct bytes, without the number that identifies each request.
    let distinct = attacks.iter().map(|attack| attack.request.shown()).collect::<HashSet<_>>().len();
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "setting",
        "sent",
        "distinct",
        "by Envoy",
        "by tokenward",
        "forwarded",
        "outside",
        "bypasses",
    ]);
    for (setting, round) in rounds {
        let count =
            |wanted: fn(&Outcome) -> bool| round.outcomes.iter().filter(|outcome| wanted(outcome)).count();
        let outside = round.finds.len() - round.bypasses().count();
        table.add_row([
            setting.name.to_owned(),
            attacks.len().to_string(),
            distinct.to_string(),
            count(|outcome| matches!(outcome, Outcome::Envoy(_))).to_string(),
            count(|outcome| matches!(outcome, Outcome::Refused(_))).to_string(),
            count(|outcome| *outcome == Outcome::Forwarded).to_string(),
            outside.to_string(),
            round.bypasses().count().to_string(),
        ]);
    }
    table
}

/// Renders the rest: the settings, which program rejected requests and why, and what no filter can know about.
pub(crate) fn details(rounds: &[(&Setting, Round)]) -> String {
    let mut text = String::new();
    for setting in &SETTINGS {
        text += &format!("{}: {}\n", setting.name, setting.about);
    }
    for (setting, round) in rounds {
        text += &format!("\n{}, refused by\n", setting.name);
        let mut reasons: BTreeMap<&Outcome, usize> = BTreeMap::new();
        for outcome in round.outcomes.iter().filter(|outcome| **outcome != Outcome::Forwarded) {
            *reasons.entry(outcome).or_default() += 1;
        }
        for (outcome, count) in reasons {
            let (who, why) = match outcome {
                Outcome::Refused(reason) => ("tokenward", reason.as_str()),
                Outcome::Envoy(details) => ("Envoy", details.as_str()),
                Outcome::Forwarded => continue,
            };
            text += &format!("  {count:>6}  {who}: {why}\n");
        }
    }
    text += "\nOutside: reached by a habit of the upstream that no filter before it can know of, and not counted:\n";
    for (step, advice) in &OUTSIDE {
        text += &format!("  {}: {advice}\n", step.name);
    }
    for line in NOT_COUNTED {
        text += &format!("  {line}\n");
    }
    text
}

/// Renders bypasses in full, grouped by reading, at most `most` of each group.
pub(crate) fn bypasses(attacks: &[Attack], rounds: &[(&Setting, Round)], most: usize) -> String {
    let mut text = String::new();
    for (setting, round) in rounds {
        let mut kinds: BTreeMap<String, Vec<&Find>> = BTreeMap::new();
        for find in round.bypasses() {
            kinds.entry(kind(&find.hit)).or_default().push(find);
        }
        for (kind, finds) in kinds {
            text += &format!("\n{}, {}: {} requests\n", setting.name, kind, finds.len());
            for find in finds.iter().take(most) {
                text += &shown(find, attacks);
            }
        }
    }
    text
}

fn kind(hit: &Hit) -> String {
    match hit {
        Hit::Served(_, how) | Hit::Outside(_, how) => format!("read so: {how}"),
        Hit::Forged(value) => format!("forged identity `{value}`"),
        Hit::Nameless => "without an identity".to_owned(),
    }
}

fn shown(find: &Find, attacks: &[Attack]) -> String {
    let sent = find.number.and_then(|number| attacks.get(number));
    let sent = sent.map_or("?".to_owned(), |attack| {
        let Attack { request, families } = attack;
        format!("{:?} {families:?} sent {}", request.caller, request.shown())
    });
    let what = match &find.hit {
        Hit::Served(handler, _) | Hit::Outside(handler, _) => format!("{handler:?}: "),
        Hit::Forged(_) | Hit::Nameless => String::new(),
    };
    format!("  {what}{sent}\n    the upstream got \"{}\"\n", find.received.head.escape_ascii())
}

/// Renders how often each mutator alone got through without the filter.
pub(crate) fn vacuity(rows: &[Vacuity]) -> String {
    let all: usize = rows.iter().map(|row| row.through + row.beside).sum();
    let mut text = format!(
        "\nWithout the filter {all} of the same requests got through, by each mutator alone\n\
         (in brackets: Envoy itself refuses it, the upstream would not):\n "
    );
    for Vacuity { mutator, through, beside } in rows {
        text +=
            &if *through > 0 { format!(" {mutator} {through}") } else { format!(" {mutator} ({beside})") };
    }
    text
}

/// Renders the results of the harmless requests.
pub(crate) fn harmless(all: &[(&Setting, Harmless)]) -> String {
    let mut text = String::new();
    for (setting, harmless) in all {
        text += &format!(
            "\n{}: {} of {} harmless requests were refused\n",
            setting.name,
            harmless.refused.len(),
            harmless.sent
        );
        for (path, why) in &harmless.refused {
            text += &format!("  {why:<24} {}\n", path.escape_default());
        }
    }
    text
}

/// Attacks that the bench omits, because the design leaves them to the user.
const NOT_COUNTED: [&str; 3] = [
    "a method in the query or the body (`_method`): switch it off in the framework",
    "an `{id}` in other letter case before an upstream that ignores case: `deny` what it must not reach, as here",
    "a preflight as browsers send it reaches the upstream without a token: `cors_preflight: authenticate`",
];
