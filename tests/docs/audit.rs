//! `docs/reference/audit.md`: its commands print what it shows, its settings are valid, and its table has every field.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokenward::cli::audit::event::Line;
use tokenward::engine::config::settings::Settings;
use tokenward::engine::memory::register::Register;
use tokenward::engine::policy::compiled::Policy;
use tokenward::engine::report::audit::{self, ClosedEvent, ConfiguredEvent};
use tokenward::engine::report::chain::{Chain, Links};
use tokenward::engine::words::time::Time;

#[test]
fn audit_page_commands_print_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy("docs/reference/audit.md", folder.path().join("audit.md")).unwrap();
    write_logs(&folder.path().join("audit.in"));
    // Two commands share a file, so they run in the folder itself.
    fs::create_dir(folder.path().join("audit.out")).unwrap();
    trycmd::TestCases::new().case(folder.path().join("audit.md"));
}

#[test]
fn audit_page_settings_are_valid() {
    let text = fs::read_to_string("docs/reference/audit.md").unwrap();
    let blocks: Vec<&str> =
        text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 1);
    let defaults: Settings = serde_json::from_str(blocks[0]).unwrap();
    assert_eq!(defaults.audit, Settings::default().audit);
    // Events are checked against the schema instead.
    for block in blocks.into_iter().filter(|block| !block.starts_with("{\"v\":1,")) {
        serde_json::from_str::<Settings>(block).unwrap_or_else(|error| panic!("{error}: {block}"));
    }
}

#[test]
fn audit_page_summary_adds_up() {
    let text = fs::read_to_string("docs/reference/audit.md").unwrap();
    let line =
        text.lines().find(|line| line.contains("\"event\":\"summary\"") && line.starts_with('{')).unwrap();
    let Line::Event(event) = Line::read(line.as_bytes()) else { panic!("no event: {line}") };
    let shown: Value = serde_json::from_str(line).unwrap();
    assert_eq!(event.counted().ok(), shown["count"].as_u64());
}

#[test]
fn audit_page_table_has_every_field() {
    let text = fs::read_to_string("docs/reference/audit.md").unwrap();
    let (_, table) = text.split_once("| field | in | |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let first = |row: &str| row.split('|').nth(1).unwrap_or_default().to_owned();
    let fields: String = table.lines().map(first).collect();
    let schema: Value = serde_json::from_str(&fs::read_to_string("schemas/event.json").unwrap()).unwrap();
    let definitions = schema["$defs"].as_object().unwrap().values();
    for field in
        definitions.filter_map(|kind| kind["properties"].as_object()).flat_map(|fields| fields.keys())
    {
        assert!(fields.contains(&format!("`{field}`")), "{field} is not in the table");
    }
}

/// The logs that the page's commands read, from an Envoy with two workers.
fn write_logs(folder: &Path) {
    fs::create_dir(folder).unwrap();
    let write = |name: &str, lines: &[String]| fs::write(folder.join(name), lines.join("\n") + "\n").unwrap();
    let key = "0123456789abcdef".repeat(4);
    write("key", std::slice::from_ref(&key));
    let log = log(&Links::Sha256);
    write("envoy.log", &log);
    let deleted = log.iter().position(|line| line.contains("\"seq\":2,")).unwrap();
    write("cut.log", &[&log[..deleted], &log[deleted + 1..]].concat());
    write("monday.log", &log[..7]);
    write("tuesday.log", &log[7..]);
    // An attacker who repairs a log has no key.
    write("mended.log", &log);
}

fn log(links: &Links) -> Vec<String> {
    let policy = Policy::deny_all();
    let mut register = Register::new(1, b"docs");
    let mut lines = vec!["[warning][main] something else".to_owned()];
    let mut vms: Vec<(Chain, u64)> = Vec::new();
    let say = |lines: &mut Vec<String>, (chain, seq): &mut (Chain, u64), event: &dyn Fn(u64) -> String| {
        lines.push(format!("[info][wasm] wasm log tokenward: {}", chain.seal(event(*seq))));
        *seq += 1;
    };
    for _ in 0..4 {
        let birth = register.enter(1);
        let mut vm = (Chain::new(birth.id, links.clone()), 0);
        say(&mut lines, &mut vm, &|seq| {
            audit::Line::new(&ConfiguredEvent::of(&policy, birth.canary), Time::EPOCH, seq).to_json()
        });
        vms.push(vm);
    }
    let [_, main, one, two] = &mut vms[..] else { panic!("four") };
    let configured = |seq| audit::Line::new(&ConfiguredEvent::of(&policy, false), Time::EPOCH, seq).to_json();
    let closed = |seq| audit::Line::new(&ClosedEvent::of(&policy, Some(3)), Time::EPOCH, seq).to_json();
    say(&mut lines, one, &configured);
    say(&mut lines, main, &closed);
    say(&mut lines, one, &configured);
    say(&mut lines, one, &closed);
    say(&mut lines, two, &closed);
    lines
}
