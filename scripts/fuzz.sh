#!/usr/bin/env bash
# Fuzzes: scripts/fuzz.sh [--minutes N] [target…]. Each target runs for N minutes of CPU time (default 10), one after the other, from
# its seeds, its kept corpus and the finds of the past. What it learns is minimised into fuzz/corpus, the run is told in fuzz/logs, and
# an input that breaks a promise lands in fuzz/artifacts and ends the script with 1. Keep such an input in fuzz/regressions.
# With --minutes 0 nothing is fuzzed: what is kept is minimised anew.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

minutes=10
targets=()
while (($#)); do
  case $1 in
    --minutes) minutes=$2; shift 2 ;;
    *) targets+=("$1"); shift ;;
  esac
done
((${#targets[@]})) || targets=(frame command session segment snapshot csv catalog machine_model)

command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
# The code under test has next to no unsafe code, so no sanitizer: that needs no nightly toolchain and runs twice as fast. Debug
# assertions and overflow checks are armed (fuzz/Cargo.toml).
target_dir=${CARGO_TARGET_DIR:-target}
build=(cargo fuzz build --sanitizer none --target-dir "$target_dir")
"${build[@]}"
programs=$target_dir/$(rustc -vV | sed -n 's/^host: //p')/release
# Seconds of a round, after which the CPU time is counted; most bytes of an input that is kept; most inputs kept per target.
round_s=60 input_bytes_max=2048 kept_max=200

fuzz() {
  local target=$1 work=work/$1 found=artifacts/$1 log=logs/$1.txt out
  mkdir -p "$work" "$found" "corpus/$target" "regressions/$target" logs
  out=$(mktemp)
  local cpu=0 executions=0 begun finding=0
  begun=$(date -u +%FT%TZ)
  local flags=(-max_total_time=$round_s -timeout=10 -rss_limit_mb=1024 -max_len=8192
    -print_final_stats=1 "-artifact_prefix=$found/")
  while ((cpu < minutes * 60)); do
    local used
    TIMEFORMAT=%U
    used=$({ time "$programs/$target" "${flags[@]}" "$work" "corpus/$target" "seeds/$target" "regressions/$target" \
      >"$out" 2>&1 || true; } 2>&1)
    cpu=$((cpu + ${used%%.*}))
    executions=$((executions + $(sed -n 's/^stat::number_of_executed_units: *//p' "$out" | tail -1)))
    if ! grep -q '^Done ' "$out"; then finding=1; break; fi
  done
  {
    echo "target      $target"
    echo "begun       $begun"
    echo "toolchain   $(rustc -V)"
    echo "command     scripts/fuzz.sh --minutes $minutes $target"
    echo "flags       ${flags[*]}"
    echo "cpu seconds $cpu"
    echo "executions  $executions"
    echo "finding     $([[ $finding == 0 ]] && echo none || echo yes)"
    echo "the last round ended with:"
    grep -E '\sDONE |^stat::|panicked|ERROR' "$out" | sed "s#$(cd .. && pwd)/##g" | tail -12
  } >"$log"
  if ((finding)); then
    tail -40 "$out"
    return 1
  fi
  keep "$target"
}

# Keeps the inputs that together reach what the run reached, as far as they may be kept: first those that reach most of what neither the
# seeds nor the finds of the past nor an input before them reaches.
keep() {
  local target=$1 known control
  known=$(mktemp -d) control=$(mktemp)
  cp "seeds/$target/"* "$known/"
  find "regressions/$target" -type f -exec cp {} "$known/" \; 2>/dev/null || true
  mkdir -p "work/$target" "corpus/$target"
  # What counts is which edges are reached, not how often: those are few enough to be kept.
  "$programs/$target" -set_cover_merge=1 -use_counters=0 -max_len=$input_bytes_max -merge_control_file="$control" \
    "$known" "corpus/$target" "work/$target" >/dev/null 2>&1
  python3 - "$control" "$known" "corpus/$target" "$kept_max" <<'PYTHON'
import os, pathlib, sys

control, known, corpus, most = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]), int(sys.argv[4])
lines = open(control).read().splitlines()
names, reached = lines[2 : 2 + int(lines[0])], {}
for line in lines[2 + len(names) :]:
    word, number, *features = line.split()
    if word == "FT":
        reached[names[int(number)]] = set(features)
left = set().union(*reached.values())
everything = len(left)
for name in [name for name in reached if os.path.dirname(name) == known]:
    left -= reached.pop(name)
inputs = {name: open(name, "rb").read() for name in reached}
kept = {}
while left and len(kept) < most:
    # Of inputs that reach as much, the smallest; of those the first by name, so that the choice is always the same.
    best = min(reached, key=lambda name: (-len(reached[name] & left), len(inputs[name]), os.path.basename(name)))
    left -= reached.pop(best)
    kept[os.path.basename(best)] = inputs[best]
for old in corpus.iterdir():
    old.unlink()
for name, content in kept.items():
    (corpus / name).write_bytes(content)
print(f"kept {len(kept)} inputs, which reach {everything - len(left)} of {everything} edges together with the seeds")
PYTHON
  rm -rf "$known" "$control"
}

failed=()
for target in "${targets[@]}"; do
  if ((minutes == 0)); then
    echo "== $target"
    keep "$target"
    continue
  fi
  echo "== $target: $minutes CPU-minutes"
  fuzz "$target" || failed+=("$target")
  head -9 "logs/$target.txt"
done
if ((${#failed[@]})); then
  echo "these broke a promise: ${failed[*]}" >&2
  exit 1
fi
