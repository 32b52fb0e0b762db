//! A bounded number of runs, on every change.

use std::thread;
use ws_sim::{Run, run};

#[test]
fn every_invariant_holds_in_two_thousand_runs() {
    thread::scope(|scope| {
        for half in 0..2 {
            scope.spawn(move || (0..1_000).for_each(|seed| expect_whole(2 * seed + half)));
        }
    });
}

#[test]
fn a_seed_is_one_run() {
    for seed in (0..2_000).step_by(100) {
        let (first, second) = (run(seed, false), run(seed, true));
        assert_eq!(first.hash, second.hash, "seed {seed}");
        assert_eq!(first.counts, second.counts, "seed {seed}");
        assert_ne!(first.hash, run(seed + 1, false).hash, "seed {seed}");
    }
}

#[test]
fn seeds_that_once_failed_hold() {
    let lines = include_str!("seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let mut count = 0;
    for line in lines {
        let seed = line.split(' ').next().and_then(|seed| seed.parse().ok());
        expect_whole(seed.expect("a line begins with a seed"));
        count += 1;
    }
    assert!(count > 0);
}

fn expect_whole(seed: u64) {
    let Run { broken, steps, .. } = run(seed, false);
    assert_eq!(broken, None, "seed {seed}, step {steps}: `cargo run -p ws-sim -- {seed}`");
}
