//! The state of a defense, compared with a naive model that remembers everything.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;
use tokenward::engine::config::bundle::from_tree;
use tokenward::engine::config::defense::Threshold;
use tokenward::engine::memory::key::Key;
use tokenward::engine::memory::slot::Slot;
use tokenward::engine::memory::suspensions::{Added, Suspended};
use tokenward::engine::memory::uses::Uses;
use tokenward::engine::memory::window::Window;
use tokenward::engine::words::address::Source;
use tokenward::engine::words::time::{Span, Time};

use crate::oracle::config;

proptest! {
    #![proptest_config(config(2_000))]

    /// An offence suspends if and only if it is the `limit`-th within some span of `per`.
    #[test]
    fn limit_is_reached_by_exactly_its_count(
        limit in 1..6_u64,
        per in 1..8_i64,
        steps in vec((0..4_usize, 0..3_000_i64), 1..60),
    ) {
        let threshold = threshold(limit, per);
        let (mut kept, mut now) = (None, 0);
        let mut model: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        for (who, pause) in steps {
            now += pause;
            let moments = model.entry(who).or_default();
            moments.push(now);
            moments.retain(|moment| now - moment < per * 1_000);
            let reached = moments.len() as u64 >= limit;
            if reached {
                moments.clear();
            }
            let counted = change(&mut kept, |slot: &mut Slot<Window>| {
                slot.count(key(who), threshold, Time::from_millis(now))
            });
            prop_assert_eq!(counted.is_some(), reached, "{} at {}", who, now);
        }
    }

    /// Threads read the clock in order, but count in any order.
    #[test]
    fn unordered_moments_count_like_ordered_ones(
        moments in vec(0..900_i64, 5).prop_shuffle(),
    ) {
        let mut slot = Slot::<Window>::default();
        let counts: Vec<bool> = moments
            .iter()
            .map(|now| slot.count(key(1), threshold(5, 1), Time::from_millis(*now)).is_some())
            .collect();
        prop_assert_eq!(counts, [false, false, false, false, true]);
    }

    /// A key that was counted recently stays in its slot until eight other keys are counted.
    #[test]
    fn slot_is_bounded_and_drops_the_oldest(
        others in vec(1..40_usize, 0..100),
    ) {
        let threshold = threshold(2, 3_600);
        let mut kept = None;
        let mut lately: Vec<usize> = Vec::new();
        for (now, who) in (0..).zip(others) {
            let known = lately.contains(&who);
            let counted = change(&mut kept, |slot: &mut Slot<Window>| {
                slot.count(key(who), threshold, Time::from_millis(now))
            });
            prop_assert_eq!(counted.is_some(), known);
            lately.retain(|other| *other != who);
            if !known {
                lately.push(who);
            }
            if lately.len() > 8 {
                lately.remove(0);
            }
            prop_assert!(kept.as_ref().map_or(0, Vec::len) <= 1 + 8 * (16 + 2 + 8));
        }
    }

    /// Each suspension lasts exactly until its end, however many keys are suspended.
    #[test]
    fn suspension_lasts_exactly_to_its_end(
        steps in vec((0..30_usize, 1..20_i64, 0..4_000_i64), 1..80),
    ) {
        let longest = span(20);
        let (mut kept, mut now) = (Suspended::default(), 0);
        let mut model: BTreeMap<usize, i64> = BTreeMap::new();
        for (who, seconds, pause) in steps {
            now += pause;
            model.retain(|_, until| *until > now);
            let before = model.contains_key(&who);
            let added = kept.add(key(who), Time::from_millis(now), span(seconds), longest);
            prop_assert_eq!(added, if before { Added::Before } else { Added::Now });
            model.entry(who).or_insert(now + seconds * 1_000);
            kept = Suspended::from_bytes(&kept.to_bytes());
            for other in 0..30 {
                let until = kept.until(key(other), Time::from_millis(now), longest);
                prop_assert_eq!(until.map(Time::millis), model.get(&other).copied());
            }
            prop_assert_eq!(kept.count(Time::from_millis(now), longest), model.len());
        }
    }

    /// Other modules may write the same shared data. Any bytes are read without a panic, with a bounded size, and are
    /// stable when written and read again.
    #[test]
    fn garbage_is_read_as_bounded_state(mut bytes in vec(any::<u8>(), 0..4_000), versioned in any::<bool>(), now in any::<i64>()) {
        if let Some(first) = bytes.first_mut().filter(|_| versioned) {
            *first = 1;
        }
        let now = Time::from_millis(now);
        let mut windows = Slot::<Window>::from_bytes(&bytes);
        prop_assert_eq!(&Slot::from_bytes(&windows.to_bytes()), &windows);
        windows.count(key(1), threshold(1_000, 86_400), now);
        let mut uses = Slot::<Uses>::from_bytes(&bytes);
        prop_assert_eq!(&Slot::from_bytes(&uses.to_bytes()), &uses);
        uses.note(key(1), now);
        let mut suspended = Suspended::from_bytes(&bytes);
        prop_assert_eq!(&Suspended::from_bytes(&suspended.to_bytes()), &suspended);
        // An entry that lasts longer than any suspension of the policy is ignored. Clocks may differ by a minute.
        let longest = span(5);
        suspended.add(key(1), now, span(5), longest);
        prop_assert!(suspended.count(now, longest) <= 4_096);
        prop_assert_eq!(suspended.count(now.shifted(65_000), longest), 0);
    }
}

#[test]
fn full_list_has_room_after_a_suspension_ends() {
    let (now, longest) = (Time::from_millis(0), span(60));
    let mut suspended = Suspended::default();
    for who in 0..4_096 {
        let span = if who == 7 { span(1) } else { longest };
        assert_eq!(suspended.add(key(who), now, span, longest), Added::Now);
    }
    assert_eq!(suspended.add(key(5_000), now, longest, longest), Added::Full);
    let later = Time::from_millis(1_000);
    assert_eq!(suspended.add(key(5_000), later, longest, longest), Added::Now);
    assert_eq!((suspended.until(key(7), later, longest), suspended.count(later, longest)), (None, 4_096));
}

#[test]
fn retired_secret_is_reported_every_ten_minutes() {
    let mut slot = Slot::<Uses>::default();
    let mut told = |minute: i64, who| slot.note(key(who), Time::from_millis(minute * 60_000));
    let noted = [told(0, 1), told(1, 1), told(1, 2), told(9, 1), told(10, 1), told(11, 1), told(25, 1)];
    assert_eq!(noted, [Some(1), None, Some(1), None, Some(3), None, Some(2)]);
}

#[test]
fn slots_are_even_and_depend_on_salt() {
    let mut places = vec![0; 16];
    (0..1_600).for_each(|who| places[usize::try_from(key(who).place(b"salt", 16)).unwrap()] += 1);
    assert!(places.iter().all(|count| (50..=150).contains(count)), "{places:?}");
    assert!((0..64).any(|who| key(who).place(b"salt", 256) != key(who).place(b"other", 256)));
}

/// Changes a record as a host keeps it: read, change, write.
fn change<R: tokenward::engine::memory::slot::Record, T>(
    kept: &mut Option<Vec<u8>>,
    change: impl FnOnce(&mut Slot<R>) -> T,
) -> T {
    let mut slot = kept.as_deref().map_or_else(Slot::default, Slot::from_bytes);
    let answer = change(&mut slot);
    *kept = Some(slot.to_bytes());
    answer
}

fn threshold(limit: u64, per: i64) -> Threshold {
    from_tree(&json!({ "limit": limit, "per": format!("{per}s"), "suspend": "15m" })).unwrap()
}

fn span(seconds: i64) -> Span {
    format!("{seconds}s").parse().unwrap()
}

fn key(who: usize) -> Key {
    let address = std::net::Ipv4Addr::from(u32::try_from(who).unwrap());
    Key::of_source(Source::of(format!("{address}:1").as_bytes())).unwrap()
}
