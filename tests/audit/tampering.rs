//! Verification finds every change to a log.

use std::sync::OnceLock;

use proptest::prelude::*;
use tokenward::cli::audit::event::Line;
use tokenward::engine::report::chain::{Chain, Links};

use crate::audit::log::{chain, written};
use crate::audit::{WHOLE, codes, keyed, verify};

/// A change to one line.
#[derive(Clone, Copy, Debug)]
enum Tampering {
    Delete,
    /// Repeats it, this many lines later.
    Repeat(usize),
    /// Swaps it with the next line of its chain.
    Swap,
    /// Changes one of its bytes.
    Edit(usize, u8),
}

impl Tampering {
    /// The log with line `at` changed; `None` if there is nothing to change.
    fn on(self, log: &[String], at: usize) -> Option<Vec<String>> {
        let name = chain(&log[at])?;
        let mut log = log.to_vec();
        match self {
            Self::Delete => drop(log.remove(at)),
            Self::Repeat(later) => log.insert((at + 1 + later).min(log.len()), log[at].clone()),
            Self::Swap => {
                let next = (at + 1..log.len()).find(|next| chain(&log[*next]) == Some(name))?;
                log.swap(at, next);
            }
            Self::Edit(byte, to) => {
                let start = log[at].find('{').unwrap();
                let byte = start + byte % (log[at].len() - start);
                let mut line = log[at].clone().into_bytes();
                if line[byte] == to {
                    return None;
                }
                line[byte] = to;
                log[at] = String::from_utf8(line).unwrap();
            }
        }
        Some(log)
    }
}

#[test]
fn unchanged_log_is_intact() {
    for links in [Links::Sha256, keyed("7")] {
        let log = written(400, &links);
        let report = verify(&log, WHOLE, &links);
        assert!(report.is_intact(), "{:?}", report.findings);
        // Two configurations, each with the canary's VM, the main thread's and four workers'.
        assert_eq!((report.chains, report.open), (12, 0));
        assert_eq!(report.events, 400 + 2 + 10 * 2);
        assert_eq!(report.other_lines, 40);
    }
}

#[test]
fn tampering_with_any_line_is_found() {
    let log = written(120, &Links::Sha256);
    for at in 0..log.len() {
        for tampering in [Tampering::Delete, Tampering::Repeat(at % 9), Tampering::Swap] {
            if let Some(tampered) = tampering.on(&log, at) {
                assert!(!verify(&tampered, WHOLE, &Links::Sha256).is_intact(), "{tampering:?} {at}");
            }
        }
    }
}

#[test]
fn each_missing_chain_is_found() {
    let log = written(120, &Links::Sha256);
    let names: std::collections::BTreeSet<&str> = log.iter().filter_map(|line| chain(line)).collect();
    assert_eq!(names.len(), 12);
    for name in names {
        let rest: Vec<String> = log.iter().filter(|line| chain(line) != Some(name)).cloned().collect();
        let report = verify(&rest, WHOLE, &Links::Sha256);
        assert_eq!(codes(&report), ["no_chain"], "{name}");
    }
}

#[test]
fn finding_names_the_line_and_the_change() {
    let log = written(120, &Links::Sha256);
    // A decision in the middle of a chain, and the next line of its chain.
    let at = (60..).find(|at| log[*at].contains("\"decision\"")).unwrap();
    let next = (at + 1..).find(|next| chain(&log[*next]) == chain(&log[at])).unwrap();
    let line = |index: usize| u64::try_from(index).unwrap() + 1;
    for (tampering, code, place) in [
        (Tampering::Delete, "missing", line(next - 1)),
        (Tampering::Repeat(0), "repeated", line(at + 1)),
        (Tampering::Swap, "reordered", line(next)),
        (Tampering::Edit(20, b'9'), "changed", line(at)),
    ] {
        let report = verify(&tampering.on(&log, at).unwrap(), WHOLE, &Links::Sha256);
        assert_eq!(codes(&report), [code]);
        assert_eq!(report.findings[0].place.unwrap().line, place, "{tampering:?}");
    }
    // If a hash is changed and not the event, later lines are not blamed for it.
    let hash = log[at].len() - log[at].find('{').unwrap() - 5;
    let to = if log[at].ends_with("0\"}") { b'1' } else { b'0' };
    if let Some(edited) = Tampering::Edit(hash, to).on(&log, at) {
        assert_eq!(codes(&verify(&edited, WHOLE, &Links::Sha256)), ["changed"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_edit_of_any_line_is_found(at in 0..200_usize, byte in 0..1_000_usize, to in b' '..0x7F) {
        let log = written(100, &Links::Sha256);
        if let Some(edited) = Tampering::Edit(byte, to).on(&log, at % log.len()) {
            prop_assert!(!verify(&edited, WHOLE, &Links::Sha256).is_intact());
        }
    }
}

#[test]
fn change_in_a_hundred_thousand_lines_is_found() {
    let links = Links::Sha256;
    let log = written(100_000, &links);
    assert!(verify(&log, WHOLE, &links).is_intact());
    let last = log.len() - 1;
    for (at, tampering) in [
        (0, Tampering::Delete),
        (last, Tampering::Delete),
        (12_345, Tampering::Delete),
        (77_777, Tampering::Repeat(20_000)),
        (33_333, Tampering::Swap),
        (99_998, Tampering::Edit(123, b'~')),
        (last, Tampering::Edit(200, b'~')),
    ] {
        let at = (at..).find(|at| chain(&log[*at]).is_some()).unwrap();
        let Some(tampered) = tampering.on(&log, at) else { panic!("{tampering:?} {at}") };
        let report = verify(&tampered, WHOLE, &links);
        assert_eq!(report.count, 1, "{tampering:?} {at}: {:?}", report.findings);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_change_to_a_line_is_found(
        at in any::<prop::sample::Index>(), tampering in tampering(), is_keyed: bool,
    ) {
        static LOGS: OnceLock<[(Links, Vec<String>); 2]> = OnceLock::new();
        let logs = LOGS.get_or_init(|| [Links::Sha256, keyed("7")].map(|links| (links.clone(), written(100_000, &links))));
        let (links, log) = &logs[usize::from(is_keyed)];
        if let Some(tampered) = tampering.on(log, at.index(log.len())) {
            prop_assert!(!verify(&tampered, WHOLE, links).is_intact());
        }
    }
}

fn tampering() -> impl Strategy<Value = Tampering> {
    prop_oneof![
        Just(Tampering::Delete),
        (0..100_000_usize).prop_map(Tampering::Repeat),
        Just(Tampering::Swap),
        (0..1_000_usize, b' '..0x7F).prop_map(|(byte, to)| Tampering::Edit(byte, to)),
    ]
}

#[test]
fn chain_cannot_be_repaired_without_the_key() {
    let key = keyed("7");
    let log = written(40, &key);
    // Without the key, and with another key.
    for other in [Links::Sha256, keyed("8")] {
        let forged = rechained(&log, &other);
        assert_eq!(verify(&forged, WHOLE, &other).count, 0, "the forgery is a good one");
        assert!(!verify(&forged, WHOLE, &key).is_intact());
    }
    // The holder of the key can repair it.
    assert!(verify(&rechained(&log, &key), WHOLE, &key).is_intact());
}

/// The log with every path changed and every chain recomputed.
pub(crate) fn rechained(log: &[String], links: &Links) -> Vec<String> {
    let mut chains = std::collections::BTreeMap::new();
    let rechain = |line: &String| {
        let Line::Event(event) = Line::read(line.as_bytes()) else { return line.clone() };
        let chain = chains.entry(event.chain).or_insert_with(|| Chain::new(event.chain, links.clone()));
        let text = String::from_utf8(event.signed.to_vec()).unwrap().replace("checkout", "payments");
        chain.seal(format!("{}}}", text.split_once(",\"chain\"").unwrap().0))
    };
    log.iter().map(rechain).collect()
}
