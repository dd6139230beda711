//! What programs do to a path before they look it up: one function for each habit.
//!
//! A reading of the path is the result of any sequence of these steps. A step that changes nothing is ignored.

use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// A habit of some program.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) apply: fn(&[u8]) -> Vec<u8>,
}

/// The habits that count: a bypass of the filter by them is a bug.
pub(crate) const STEPS: [Step; 20] = [
    Step { name: "percent-decode", apply: decode },
    Step { name: "cut at ? or #", apply: reparse },
    Step { name: "drop ;parameters", apply: drop_parameters },
    Step { name: "backslash is slash", apply: backslash },
    Step { name: "merge slashes", apply: merge },
    Step { name: "resolve dots", apply: resolve },
    Step { name: "ignore case", apply: ignore_ascii_case },
    Step { name: "ignore Unicode case", apply: ignore_case },
    Step { name: "trim spaces", apply: trim_spaces },
    Step { name: "trim dots and spaces at an end", apply: trim_ends },
    Step { name: "+ is space", apply: plus },
    Step { name: "end at control byte", apply: truncate },
    Step { name: "drop control bytes", apply: drop_controls },
    Step { name: "overlong UTF-8", apply: overlong },
    Step { name: "NFC", apply: nfc },
    Step { name: "NFD", apply: nfd },
    Step { name: "NFKC", apply: nfkc },
    Step { name: "drop invisible", apply: drop_invisible },
    Step { name: "best fit", apply: best_fit },
    Step { name: "drop scheme and host", apply: origin },
];

/// Habits that no filter in front can know about, with what the user must do about each.
pub(crate) const OUTSIDE: [(Step, &str); 1] = [(
    Step { name: "drop the extension", apply: extension },
    "an `{id}` is `export.json` too: where a framework takes an extension off, deny `/v1/users/export.{format}`",
)];

/// Decodes every `%XX` once, and IIS's `%uXXXX`. Other text stays.
pub(crate) fn decode(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        let (bytes, used) = if *byte == b'%' { escape(after) } else { None }.unwrap_or((vec![*byte], 0));
        decoded.extend(bytes);
        rest = &after[used..];
    }
    decoded
}

fn escape(after: &[u8]) -> Option<(Vec<u8>, usize)> {
    let digits = |range: std::ops::Range<usize>| {
        let digits = after.get(range).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    if after.first().is_some_and(|u| matches!(u, b'u' | b'U')) {
        let character = char::from_u32(digits(1..5)?)?;
        return Some((character.to_string().into_bytes(), 5));
    }
    Some((vec![u8::try_from(digits(0..2)?).ok()?], 2))
}

fn reparse(path: &[u8]) -> Vec<u8> {
    before(path, |byte| matches!(byte, b'?' | b'#'))
}

fn drop_parameters(path: &[u8]) -> Vec<u8> {
    by_segment(path, |segment| before(segment, |byte| byte == b';'))
}

fn backslash(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

fn merge(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|one, other| (*one, *other) == (b'/', b'/'));
    merged
}

/// Resolves dot segments (RFC 3986 §5.2.4).
fn resolve(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/') {
        match segment {
            b"." => {}
            b".." => _ = kept.pop(),
            _ => kept.push(segment),
        }
    }
    [&b"/"[..], &kept.join(&b'/')].concat()
}

fn ignore_ascii_case(path: &[u8]) -> Vec<u8> {
    path.to_ascii_lowercase()
}

/// Ignores case like `toUpperCase`, `toLowerCase` or full case folding: `ſ` equals `S`, `ß` equals `SS`, `ı` equals
/// `I`, and so does an `i` with an extra dot.
fn ignore_case(path: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(path) else { return path.to_ascii_lowercase() };
    let text = text.to_lowercase().to_uppercase().to_lowercase();
    let mut after_i = false;
    let undotted = text.chars().filter(|letter| {
        after_i = *letter == 'i' || after_i && canonical_combining_class(*letter) > 0;
        !(after_i && *letter == '\u{307}')
    });
    undotted.collect::<String>().replace('ς', "σ").into_bytes()
}

/// Removes white space around a segment, as programs that tidy names do.
fn trim_spaces(path: &[u8]) -> Vec<u8> {
    by_segment(path, |segment| {
        let Ok(text) = std::str::from_utf8(segment) else { return segment.trim_ascii().to_vec() };
        text.trim().as_bytes().to_vec()
    })
}

/// Removes dots and spaces at the end of a segment, as Windows file systems do.
fn trim_ends(path: &[u8]) -> Vec<u8> {
    by_segment(path, |segment| {
        let end = segment.iter().rposition(|byte| !matches!(byte, b'.' | b' ')).map_or(0, |last| last + 1);
        match segment.trim_ascii_end() {
            dots @ (b"." | b"..") => dots.to_vec(),
            _ => segment[..end].to_vec(),
        }
    })
}

fn plus(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
}

fn truncate(path: &[u8]) -> Vec<u8> {
    before(path, |byte| byte.is_ascii_control())
}

fn drop_controls(path: &[u8]) -> Vec<u8> {
    path.iter().copied().filter(|byte| !byte.is_ascii_control()).collect()
}

/// Decodes two- and three-byte forms of ASCII, which RFC 3629 §3 forbids.
fn overlong(path: &[u8]) -> Vec<u8> {
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        let (byte, used) = match rest {
            [0xC0 | 0xC1, low @ 0x80..=0xBF, ..] => ((byte << 6) | (low & 0x3F), 1),
            [0xE0, high @ 0x80..=0x81, low @ 0x80..=0xBF, ..] => ((high << 6) | (low & 0x3F), 2),
            _ => (*byte, 0),
        };
        read.push(byte);
        rest = &after[used..];
    }
    read
}

fn nfc(path: &[u8]) -> Vec<u8> {
    by_character(path, |text| text.nfc().collect())
}

fn nfd(path: &[u8]) -> Vec<u8> {
    by_character(path, |text| text.nfd().collect())
}

fn nfkc(path: &[u8]) -> Vec<u8> {
    by_character(path, |text| text.nfkc().collect())
}

fn drop_invisible(path: &[u8]) -> Vec<u8> {
    by_character(path, |text| text.replace(INVISIBLE, ""))
}

/// Replaces look-alikes as "best fit" code pages do.
fn best_fit(path: &[u8]) -> Vec<u8> {
    let fit = |character: char| {
        BEST_FIT.iter().find(|(_, from)| from.contains(&character)).map(|(ascii, _)| *ascii)
    };
    by_character(path, |text| text.chars().map(|character| fit(character).unwrap_or(character)).collect())
}

fn by_character(path: &[u8], change: impl Fn(&str) -> String) -> Vec<u8> {
    std::str::from_utf8(path).map_or_else(|_| path.to_vec(), |text| change(text).into_bytes())
}

fn origin(path: &[u8]) -> Vec<u8> {
    let start = path.windows(2).position(|two| two == b"//");
    let scheme = start.filter(|start| {
        *start == 0
            || path[..*start].ends_with(b":")
                && path[0].is_ascii_alphabetic()
                && !path[..*start].contains(&b'/')
    });
    let Some(start) = scheme else { return path.to_vec() };
    let rest = &path[start + 2..];
    rest.iter().position(|byte| *byte == b'/').map_or_else(|| b"/".to_vec(), |slash| rest[slash..].to_vec())
}

fn extension(path: &[u8]) -> Vec<u8> {
    let last = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    match path[last..].iter().position(|byte| *byte == b'.') {
        Some(dot) if dot > 1 && path[last..].len() > dot + 1 => path[..last + dot].to_vec(),
        _ => path.to_vec(),
    }
}

fn by_segment(path: &[u8], change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    path.split(|byte| *byte == b'/').map(change).collect::<Vec<_>>().join(&b'/')
}

fn before(bytes: &[u8], ends: impl Fn(u8) -> bool) -> Vec<u8> {
    bytes.iter().copied().take_while(|byte| !ends(*byte)).collect()
}

/// Returns each ASCII text that another character folds to, with that character.
pub(crate) fn look_alikes() -> &'static [(String, char)] {
    static LOOK_ALIKES: OnceLock<Vec<(String, char)>> = OnceLock::new();
    LOOK_ALIKES.get_or_init(|| {
        let all = ('\u{80}'..=char::MAX).filter_map(|character| {
            let mut bytes = [0; 4];
            let character_bytes = character.encode_utf8(&mut bytes).as_bytes();
            let folded = String::from_utf8(ignore_case(&best_fit(&nfkc(character_bytes)))).ok()?;
            (folded.is_ascii() && !folded.is_empty()).then_some((folded, character))
        });
        all.collect()
    })
}

/// Characters that some programs ignore (HFS+, NFKC_Casefold, identifiers).
pub(crate) const INVISIBLE: [char; 8] =
    ['\u{AD}', '\u{34F}', '\u{200B}', '\u{200C}', '\u{200D}', '\u{2060}', '\u{FE0F}', '\u{FEFF}'];

/// Characters that confusables.txt or Windows code pages (932, 949, 1252) map to an ASCII character.
const BEST_FIT: [(char, &[char]); 8] = [
    ('/', &['\u{2044}', '\u{2215}', '\u{29F8}', '\u{FF0F}']),
    ('\\', &['\u{2216}', '\u{29F5}', '\u{29F9}', '\u{FE68}', '\u{FF3C}', '\u{A5}', '\u{20A9}']),
    ('.', &['\u{2024}', '\u{FE52}', '\u{FF0E}']),
    ('%', &['\u{FE6A}', '\u{FF05}', '\u{66A}']),
    (';', &['\u{37E}', '\u{FE54}', '\u{FF1B}']),
    ('?', &['\u{FE56}', '\u{FF1F}']),
    ('#', &['\u{FE5F}', '\u{FF03}']),
    (' ', &['\u{A0}', '\u{3000}']),
];
