//! Making a failure small.

use std::collections::BTreeSet;

/// The steps up to `steps` that can be left out while the failure stays: ever smaller groups are
/// left out, and what the failure needs is put back.
pub(crate) fn needless(steps: u64, still_fails: impl Fn(&BTreeSet<u64>) -> bool) -> BTreeSet<u64> {
    let mut without = BTreeSet::new();
    let mut size = steps.max(1);
    loop {
        let kept: Vec<_> = (1..=steps).filter(|step| !without.contains(step)).collect();
        let before = without.len();
        for group in kept.chunks(usize::try_from(size).unwrap_or(usize::MAX)) {
            let mut fewer = without.clone();
            fewer.extend(group);
            if still_fails(&fewer) {
                without = fewer;
            }
        }
        // Single steps are tried until none of them can go.
        if size == 1 && without.len() == before {
            return without;
        }
        size = (size / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_failure_needs_is_all_that_stays() {
        let needed = BTreeSet::from([3, 17, 40]);
        let without = needless(120, |without| without.is_disjoint(&needed));
        let kept: BTreeSet<_> = (1..=120).filter(|step| !without.contains(step)).collect();
        assert_eq!(kept, needed);
    }

    #[test]
    fn a_step_that_only_another_one_needs_goes_with_it() {
        let fails = |without: &BTreeSet<u64>| {
            let is_kept = |step: u64| !without.contains(&step);
            is_kept(5) && (is_kept(8) || !is_kept(9))
        };
        assert_eq!((1..=20).filter(|step| !needless(20, fails).contains(step)).count(), 1);
    }
}
