//! Suggestions for misspelled names: the name that was probably meant, and the known names.

use strsim::damerau_levenshtein;

/// `did you mean …?` if a known name is similar, and the known names.
pub(super) fn help(what: &str, name: &str, known: &[&str]) -> String {
    let near = did_you_mean(name, known.iter().copied()).map(|near| format!("{near} ")).unwrap_or_default();
    format!("{near}{}", listed(what, known))
}

/// `did you mean …?` if one of the known names is similar.
pub(super) fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    let known = known.into_iter().filter(|known| *known != name);
    let known = known.map(|known| (damerau_levenshtein(name, known), known));
    let near = known.filter(|(slips, known)| *slips <= known.chars().count() / LETTERS_PER_SLIP);
    near.min_by_key(|(slips, _)| *slips).map(|(_, known)| format!("did you mean `{known}`?"))
}

/// The known names, or the first ones if there are many.
fn listed(what: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return format!("there is no {what} yet");
    }
    let names: Vec<String> = known.iter().take(MOST).map(|name| format!("`{name}`")).collect();
    let more = known.len().saturating_sub(MOST);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("known: {}{more}", names.join(", "))
}

/// A similar name has at most one mistake (a missing, extra, wrong or swapped letter) per this many letters.
const LETTERS_PER_SLIP: usize = 3;
/// Maximum number of names in a list.
const MOST: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_name_is_suggested() {
        let known = ["ci-deploy", "ci-destroy", "alice"];
        let meant = |name| did_you_mean(name, known);
        for (name, near) in [("ci-deply", "ci-deploy"), ("deploy", "ci-deploy"), ("alcie", "alice")] {
            assert_eq!(meant(name), Some(format!("did you mean `{near}`?")));
        }
        assert_eq!((meant("bob"), meant("")), (None, None));
    }

    #[test]
    fn help_lists_known_names() {
        let many: Vec<String> = (1..=14).map(|number| format!("role-{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let shown = help("role", "roel-3", &many);
        assert!(shown.starts_with("did you mean `role-3`? known: `role-1`, "), "{shown}");
        assert!(shown.ends_with("`role-12` and 2 more"), "{shown}");
        assert_eq!(help("role", "reader", &[]), "there is no role yet");
    }
}
