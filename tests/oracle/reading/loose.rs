//! How programs read the characters that a gateway keeps: each habit changes the whole path, in any order and number.
//!
//! This module knows only the few characters that the tests send.

use crate::oracle::reading::target::split;

/// Returns the segments of each loose reading. `end` is the path's trailing slash or empty. Returns `None` if the path
/// is rejected because of a reading.
pub(crate) fn readings(segments: &[String], end: &str) -> Option<Vec<Vec<String>>> {
    let kept = |segment: &String| format!("/{}", segment.replace('/', KEPT));
    let mut texts: Vec<String> = vec![segments.iter().map(kept).collect::<String>() + end];
    let mut next = 0;
    while let Some(text) = texts.get(next).cloned() {
        for habit in HABITS {
            let read = habit(&text)?;
            if !texts.contains(&read) {
                texts.push(read);
            }
        }
        next += 1;
    }
    let readings: Vec<Vec<String>> = texts
        .iter()
        .skip(1)
        .map(|text| split(text).map(|segment| segment.replace(KEPT, "/")).collect())
        .collect();
    let is_hollow =
        |segment: &String| !segment.is_empty() && segment.trim_matches(['.', ' ', '+']).is_empty();
    let refused = texts.len() > 64 || readings.iter().flatten().any(is_hollow);
    (!refused).then_some(readings)
}

const HABITS: [fn(&str) -> Option<String>; 8] = [
    decoded_again,
    |text| Some(text.replace('ａ', "a").replace('／', KEPT).replace('？', "?").replace('；', ";")),
    |text| Some(text.replace('\u{200D}', "")),
    |text| Some(text.replace(KEPT, "/")),
    |text| Some(text.split('?').next().unwrap_or_default().to_owned()),
    |text| {
        let named = text.split('/').map(|segment| segment.split(';').next().unwrap_or_default());
        Some(named.collect::<Vec<_>>().join("/"))
    },
    |text| {
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let end = if text.ends_with('/') && !parts.is_empty() { "/" } else { "" };
        Some(format!("/{}{end}", parts.join("/")))
    },
    |text| {
        let Some(rest) = text.strip_prefix("//") else { return Some(text.to_owned()) };
        Some(rest.split_once('/').map_or_else(|| "/".to_owned(), |(_, path)| format!("/{path}")))
    },
];

/// Decodes again. An escaped slash or backslash stays inside its segment. Returns `None` for non-text bytes.
fn decoded_again(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let escape = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escape {
            Some(b'/' | b'\\') => bytes.extend(KEPT.bytes()),
            Some(byte) => bytes.push(byte),
            None => bytes.push(b'%'),
        }
        bytes.extend(part.bytes().skip(if escape.is_some() { 2 } else { 0 }));
    }
    String::from_utf8(bytes).ok()
}

/// A slash inside a segment.
const KEPT: &str = "\0";
