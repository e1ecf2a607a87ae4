//! Replays every seed, every input of the kept corpora and every earlier finding.

use std::fs;
use std::path::Path;

use super::bodies::TARGETS;
use super::bodies::seeds::seeds;
use stockhold::storage::memory::scramble;

/// The maximum number of inputs that `scripts/fuzz.sh` keeps of each corpus, and the minimum of the smallest corpus.
const KEPT_MAX: usize = 200;
const KEPT_MIN: usize = 40;
/// The minimum number of earlier findings.
const REGRESSIONS_MIN: [(&str, usize); 2] = [("segment", 5), ("snapshot", 2)];
/// The number of changed seeds per target, unless `STOCKHOLD_DRAWN` sets another.
const DRAWN: u64 = 60;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The inputs of one kind for a target, by name; none if the folder does not exist.
fn kept(root: &Path, kind: &str, target: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(root.join("fuzz").join(kind).join(target)) else { return Vec::new() };
    let mut inputs: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

/// Checks that the corpus of a target is large enough to be useful and small enough for a clone.
fn check_kept(root: &Path, target: &str) -> Result<(), String> {
    let corpus = kept(root, "corpus", target).len();
    if !(KEPT_MIN..=KEPT_MAX).contains(&corpus) {
        return Err(format!("fuzz/corpus/{target} has {corpus} inputs, not {KEPT_MIN} to {KEPT_MAX}"));
    }
    let least = REGRESSIONS_MIN.iter().find(|(of, _)| *of == target).map_or(0, |(_, least)| *least);
    let regressions = kept(root, "regressions", target).len();
    if regressions < least {
        return Err(format!("fuzz/regressions/{target} has {regressions} inputs, not {least}"));
    }
    Ok(())
}

#[test]
fn a_lost_corpus_is_noticed() {
    // Proves that there is something to replay for every target, and that an empty folder or a missing finding is
    // noticed.
    for (target, _) in TARGETS {
        assert_eq!(check_kept(root(), target), Ok(()));
    }
    let elsewhere = tempfile::tempdir().unwrap();
    for (target, _) in TARGETS {
        let folder = elsewhere.path().join("fuzz/corpus").join(target);
        assert!(check_kept(elsewhere.path(), target).is_err(), "{target} has no folder");
        fs::create_dir_all(&folder).unwrap();
        assert!(check_kept(elsewhere.path(), target).is_err(), "{target} has no inputs");
        for number in 0..KEPT_MIN {
            fs::write(folder.join(number.to_string()), "").unwrap();
        }
        let has_finds = REGRESSIONS_MIN.iter().any(|(of, _)| *of == target);
        assert_eq!(check_kept(elsewhere.path(), target).is_err(), has_finds, "{target} has no finds");
    }
}

#[test]
fn what_the_fuzzers_kept_still_holds() {
    // Proves for every target that the seeds, the corpus and earlier findings (`fuzz/regressions`) pass.
    let seeds = seeds(root());
    for (target, body) in TARGETS {
        let made = seeds
            .iter()
            .filter(|(of, ..)| *of == target)
            .map(|(_, name, bytes)| (name.clone(), bytes.clone()));
        let inputs: Vec<_> =
            made.chain(kept(root(), "corpus", target)).chain(kept(root(), "regressions", target)).collect();
        assert!(!inputs.is_empty(), "{target} has seeds");
        for (name, bytes) in inputs {
            let outcome = std::panic::catch_unwind(|| body(&bytes));
            assert!(outcome.is_ok(), "{target} breaks a promise on {name}");
        }
    }
}

#[test]
fn seeds_with_drawn_changes_hold() {
    // Proves a part of what the fuzzing engine proves, where there is no engine: changed, cut or repeated bytes pass.
    let drawn = std::env::var("STOCKHOLD_DRAWN").map_or(DRAWN, |number| number.parse().unwrap());
    let seeds = seeds(root());
    for (target, body) in TARGETS {
        let of: Vec<&Vec<u8>> =
            seeds.iter().filter(|(other, ..)| *other == target).map(|(.., bytes)| bytes).collect();
        for number in 0..drawn {
            let mut state = number;
            let mut draw = |count: usize| {
                state = scramble(state.wrapping_add(0x9E37_79B9_7F4A_7C15));
                usize::try_from(state % u64::try_from(count).unwrap().max(1)).unwrap()
            };
            let mut bytes = of[draw(of.len())].clone();
            for _ in 0..draw(8) {
                let at = draw(bytes.len() + 1);
                match draw(4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => bytes.insert(at, u8::try_from(draw(256)).unwrap()),
                    2 => bytes.extend_from_within(at..(at + draw(40)).min(bytes.len())),
                    _ if at < bytes.len() => bytes[at] = u8::try_from(draw(256)).unwrap(),
                    _ => {}
                }
            }
            let outcome = std::panic::catch_unwind(|| body(&bytes));
            assert!(outcome.is_ok(), "{target} breaks a promise on {bytes:?}");
        }
    }
}

#[test]
fn the_kept_seeds_are_those_of_the_encoders() {
    // Proves that `fuzz/seeds` was written again after the last change of an encoder; `STOCKHOLD_GOLDEN=write` writes
    // it.
    let is_to_be_written = std::env::var("STOCKHOLD_GOLDEN").is_ok_and(|word| word == "write");
    for (target, name, bytes) in seeds(root()) {
        let folder = root().join("fuzz/seeds").join(target);
        if is_to_be_written {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(&name), &bytes).unwrap();
        }
        assert!(
            fs::read(folder.join(&name)).unwrap_or_default() == bytes,
            "{target}/{name} is another today"
        );
    }
}
