//! The crash test over many seeds; with feature `mutants` it has to find each deliberate defect. Many more seeds run by
//! `cargo xtask soak power`.

use forebay_store::conformance::crash::{CrashStats, run_seed};

const SEEDS: u64 = 60;
const LIVES: u32 = 12;

#[test]
fn no_power_cut_loses_invents_or_reorders_anything() {
    let mut sum = CrashStats::default();
    for seed in 0..SEEDS {
        let stats = run_seed(seed, LIVES).unwrap();
        sum.cuts += stats.cuts;
        sum.cuts_while_opening += stats.cuts_while_opening;
        sum.durable += stats.durable;
        sum.freed += stats.freed;
        sum.checkpoints += stats.checkpoints;
        sum.unreported += stats.unreported;
        sum.torn += stats.torn;
        sum.write_errors += stats.write_errors;
    }
    println!("{sum:?}");
    // The test is worth something only if all of this happened.
    assert!(sum.cuts > SEEDS * u64::from(LIVES) && sum.cuts_while_opening > 50, "{sum:?}");
    assert!(sum.freed > 50 && sum.checkpoints > 200 && sum.unreported > 20, "{sum:?}");
    assert!(sum.torn > 20 && sum.write_errors > 20, "{sum:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [7, 8, 9, 1000] {
        assert_eq!(run_seed(seed, 8), run_seed(seed, 8));
    }
}

#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use forebay_store::mutant;

    fn caught(name: &'static str) -> u64 {
        mutant::choose(Some(name));
        let mut caught = 0;
        for seed in 0..SEEDS {
            if let Err(error) = run_seed(seed, LIVES) {
                if caught == 0 {
                    println!("{name}: {error}");
                }
                caught += 1;
            }
        }
        mutant::choose(None);
        println!("{name}: caught by {caught} of {SEEDS} seeds");
        caught
    }

    #[test]
    fn reporting_before_the_write_is_caught() {
        assert!(caught(mutant::ACK_BEFORE_SYNC) > SEEDS / 2);
    }

    #[test]
    fn a_write_without_a_sync_is_caught() {
        assert!(caught(mutant::NO_SYNC) > SEEDS / 2);
    }

    #[test]
    fn names_without_a_folder_sync_are_caught() {
        assert!(caught(mutant::NO_FOLDER_SYNC) > 0);
    }

    #[test]
    fn freeing_a_segment_before_its_checkpoint_is_caught() {
        assert!(caught(mutant::FREE_BEFORE_CHECKPOINT) > 0);
    }
}
