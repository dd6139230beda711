//! Incomplete logs: rotated, still being written, in another order.

use tokenward::cli::audit::verifier::{Ends, Order, Rules, Starts};
use tokenward::engine::report::chain::Links;

use crate::audit::log::{chain, written};
use crate::audit::tampering::rechained;
use crate::audit::{WHOLE, codes, verify, verify_from};

const LIVE: Rules = Rules { ends: Ends::Any, ..WHOLE };
const ROTATED: Rules = Rules { starts: Starts::Anywhere, ..LIVE };
const ACCESS_LOG: Rules = Rules { order: Order::Any, ..WHOLE };

#[test]
fn open_log_is_intact() {
    let log = written(200, &Links::Sha256);
    let report = verify(&log[..150], LIVE, &Links::Sha256);
    assert!(report.is_intact() && report.open > 3, "{:?}", report.findings);
    assert!(codes(&verify(&log[..150], WHOLE, &Links::Sha256)).iter().all(|code| *code == "open"));
}

#[test]
fn cut_beginning_differs_from_rotation() {
    let log = written(200, &Links::Sha256);
    let rest = &log[50..];
    assert!(codes(&verify(rest, WHOLE, &Links::Sha256)).contains(&"missing"));
    let report = verify(rest, ROTATED, &Links::Sha256);
    assert!(report.is_intact(), "{:?}", report.findings);
    // A line missing from the middle is still found.
    let at = (60..).find(|at| chain(&log[*at]).is_some()).unwrap();
    let cut: Vec<String> = [&log[50..at], &log[at + 1..]].concat();
    assert_eq!(codes(&verify(&cut, ROTATED, &Links::Sha256)), ["missing"]);
}

#[test]
fn verification_continues_from_heads_per_file() {
    let log = written(400, &Links::Sha256);
    let mut heads = Default::default();
    for part in log.chunks(97) {
        let report = verify_from(heads, part, LIVE, &Links::Sha256);
        assert!(report.is_intact(), "{:?}", report.findings);
        heads = report.heads;
    }
    // All chains have ended, so only their number is stored.
    let report = verify_from(heads.clone(), &log, WHOLE, &Links::Sha256);
    assert!(report.is_intact(), "the same log once more: {:?}", report.findings);
    assert_eq!(report.heads, heads);
}

#[test]
fn heads_reveal_changes_between_two_verifications() {
    let log = written(400, &Links::Sha256);
    let (first, second) = log.split_at(200);
    let heads = || verify(first, LIVE, &Links::Sha256).heads;
    let found = |log: &[String]| codes(&verify_from(heads(), log, LIVE, &Links::Sha256));
    assert!(found(&log).is_empty() && found(second).is_empty());
    // The verified log without its end.
    assert!(found(&first[..180]).contains(&"cut"));
    // The next log without its start.
    assert!(found(&second[5..]).contains(&"missing"));
    // A verified line, and one that is not verified yet.
    let edited = |at: usize| {
        let mut log = log.clone();
        log[at] = log[at].replace("checkout", "payments");
        log
    };
    for at in [100, 300] {
        let at = (at..).find(|at| log[*at].contains("checkout")).unwrap();
        assert_eq!(found(&edited(at)), ["changed"]);
    }
}

#[test]
fn forged_chain_does_not_reach_the_head() {
    let log = written(100, &Links::Sha256);
    let heads = verify(&log[..80], LIVE, &Links::Sha256).heads;
    let forged = rechained(&log, &Links::Sha256);
    assert!(verify(&forged, WHOLE, &Links::Sha256).is_intact(), "by itself it is as good as the other");
    assert!(codes(&verify_from(heads, &forged, LIVE, &Links::Sha256)).contains(&"replaced"));
}

#[test]
fn access_log_is_complete_in_any_order() {
    let mut log = written(300, &Links::Sha256);
    // Requests end in another order than they start.
    for at in (0..log.len() - 40).step_by(3) {
        log.swap(at, at + at % 37);
    }
    let report = verify(&log, ACCESS_LOG, &Links::Sha256);
    assert!(report.is_intact(), "{:?}", report.findings);
    assert!(codes(&verify(&log, WHOLE, &Links::Sha256)).contains(&"reordered"));
    for at in 0..log.len() {
        if chain(&log[at]).is_some() {
            let mut cut = log.clone();
            cut.remove(at);
            assert!(!verify(&cut, ACCESS_LOG, &Links::Sha256).is_intact(), "{at}");
        }
    }
}

#[test]
fn log_without_events_is_not_intact() {
    let nothing = vec!["starting main dispatch loop".to_owned()];
    assert_eq!(codes(&verify(&nothing, LIVE, &Links::Sha256)), ["empty"]);
    let unchained = r#"{"v":1,"ts":"2026-01-01T00:00:00.000Z","event":"decision","seq":7}"#.to_owned();
    assert_eq!(codes(&verify([&unchained], LIVE, &Links::Sha256)), ["unchained"]);
}
