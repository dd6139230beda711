//! Rejects characters that some programs replace or ignore, and text that is not in Unicode NFC.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::engine::matching::path::{BadPath, CharacterRule, Checked, PathRules};

/// Checks each character of a decoded path, and that the path is in Unicode NFC.
pub(super) fn check(text: &str, rules: &PathRules) -> Result<Checked, BadPath> {
    let mut checked = Checked::Ordinary;
    for character in text.chars().filter(|character| !character.is_ascii()) {
        if check_one(character, rules)? == Checked::Kept {
            checked = Checked::Kept;
        }
    }
    if is_nfc(text) { Ok(checked) } else { Err(BadPath::NotNfc) }
}

fn check_one(character: char, rules: &PathRules) -> Result<Checked, BadPath> {
    let by = |rule, broken| match rule {
        CharacterRule::Reject => Err(broken),
        CharacterRule::Keep => Ok(Checked::Kept),
    };
    if character.is_control() {
        return Err(BadPath::Control);
    }
    if is_invisible(character) {
        return by(rules.invisible, BadPath::Invisible);
    }
    if is_look_alike(character) {
        return by(rules.look_alikes, BadPath::LookAlike);
    }
    Ok(Checked::Ordinary)
}

/// Whether some programs ignore the character.
pub(super) fn is_invisible(character: char) -> bool {
    INVISIBLE.contains(&character)
}

/// Whether some programs read the character as one or more ASCII characters.
pub(super) fn is_look_alike(character: char) -> bool {
    LOOK_ALIKES.contains(&character) || is_compatible(character)
}

/// Returns what such programs read in its place. Other characters stay.
pub(super) fn fit(character: char) -> impl Iterator<Item = char> {
    let best = BEST_FIT.iter().find(|(from, _)| *from == character).map(|(_, ascii)| *ascii);
    let fitted = best.unwrap_or(character);
    let by_nfkc = best.is_none() && is_look_alike(character);
    let nfkc = by_nfkc.then(|| std::iter::once(character).nfkc());
    let one = (!by_nfkc).then_some(fitted);
    nfkc.into_iter().flatten().chain(one)
}

/// Whether Unicode's compatibility folding (NFKC) maps the character to ASCII.
fn is_compatible(character: char) -> bool {
    let position = COMPATIBLE.partition_point(|(_, last)| *last < character);
    COMPATIBLE.get(position).is_some_and(|(first, _)| *first <= character)
}

/// Characters that programs with "best fit" code pages (932, 949, 1252), or people, read as one of `/ \\ . % ; ? #`
/// (Unicode's confusables.txt). NFKC maps most of them too.
pub(crate) const LOOK_ALIKES: &[char] = &[
    '\u{2044}', '\u{2215}', '\u{29F8}', '\u{FF0F}', // slashes
    '\u{2216}', '\u{29F5}', '\u{29F9}', '\u{FE68}', '\u{FF3C}', '\u{A5}', '\u{20A9}', // backslashes
    '\u{2024}', '\u{2025}', '\u{2026}', '\u{FE52}', '\u{FF0E}', // dots
    '\u{FE6A}', '\u{FF05}', '\u{066A}', // percent signs
    '\u{037E}', '\u{FE54}', '\u{FF1B}', // semicolons
    '\u{FE56}', '\u{FF1F}', '\u{FE5F}', '\u{FF03}', // what begins a query or a fragment
];

/// The look-alikes that NFKC does not map to ASCII.
const BEST_FIT: &[(char, char)] = &[
    ('\u{2044}', '/'),
    ('\u{2215}', '/'),
    ('\u{29F8}', '/'),
    ('\u{2216}', '\\'),
    ('\u{29F5}', '\\'),
    ('\u{29F9}', '\\'),
    ('\u{A5}', '\\'),
    ('\u{20A9}', '\\'),
    ('\u{066A}', '%'),
];

/// Characters that some programs ignore (NFKC_Casefold, HFS+), and white space that NFKC does not change.
const INVISIBLE: &[char] = &[
    '\u{AD}', '\u{34F}', '\u{61C}', '\u{1680}', '\u{180E}', '\u{200B}', '\u{200C}', '\u{200D}', '\u{200E}',
    '\u{200F}', '\u{2028}', '\u{2029}', '\u{202A}', '\u{202B}', '\u{202C}', '\u{202D}', '\u{202E}',
    '\u{2060}', '\u{2061}', '\u{2062}', '\u{2063}', '\u{2064}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}', '\u{FE0E}', '\u{FE0F}', '\u{FEFF}',
];

/// Sorted ranges (first, last) of the non-ASCII characters whose NFKC form contains ASCII (Unicode 18.0).
const COMPATIBLE: &[(char, char)] = &[
    ('\u{00A0}', '\u{00A0}'),
    ('\u{00A8}', '\u{00A8}'),
    ('\u{00AA}', '\u{00AA}'),
    ('\u{00AF}', '\u{00AF}'),
    ('\u{00B2}', '\u{00B4}'),
    ('\u{00B8}', '\u{00BA}'),
    ('\u{00BC}', '\u{00BE}'),
    ('\u{0132}', '\u{0133}'),
    ('\u{013F}', '\u{0140}'),
    ('\u{0149}', '\u{0149}'),
    ('\u{017F}', '\u{017F}'),
    ('\u{01C4}', '\u{01CC}'),
    ('\u{01F1}', '\u{01F3}'),
    ('\u{02B0}', '\u{02B0}'),
    ('\u{02B2}', '\u{02B3}'),
    ('\u{02B7}', '\u{02B8}'),
    ('\u{02D8}', '\u{02DD}'),
    ('\u{02E1}', '\u{02E3}'),
    ('\u{037A}', '\u{037A}'),
    ('\u{037E}', '\u{037E}'),
    ('\u{0384}', '\u{0385}'),
    ('\u{1D2C}', '\u{1D2C}'),
    ('\u{1D2E}', '\u{1D2E}'),
    ('\u{1D30}', '\u{1D31}'),
    ('\u{1D33}', '\u{1D3A}'),
    ('\u{1D3C}', '\u{1D3C}'),
    ('\u{1D3E}', '\u{1D43}'),
    ('\u{1D47}', '\u{1D49}'),
    ('\u{1D4D}', '\u{1D4D}'),
    ('\u{1D4F}', '\u{1D50}'),
    ('\u{1D52}', '\u{1D52}'),
    ('\u{1D56}', '\u{1D58}'),
    ('\u{1D5B}', '\u{1D5B}'),
    ('\u{1D62}', '\u{1D65}'),
    ('\u{1D9C}', '\u{1D9C}'),
    ('\u{1DA0}', '\u{1DA0}'),
    ('\u{1DBB}', '\u{1DBB}'),
    ('\u{1E9A}', '\u{1E9A}'),
    ('\u{1FBD}', '\u{1FBD}'),
    ('\u{1FBF}', '\u{1FC1}'),
    ('\u{1FCD}', '\u{1FCF}'),
    ('\u{1FDD}', '\u{1FDF}'),
    ('\u{1FED}', '\u{1FEF}'),
    ('\u{1FFD}', '\u{1FFE}'),
    ('\u{2000}', '\u{200A}'),
    ('\u{2017}', '\u{2017}'),
    ('\u{2024}', '\u{2026}'),
    ('\u{202F}', '\u{202F}'),
    ('\u{203C}', '\u{203C}'),
    ('\u{203E}', '\u{203E}'),
    ('\u{2047}', '\u{2049}'),
    ('\u{205F}', '\u{205F}'),
    ('\u{2070}', '\u{2071}'),
    ('\u{2074}', '\u{207A}'),
    ('\u{207C}', '\u{208A}'),
    ('\u{208C}', '\u{208E}'),
    ('\u{2090}', '\u{2093}'),
    ('\u{2095}', '\u{209F}'),
    ('\u{20A8}', '\u{20A8}'),
    ('\u{2100}', '\u{2103}'),
    ('\u{2105}', '\u{2106}'),
    ('\u{2109}', '\u{210E}'),
    ('\u{2110}', '\u{2113}'),
    ('\u{2115}', '\u{2116}'),
    ('\u{2119}', '\u{211D}'),
    ('\u{2120}', '\u{2122}'),
    ('\u{2124}', '\u{2124}'),
    ('\u{2128}', '\u{2128}'),
    ('\u{212A}', '\u{212A}'),
    ('\u{212C}', '\u{212D}'),
    ('\u{212F}', '\u{2131}'),
    ('\u{2133}', '\u{2134}'),
    ('\u{2139}', '\u{2139}'),
    ('\u{213B}', '\u{213B}'),
    ('\u{2145}', '\u{2149}'),
    ('\u{2150}', '\u{217F}'),
    ('\u{2189}', '\u{2189}'),
    ('\u{2460}', '\u{24EA}'),
    ('\u{2A74}', '\u{2A76}'),
    ('\u{2C7C}', '\u{2C7D}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{309B}', '\u{309C}'),
    ('\u{3200}', '\u{321E}'),
    ('\u{3220}', '\u{3243}'),
    ('\u{3250}', '\u{325F}'),
    ('\u{32B1}', '\u{32CF}'),
    ('\u{3358}', '\u{337A}'),
    ('\u{3380}', '\u{33FF}'),
    ('\u{A7F1}', '\u{A7F4}'),
    ('\u{FB00}', '\u{FB06}'),
    ('\u{FB29}', '\u{FB29}'),
    ('\u{FC5E}', '\u{FC63}'),
    ('\u{FDFA}', '\u{FDFB}'),
    ('\u{FE10}', '\u{FE10}'),
    ('\u{FE13}', '\u{FE16}'),
    ('\u{FE19}', '\u{FE19}'),
    ('\u{FE30}', '\u{FE30}'),
    ('\u{FE33}', '\u{FE38}'),
    ('\u{FE47}', '\u{FE50}'),
    ('\u{FE52}', '\u{FE52}'),
    ('\u{FE54}', '\u{FE57}'),
    ('\u{FE59}', '\u{FE5C}'),
    ('\u{FE5F}', '\u{FE66}'),
    ('\u{FE68}', '\u{FE6B}'),
    ('\u{FE70}', '\u{FE70}'),
    ('\u{FE72}', '\u{FE72}'),
    ('\u{FE74}', '\u{FE74}'),
    ('\u{FE76}', '\u{FE76}'),
    ('\u{FE78}', '\u{FE78}'),
    ('\u{FE7A}', '\u{FE7A}'),
    ('\u{FE7C}', '\u{FE7C}'),
    ('\u{FE7E}', '\u{FE7E}'),
    ('\u{FF01}', '\u{FF5E}'),
    ('\u{FFE3}', '\u{FFE3}'),
    ('\u{107A5}', '\u{107A5}'),
    ('\u{1CCD6}', '\u{1CCF9}'),
    ('\u{1D400}', '\u{1D454}'),
    ('\u{1D456}', '\u{1D49C}'),
    ('\u{1D49E}', '\u{1D49F}'),
    ('\u{1D4A2}', '\u{1D4A2}'),
    ('\u{1D4A5}', '\u{1D4A6}'),
    ('\u{1D4A9}', '\u{1D4AC}'),
    ('\u{1D4AE}', '\u{1D4B9}'),
    ('\u{1D4BB}', '\u{1D4BB}'),
    ('\u{1D4BD}', '\u{1D4C3}'),
    ('\u{1D4C5}', '\u{1D505}'),
    ('\u{1D507}', '\u{1D50A}'),
    ('\u{1D50D}', '\u{1D514}'),
    ('\u{1D516}', '\u{1D51C}'),
    ('\u{1D51E}', '\u{1D539}'),
    ('\u{1D53B}', '\u{1D53E}'),
    ('\u{1D540}', '\u{1D544}'),
    ('\u{1D546}', '\u{1D546}'),
    ('\u{1D54A}', '\u{1D550}'),
    ('\u{1D552}', '\u{1D6A3}'),
    ('\u{1D7CE}', '\u{1D7FF}'),
    ('\u{1F100}', '\u{1F10A}'),
    ('\u{1F110}', '\u{1F12E}'),
    ('\u{1F130}', '\u{1F14F}'),
    ('\u{1F16A}', '\u{1F16C}'),
    ('\u{1F190}', '\u{1F190}'),
    ('\u{1FBF0}', '\u{1FBF9}'),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nfkc_mapping_to_ascii_is_listed() {
        for character in '\u{80}'..=char::MAX {
            let ascii = std::iter::once(character).nfkc().any(|folded| folded.is_ascii());
            assert_eq!(is_compatible(character), ascii, "{}", character.escape_unicode());
        }
    }

    #[test]
    fn every_look_alike_maps_to_ascii() {
        for character in '\u{80}'..=char::MAX {
            let read: String = fit(character).flat_map(fit).collect();
            let is_ascii = read.chars().any(|read| read.is_ascii());
            assert_eq!(is_ascii, is_look_alike(character), "{}", character.escape_unicode());
        }
    }
}
