//! A tree of patterns that finds overlapping patterns without comparing all of them.
//!
//! Two segments overlap if some text matches both. Sorted maps hold the starts and ends of segments: a key that
//! overlaps a text `t` starts with `t`, or `t` starts with the key.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

use crate::engine::matching::pattern::Segment;

/// Patterns by their segments, each with a number.
#[derive(Default)]
pub(super) struct Tree {
    literals: BTreeMap<Box<str>, Tree>,
    /// Keyed by suffix, reversed, then by prefix.
    affixes: BTreeMap<Box<str>, BTreeMap<Box<str>, Tree>>,
    variable: Option<Box<Tree>>,
    here: Vec<usize>,
}

/// Which patterns to look for.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Reach {
    /// Patterns of the same length, except equal ones.
    Same,
    /// Patterns of the same length and all longer ones.
    Below,
}

impl Tree {
    /// Adds a pattern to the tree.
    pub(super) fn insert(&mut self, pattern: &[Segment], number: usize) {
        let Some((first, rest)) = pattern.split_first() else { return self.here.push(number) };
        let child = match first {
            Segment::Literal(text) => self.literals.entry(text.clone()).or_default(),
            Segment::Affix { prefix, suffix } => {
                self.affixes.entry(backwards(suffix)).or_default().entry(prefix.clone()).or_default()
            }
            Segment::Variable => self.variable.get_or_insert_default(),
        };
        child.insert(rest, number);
    }

    /// Visits the overlapping patterns until `visit` stops.
    pub(super) fn overlapping(
        &self,
        pattern: &[Segment],
        reach: Reach,
        visit: &mut impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.walk(pattern, reach, true, visit)
    }

    /// `same`: whether this node is the pattern's own position in the tree.
    fn walk(
        &self,
        pattern: &[Segment],
        reach: Reach,
        same: bool,
        visit: &mut impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some((first, rest)) = pattern.split_first() else {
            return match reach {
                Reach::Same if same => ControlFlow::Continue(()),
                Reach::Same => self.here.iter().copied().try_for_each(visit),
                Reach::Below => self.all(visit),
            };
        };
        self.children(first).try_for_each(|(child, own)| child.walk(rest, reach, same && own, visit))
    }

    fn all(&self, visit: &mut impl FnMut(usize) -> ControlFlow<()>) -> ControlFlow<()> {
        self.here.iter().copied().try_for_each(&mut *visit)?;
        self.children(&Segment::Variable).try_for_each(|(child, _)| child.all(visit))
    }

    /// The children that overlap a segment, each with whether it is equal to the segment.
    fn children<'t>(&'t self, segment: &'t Segment) -> Box<dyn Iterator<Item = (&'t Self, bool)> + 't> {
        let own_variable = *segment == Segment::Variable;
        let variable = self.variable.iter().map(move |child| (&**child, own_variable));
        match segment {
            Segment::Literal(text) => {
                let literal = self.literals.get(text).map(|child| (child, true));
                let affixes =
                    beginnings(&self.affixes, backwards(text)).flat_map(move |(suffix, by_prefix)| {
                        let room = text.len().saturating_sub(suffix.len());
                        let short = move |prefix: &str| prefix.len() < room;
                        beginnings(by_prefix, text.clone()).filter(move |(prefix, _)| short(prefix))
                    });
                Box::new(literal.into_iter().chain(affixes.map(|(_, child)| (child, false))).chain(variable))
            }
            Segment::Affix { prefix, suffix } => {
                let back = backwards(suffix);
                let literals = extensions(&self.literals, prefix.clone()).filter(move |(text, _)| {
                    text.len() > prefix.len().saturating_add(suffix.len()) && text.ends_with(&**suffix)
                });
                let affixes = related(&self.affixes, back).flat_map(move |(reversed, by_prefix)| {
                    let same_end = reversed.len() == suffix.len();
                    related(by_prefix, prefix.clone())
                        .map(move |(known, child)| (child, same_end && known == prefix))
                });
                Box::new(literals.map(|(_, child)| (child, false)).chain(affixes).chain(variable))
            }
            Segment::Variable => {
                let literals = self.literals.values();
                let affixes = self.affixes.values().flat_map(BTreeMap::values);
                Box::new(literals.chain(affixes).map(|child| (child, false)).chain(variable))
            }
        }
    }
}

type Entry<'t, V> = (&'t Box<str>, &'t V);

/// The entries whose key starts with `text`, or is a prefix of it.
fn related<V>(map: &BTreeMap<Box<str>, V>, text: Box<str>) -> impl Iterator<Item = Entry<'_, V>> {
    let length = text.len();
    let shorter = beginnings(map, text.clone()).filter(move |(key, _)| key.len() < length);
    shorter.chain(extensions(map, text))
}

/// The entries whose key starts with `text`.
fn extensions<V>(map: &BTreeMap<Box<str>, V>, text: Box<str>) -> impl Iterator<Item = Entry<'_, V>> {
    let from = map.range::<str, _>((Bound::Included(&*text), Bound::Unbounded));
    from.take_while(move |(key, _)| key.starts_with(&*text))
}

/// The entries whose key is a prefix of `text`, or all of it.
fn beginnings<V>(map: &BTreeMap<Box<str>, V>, text: Box<str>) -> impl Iterator<Item = Entry<'_, V>> {
    // Most maps are empty, so avoid the work for them.
    let most = map.keys().next().map(|_| text.len());
    let lengths = most.into_iter().flat_map(|most| 0..=most);
    lengths.filter_map(move |length| map.get_key_value(text.get(..length)?))
}

fn backwards(text: &str) -> Box<str> {
    text.chars().rev().collect::<String>().into()
}
