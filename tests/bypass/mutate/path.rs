//! Mutators that spell a path differently.

use crate::generate::Draft;
use crate::mutate::Mutator;
use crate::random::Random;

pub(crate) const MUTATORS: [Mutator; 17] = [
    Mutator { name: "percent", apply: percent },
    Mutator { name: "double-percent", apply: double_percent },
    Mutator { name: "overlong", apply: overlong },
    Mutator { name: "percent-u", apply: percent_u },
    Mutator { name: "slashes", apply: slashes },
    Mutator { name: "kept-slashes", apply: kept_slashes },
    Mutator { name: "dot-segments", apply: dot_segments },
    Mutator { name: "traversal", apply: traversal },
    Mutator { name: "parameters", apply: parameters },
    Mutator { name: "case", apply: case },
    Mutator { name: "cut", apply: cut },
    Mutator { name: "ending", apply: ending },
    Mutator { name: "spaces", apply: spaces },
    Mutator { name: "control", apply: control },
    Mutator { name: "absolute", apply: absolute },
    Mutator { name: "network-path", apply: network_path },
    Mutator { name: "parent", apply: parent },
];

/// Rewrites at least one character.
fn rewrite(draft: &mut Draft, random: &mut Random, write: impl Fn(u8, &mut Random) -> Vec<u8>) {
    let path = draft.path();
    // A path without a leading slash is rejected early, so most drafts keep it.
    let first = usize::from(!random.once_in(20));
    let sure = first + random.below(path.len().saturating_sub(first).max(1));
    let often = [1, 3, 12][random.below(3)];
    let written = path.iter().enumerate().map(|(position, byte)| {
        let chosen = position == sure || position >= first && random.once_in(often);
        if chosen && *byte != b'%' { write(*byte, random) } else { vec![*byte] }
    });
    *path = written.flatten().collect();
}

pub(crate) fn escape(byte: u8, random: &mut Random) -> Vec<u8> {
    let escape = if random.once_in(2) { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
    escape.into_bytes()
}

fn percent(draft: &mut Draft, random: &mut Random) {
    rewrite(draft, random, |byte, random| if byte == b'/' { vec![byte] } else { escape(byte, random) });
}

fn double_percent(draft: &mut Draft, random: &mut Random) {
    let percent: &[u8] = random.one_of(&[&b"%25"[..], b"%2525", b"%%32%35"]);
    rewrite(draft, random, |byte, random| [percent, &escape(byte, random)[1..]].concat());
}

fn overlong(draft: &mut Draft, random: &mut Random) {
    let long = random.once_in(3);
    rewrite(draft, random, |byte, _| {
        let (high, low) = (byte >> 6, 0x80 | (byte & 0x3F));
        let long = if long {
            format!("%E0%{:02X}%{low:02X}", 0x80 | high)
        } else {
            format!("%{:02X}%{low:02X}", 0xC0 | high)
        };
        long.into_bytes()
    });
}

fn percent_u(draft: &mut Draft, random: &mut Random) {
    rewrite(draft, random, |byte, _| format!("%u{byte:04x}").into_bytes());
}

/// Inserts `text` after a random slash, or replaces the slash.
fn at_slash(draft: &mut Draft, random: &mut Random, text: &[u8], replace: bool) {
    let path = draft.path();
    let slashes: Vec<usize> = (0..path.len()).filter(|at| path[*at] == b'/').collect();
    if let Some(at) = slashes.get(random.below(slashes.len().max(1))) {
        let start = if replace { *at } else { at + 1 };
        path.splice(start..at + 1, text.iter().copied());
    }
}

fn slashes(draft: &mut Draft, random: &mut Random) {
    let slash = random.one_of(&SLASHES);
    at_slash(draft, random, slash, true);
}

/// Inserts slashes that a gateway may keep: in place of some slashes, next to one, or at the end.
fn kept_slashes(draft: &mut Draft, random: &mut Random) {
    let slash = random.one_of(&KEPT_SLASHES);
    let more = random.below(3);
    let path = draft.path();
    let slashes: Vec<usize> = (0..path.len()).filter(|at| path[*at] == b'/').collect();
    let from = slashes[random.below(slashes.len().max(1)).min(slashes.len().saturating_sub(1))..].to_vec();
    match more {
        0 => from.iter().rev().for_each(|at| drop(path.splice(*at..at + 1, slash.iter().copied()))),
        1 => from.iter().take(1).for_each(|at| drop(path.splice(at + 1..at + 1, slash.iter().copied()))),
        _ => path.extend(slash),
    }
}

fn dot_segments(draft: &mut Draft, random: &mut Random) {
    let slash = random.one_of(&SLASHES);
    let inner = if random.once_in(2) {
        [random.one_of(&DOTS), slash].concat()
    } else {
        [&b"x"[..], slash, &two_dots(random)[..], random.one_of(&SLASHES)].concat()
    };
    at_slash(draft, random, &inner, false);
}

fn two_dots(random: &mut Random) -> Vec<u8> {
    if random.once_in(12) {
        return random.one_of(&[&b"%EF%B8%B0"[..], b"%E2%80%A5", b"..%EF%B8%94", b"..%C2%A0"]).to_vec();
    }
    let (one, two) = (random.one_of(&DOTS), random.one_of(&DOTS));
    let tail: &[u8] = random.one_of(&[
        &b""[..],
        b"",
        b"",
        b";",
        b";x=1",
        b"%20",
        b"+",
        b"%00",
        b".",
        b"%2e",
        b"%3f",
        b"%C2%AD",
    ]);
    let head: &[u8] = random.one_of(&[&b""[..], b"", b"", b"%20", b"%09", b"%E2%80%8B"]);
    [head, one, two, tail].concat()
}

/// Goes from a permitted path up, and down to the goal.
fn traversal(draft: &mut Draft, random: &mut Random) {
    let goal = draft.path().clone();
    let cover = draft.goal.cover.as_bytes();
    let depth = cover.iter().filter(|byte| **byte == b'/').count() + random.below(2);
    let slash = random.one_of(&SLASHES);
    let same = random.once_in(2);
    let step = two_dots(random);
    let mut path = cover.to_vec();
    for _ in 0..depth {
        let (slash, step) =
            if same { (slash, step.clone()) } else { (random.one_of(&SLASHES), two_dots(random)) };
        path.extend([slash, &step].concat());
    }
    path.extend([slash, goal.strip_prefix(b"/").unwrap_or(&goal)].concat());
    *draft.path() = path;
}

/// Goes one step up from a permitted path.
fn parent(draft: &mut Draft, random: &mut Random) {
    let cover = draft.goal.cover.as_bytes();
    let end: &[u8] = random.one_of(&[&b""[..], b"/", b"%3fx", b"%23", b"?x", b"%20", b"%00", b";"]);
    *draft.path() = [cover, random.one_of(&SLASHES), &two_dots(random), end].concat();
}

fn parameters(draft: &mut Draft, random: &mut Random) {
    let inner = random.one_of(&PARAMETERS);
    // Before a slash or at the end.
    if random.once_in(3) {
        draft.path().extend(inner);
    } else {
        at_slash(draft, random, &[inner, &b"/"[..]].concat(), true);
    }
}

fn case(draft: &mut Draft, random: &mut Random) {
    let all = random.once_in(3);
    let path = draft.path();
    for byte in path.iter_mut() {
        if all || random.once_in(2) {
            byte.make_ascii_uppercase();
        }
    }
}

/// Adds text that some programs read as the end of the path.
fn cut(draft: &mut Draft, random: &mut Random) {
    let goal = draft.path().clone();
    let cover = draft.goal.cover.as_bytes();
    let mark: &[u8] = random.one_of(&MARKS);
    let more: &[u8] = random.one_of(&[&b""[..], b"x", b"a=1", b"/../..", b"&b=2", b"/"]);
    *draft.path() = match random.below(3) {
        0 => [&goal, mark, more].concat(),
        1 => [cover, mark, b"/..", &goal].concat(),
        _ => [&goal, mark, cover].concat(),
    };
}

fn ending(draft: &mut Draft, random: &mut Random) {
    let text = random.one_of(&ENDINGS);
    if random.once_in(2) {
        draft.path().extend(text);
    } else {
        at_slash(draft, random, &[text, &b"/"[..]].concat(), true);
    }
}

/// Adds white space of various kinds around a segment.
fn spaces(draft: &mut Draft, random: &mut Random) {
    let space: &[u8] = random.one_of(&SPACES);
    match random.below(3) {
        0 => draft.path().extend(space),
        1 => at_slash(draft, random, space, false),
        _ => at_slash(draft, random, &[space, b"/"].concat(), true),
    }
}

/// Inserts a control byte or a byte at or above 0x80, raw or escaped, anywhere.
fn control(draft: &mut Draft, random: &mut Random) {
    let byte = if random.once_in(3) { 0x7F + random.below(0x81) } else { random.below(0x21) };
    let byte = u8::try_from(byte).unwrap();
    let text = if random.once_in(2) { vec![byte] } else { escape(byte, random) };
    let path = draft.path();
    let at = random.below(path.len() + 1);
    path.splice(at..at, text);
}

fn absolute(draft: &mut Draft, random: &mut Random) {
    let start = random.one_of(&ORIGINS);
    let path = draft.path();
    path.splice(0..0, start.iter().copied());
}

fn network_path(draft: &mut Draft, random: &mut Random) {
    let host: &[u8] = random.one_of(&[&b"gateway.test"[..], b"x", b"x:80", b"u@x", b"v1", b"healthz"]);
    let start: &[u8] = random.one_of(&[&b"//"[..], b"///", b"/%2f", b"/\\", b"/%5c", b"http:/", b"/http://"]);
    let path = draft.path();
    path.splice(0..0, [start, host].concat());
}

const SLASHES: [&[u8]; 18] = [
    b"/",
    b"/",
    b"/",
    b"//",
    b"///",
    b"\\",
    b"/\\",
    b"%2f",
    b"%2F",
    b"%5c",
    b"%5C",
    b"%252f",
    b"%255c",
    b"%c0%af",
    b"%EF%BC%8F",
    b"%E2%88%95",
    b"%C2%A5",
    b"/./",
];
const KEPT_SLASHES: [&[u8]; 10] = [
    b"%2f",
    b"%2F",
    b"%2F%2f",
    b"%252F",
    b"%25252f",
    b"%255C",
    b"%EF%BC%8F",
    b"%E2%81%84",
    b"%C2%A5",
    b"%EF%BC%852F",
];
const DOTS: [&[u8]; 9] = [b".", b".", b".", b"%2e", b"%2E", b"%252e", b"%c0%ae", b"%EF%BC%8E", b"%u002e"];
const PARAMETERS: [&[u8]; 9] =
    [b";", b";x", b";x=1", b";jsessionid=A", b";a=b;c=d", b"%3b", b"%3Bx=1", b";%2f..", b";.css"];
const MARKS: [&[u8]; 13] = [
    b"?",
    b"#",
    b"%3f",
    b"%3F",
    b"%23",
    b"??",
    b"%253f",
    b"%00",
    b"%0a",
    b"%0d%0a",
    b"%EF%BC%9F",
    b"%EF%BC%83",
    b"&",
];
const ENDINGS: [&[u8]; 21] = [
    b".",
    b"..",
    b"...",
    b"%2e",
    b"/.",
    b"/..",
    b"/",
    b"//",
    b"%00",
    b"%00.json",
    b"%20",
    b"+",
    b"%20.",
    b".%20",
    b"~",
    b"%2f",
    b"%5c",
    b".json",
    b"%0a",
    b"::$DATA",
    b"*",
];
const SPACES: [&[u8]; 12] = [
    b"%20",
    b"+",
    b"%20%20",
    b"%09",
    b"%0b",
    b"%C2%A0",
    b"%E3%80%80",
    b"%E2%80%83",
    b"%E2%80%A8",
    b"%C2%85",
    b" ",
    b"\t",
];
const ORIGINS: [&[u8]; 10] = [
    b"http://gateway.test",
    b"https://gateway.test",
    b"HTTP://gateway.test",
    b"http://user:password@gateway.test",
    b"http://gateway.test:80",
    b"http://billing.acme.test",
    b"http:///",
    b"ftp://gateway.test",
    b"http://gateway.test/healthz/../..",
    b"gateway.test:80",
];
