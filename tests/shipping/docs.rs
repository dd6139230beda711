//! docs/guides/kubernetes.md: its commands do what the page shows.

use std::process::Command;

use crate::shipping::workshop;

#[test]
fn kubernetes_page_commands_do_what_it_shows() {
    let page = std::fs::read_to_string("docs/guides/kubernetes.md").unwrap();
    let workshop = workshop();
    for old in ["image.tar", "image"] {
        let old = workshop.path().join(old);
        if old.is_dir() { std::fs::remove_dir_all(old).unwrap() } else { std::fs::remove_file(old).unwrap() }
    }
    std::fs::rename(workshop.path().join("module.wasm"), workshop.path().join("tokenward.wasm")).unwrap();
    let acme = std::fs::canonicalize("policies/acme").unwrap();
    let mut count = 0;
    for session in page.split("```").skip(1).step_by(2).filter_map(|fence| fence.strip_prefix("console\n")) {
        let (command, expected) = session.split_once('\n').unwrap();
        let arguments = command.strip_prefix("$ tokenward ").unwrap().split(' ');
        let mut tokenward = Command::new(env!("CARGO_BIN_EXE_tokenward"));
        tokenward.args(arguments).current_dir(workshop.path()).env("TOKENWARD_POLICY", &acme);
        let output = tokenward.output().unwrap();
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        let start = expected.trim_end().trim_end_matches("[..]");
        assert!(output.status.success() && told.starts_with(start), "{command}\n{told}");
        assert_eq!(told.lines().count(), expected.lines().count(), "{command}\n{told}");
        count += 1;
    }
    assert!(count > 4, "{count} commands");
}
