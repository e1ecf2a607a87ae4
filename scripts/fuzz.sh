#!/usr/bin/env bash
# Fuzzes: scripts/fuzz.sh [--minutes N] [target…]. Each target runs for N minutes of CPU time (default 10), one after the other, from
# its seeds, its kept corpus and the finds of the past. What it learns is minimised into fuzz/corpus, the run is told in fuzz/logs, and
# an input that breaks a promise lands in fuzz/artifacts and ends the script with 1. Keep such an input in fuzz/regressions.
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
# Seconds of a round, after which the CPU time is counted; most bytes of an input that is kept; most bytes kept per target.
round_s=60 input_bytes_max=2048 kept_bytes_max=150000

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

# Keeps the smallest inputs that together reach what the run reached, as far as they may be kept.
keep() {
  local target=$1 merged
  merged=$(mktemp -d)
  "$programs/$target" -merge=1 -max_len=$input_bytes_max "$merged" "seeds/$target" "corpus/$target" "work/$target" 2>/dev/null
  rm -rf "corpus/$target"
  mkdir -p "corpus/$target"
  local kept=0 bytes file
  while read -r bytes file; do
    ((kept + bytes <= kept_bytes_max)) || break
    kept=$((kept + bytes))
    cp "$merged/$file" "corpus/$target/"
  done < <(cd "$merged" && find . -type f -printf '%s %f\n' | sort -n)
  rm -rf "$merged"
}

failed=()
for target in "${targets[@]}"; do
  echo "== $target: $minutes CPU-minutes"
  fuzz "$target" || failed+=("$target")
  head -9 "logs/$target.txt"
done
if ((${#failed[@]})); then
  echo "these broke a promise: ${failed[*]}" >&2
  exit 1
fi
