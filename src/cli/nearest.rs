//! Slips of the pen: which of the known names was meant.

use strsim::jaro_winkler;

/// `did you mean …?`, where one of the known names is near.
pub(super) fn did_you_mean<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let near = known.map(|known| (jaro_winkler(name, known), known)).filter(|(nearness, _)| *nearness > NEAR);
    near.max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| format!("did you mean `{known}`?"))
}

const NEAR: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_meant_if_it_is_near() {
        let known = ["ci-deploy", "ci-destroy", "alice"];
        let meant = |name| did_you_mean(name, known.into_iter());
        for (name, near) in [("ci-deply", "ci-deploy"), ("deploy", "ci-deploy"), ("alcie", "alice")] {
            assert_eq!(meant(name), Some(format!("did you mean `{near}`?")));
        }
        assert_eq!((meant("bob"), meant("")), (None, None));
    }
}
