//! Renewals that hang, are killed or run at the same time as other commands.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Output};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::super::{registry, run, text};
use super::{digest, due, entry, read, renew, results, start, states};

#[test]
fn hung_delivery_is_killed_with_its_children() {
    let folder = due(&["ci"]);
    let deliver = "cat > got; sleep 10000 & echo $! > pid; wait";
    let output = renew(folder.path(), "true", deliver, &["--timeout", "10s", "--json"]);
    assert_eq!((output.status.code(), results(&output)), (Some(1), vec![("ci", "unclear")]));
    let pid = Pid::from_raw(read(folder.path(), "pid").trim().parse().unwrap()).unwrap();
    until(|| !runs(pid));
    // The client may have the new secret, so it keeps working. The next run replaces it.
    assert_eq!(states(folder.path(), "ci"), ["1 active", "2 active"]);
    assert_eq!(entry(folder.path(), "ci", "2")["undelivered"], true);
    let output = renew(folder.path(), "true", "cat > got", &["--json"]);
    assert_eq!((output.status.code(), results(&output)), (Some(0), vec![("ci", "renewed")]));
    assert_eq!(states(folder.path(), "ci"), ["1 retiring", "2 retiring", "3 active"]);
    assert_eq!(entry(folder.path(), "ci", "3")["sha256"], digest(folder.path(), "got"));
}

#[test]
fn hung_shipping_counts_as_failed() {
    let folder = due(&["ci"]);
    let before = registry(folder.path());
    let output = renew(folder.path(), "sleep 10000", "touch delivered", &["--timeout", "1s", "--json"]);
    assert_eq!((output.status.code(), results(&output)), (Some(1), vec![("ci", "not_shipped")]));
    assert_eq!(registry(folder.path()), before);
}

#[test]
fn signal_removes_secrets_no_client_received() {
    for signal in [Signal::TERM, Signal::INT] {
        // The signal comes while `renew` waits for the gateways to get the digests.
        let folder = due(&["ci"]);
        let before = registry(folder.path());
        let child = start(folder.path(), "touch shipped", "touch delivered", &["--wait", "24h", "--json"]);
        until(|| folder.path().join("shipped").exists());
        let output = ended(child, signal);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert_eq!(registry(folder.path()), before);
        assert!(!folder.path().join("delivered").exists());

        // The signal comes during a delivery, which may have succeeded.
        let folder = due(&["ci", "cd"]);
        let child = start(folder.path(), "true", "cat > got; sleep 10000", &["--wait", "0", "--json"]);
        until(|| !std::fs::read(folder.path().join("got")).unwrap_or_default().is_empty());
        let output = ended(child, signal);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert_eq!(results(&output), [("ci", "unclear"), ("cd", "stopped")]);
        assert_eq!(states(folder.path(), "ci"), ["1 active", "2 active"]);
        assert_eq!(states(folder.path(), "cd"), ["1 active"]);
        assert!(!folder.path().join(".renew.lock").exists());
    }
}

#[test]
fn next_run_repairs_a_killed_run() {
    let hangs = "echo $$ > pid; exec sleep 10000";
    for (ship, deliver) in [(hangs, "true"), ("true", hangs)] {
        let folder = due(&["ci"]);
        let mut child = start(folder.path(), ship, deliver, &["--wait", "0"]);
        until(|| !std::fs::read(folder.path().join("pid")).unwrap_or_default().is_empty());
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let orphan = Pid::from_raw(read(folder.path(), "pid").trim().parse().unwrap()).unwrap();
        kill_process(orphan, Signal::KILL).unwrap();
        assert_eq!(states(folder.path(), "ci"), ["1 active", "2 active"]);

        let output = renew(folder.path(), "true", "cat > got", &["--json"]);
        assert_eq!((output.status.code(), results(&output)), (Some(0), vec![("ci", "renewed")]));
        assert_eq!(states(folder.path(), "ci"), ["1 retiring", "2 retiring", "3 active"]);
        assert_eq!(entry(folder.path(), "ci", "3")["sha256"], digest(folder.path(), "got"));
        assert!(!registry(folder.path()).contains("undelivered"), "{}", registry(folder.path()));
        assert!(!folder.path().join(".renew.lock").exists());
    }
}

#[test]
fn concurrent_runs_renew_once() {
    let folder = due(&["ci"]);
    let start = |_| start(folder.path(), "true", "cat >> got; echo >> got", &["--wait", "0", "--json"]);
    let runs: Vec<Child> = (0..6).map(start).collect();
    let outputs: Vec<Output> = runs.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    assert_eq!(outputs.iter().flat_map(results).collect::<Vec<_>>(), [("ci", "renewed")]);
    assert_eq!(read(folder.path(), "got").lines().count(), 1);
    assert_eq!(states(folder.path(), "ci"), ["1 retiring", "2 active"]);
    assert!(!folder.path().join(".renew.lock").exists());
}

#[test]
fn other_commands_work_during_renewal_and_win() {
    let folder = due(&["revoked", "removed", "rotated", "renewed"]);
    let ship = "touch shipping; until test -e go; do sleep 0.02; done";
    let child = start(folder.path(), ship, "cat > $TOKENWARD_TOKEN.secret", &["--wait", "0", "--json"]);
    until(|| folder.path().join("shipping").exists());
    for arguments in [
        &["revoke", "revoked", "--reason", "leaked"][..],
        &["revoke", "removed", "--secret-id", "2", "--reason", "leaked"],
        &["rotate", "rotated", "--expires-in", "30d"],
        &["mint", "renewed", "--expires-in", "30d"],
    ] {
        let output = run(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    }
    std::fs::write(folder.path().join("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let overtaken = [("revoked", "overtaken"), ("removed", "overtaken"), ("rotated", "overtaken")];
    assert_eq!(results(&output), [&overtaken[..], &[("renewed", "renewed")]].concat());
    for token in ["revoked", "removed", "rotated"] {
        assert!(!folder.path().join(format!("{token}.secret")).exists(), "{token}");
    }
    assert_eq!(states(folder.path(), "revoked"), ["1 revoked"]);
    assert_eq!(states(folder.path(), "removed"), ["1 active", "2 revoked"]);
    assert_eq!(states(folder.path(), "rotated"), ["1 retiring", "3 active"]);
    // `renew` must not end a secret that another command minted for this token.
    assert_eq!(states(folder.path(), "renewed"), ["1 retiring", "2 active", "3 active"]);
}

#[test]
fn foreign_lock_stops_a_renewal() {
    let folder = due(&["ci"]);
    let stranger = std::fs::File::open(folder.path()).unwrap();
    flock(&stranger, FlockOperation::LockExclusive).unwrap();
    let output = renew(folder.path(), "touch ran", "touch ran", &[]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(!folder.path().join("ran").exists());
    assert_eq!(states(folder.path(), "ci"), ["1 active"]);
}

fn ended(child: Child, signal: Signal) -> Output {
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait_with_output().unwrap()
}

/// Whether a process runs. An ended process that has not been reaped does not count.
fn runs(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    test_kill_process(pid).is_ok() && status.is_ok_and(|status| !status.contains(") Z "))
}

/// Waits for a condition, at most two minutes.
#[track_caller]
fn until(mut condition: impl FnMut() -> bool) {
    for _ in 0..6_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the condition never held");
}
