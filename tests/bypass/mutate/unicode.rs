//! Characters that some programs take for others, or do not see.

use crate::generate::Draft;
use crate::mutate::Mutator;
use crate::mutate::path::escape;
use crate::random::Random;
use crate::steps::{INVISIBLE, look_alikes};

pub(crate) const MUTATORS: [Mutator; 2] =
    [Mutator { name: "look-alike", apply: look_alike }, Mutator { name: "invisible", apply: invisible }];

/// A character that some fold to one of the path's, or to two.
fn look_alike(draft: &mut Draft, random: &mut Random) {
    let path = draft.path();
    for _ in 0..=random.below(3) {
        let at = random.below(path.len().max(1));
        let rest = path[at..].to_ascii_lowercase();
        let fits: Vec<_> =
            look_alikes().iter().filter(|(text, _)| rest.starts_with(text.as_bytes())).collect();
        if fits.is_empty() {
            continue;
        }
        // Those for two characters are rare, and the more interesting.
        let long: Vec<_> = fits.iter().copied().filter(|(text, _)| text.len() > 1).collect();
        let (text, character) = random.one_of(if long.is_empty() { &fits } else { &long });
        path.splice(at..at + text.len(), encoded(*character, random));
    }
}

fn invisible(draft: &mut Draft, random: &mut Random) {
    let character = encoded(random.one_of(&INVISIBLE), random);
    let path = draft.path();
    let at = 1 + random.below(path.len().max(1));
    let at = at.min(path.len());
    path.splice(at..at, character);
}

fn encoded(character: char, random: &mut Random) -> Vec<u8> {
    let mut bytes = [0; 4];
    let bytes = character.encode_utf8(&mut bytes).as_bytes();
    if random.once_in(6) {
        return bytes.to_vec();
    }
    bytes.iter().flat_map(|byte| escape(*byte, random)).collect()
}
