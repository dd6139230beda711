//! Repeated keys of mappings. The tree reader stops at the first one; this file finds all of them.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

use crate::cli::position::Position;
use crate::cli::source::syntax::Mistake;
use crate::cli::source::tree::at;

/// An open mapping or list.
enum Open {
    List,
    Mapping { keys: HashMap<String, Position>, next: Next },
}

/// The next expected part of a mapping.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Next {
    Key,
    Value,
}

/// A mistake for each repeated key.
pub(super) fn repeated(text: &str) -> Vec<Mistake> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    for event in Parser::new_from_str(text) {
        let Ok((event, span)) = event else { break };
        match event {
            Event::Scalar(name, ..) => found.extend(node(&mut open, Some((&name, at(span.start))))),
            Event::Alias(_) => found.extend(node(&mut open, None)),
            Event::SequenceStart(..) => {
                node(&mut open, None);
                open.push(Open::List);
            }
            Event::MappingStart(..) => {
                node(&mut open, None);
                open.push(Open::Mapping { keys: HashMap::new(), next: Next::Key });
            }
            Event::SequenceEnd | Event::MappingEnd => drop(open.pop()),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
    }
    found
}

/// Records a node; returns a mistake if it is a repeated key.
fn node(open: &mut [Open], name: Option<(&str, Position)>) -> Option<Mistake> {
    let Some(Open::Mapping { keys, next }) = open.last_mut() else { return None };
    let is_key = *next == Next::Key;
    *next = if is_key { Next::Value } else { Next::Key };
    let (name, at) = name.filter(|_| is_key)?;
    let Some(first) = keys.get(name) else {
        keys.insert(name.to_owned(), at);
        return None;
    };
    let mistake = Mistake::new(format!("key `{name}` is already in line {}", first.line), at);
    let mistake = mistake.hint("merge the two entries, or give one of them another name");
    Some(Mistake { first: Some(*first), ..mistake })
}
