#!/usr/bin/env bash
# This release beside a stand-in for a later one: what CONTRIBUTING.md, "Growing the formats", promises.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'USAGE'
Usage: scripts/upgrade.sh [--help]
Builds the program with the feature `next-release`, which stands in for a later release, beside that of this release, and proves:
  - the later release reads golden directories, logs, snapshots and frames of this one, to the same answers and digests
  - a directory of the later release is refused by this one by name, untouched; one of this release goes on in the later one
  - each release serves the other one in the protocol version that both speak, and nothing unknown is read as a yes
The second program has a target directory of its own, `next-release` in that of the workspace.
USAGE
}

case ${1:-} in
  "") ;;
  --help | -h) usage; exit 0 ;;
  *) usage >&2; exit 2 ;;
esac

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
tests=(-p stockhold -p stockhold-machine-tests -p stockhold-protocol-tests --test in_process --test machine --test protocol)
features=stockhold/next-release,stockhold-machine-tests/next-release,stockhold-protocol-tests/next-release
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# Runs tests and fails when fewer than so many have passed in each program: a filter that meets nothing proves nothing.
run() {
  local programs=$1 least=$2
  shift 2
  "$@" 2>&1 | tee "$out"
  local passed
  passed=$(sed -n 's/^test result: ok\. \([0-9]*\) passed.*/\1/p' "$out")
  [ "$(wc -w <<<"$passed")" -eq "$programs" ] || { echo "not $programs programs of tests ran: $*" >&2; exit 1; }
  for count in $passed; do
    [ "$count" -ge "$least" ] || { echo "only $count tests ran, not $least: $*" >&2; exit 1; }
  done
}

echo "-- the later release reads what this one has left"
run 3 3 cargo test --locked --target-dir "$target/next-release" --features "$features" "${tests[@]}" golden

echo "-- both releases side by side"
# Of the workspace, so that what its tests have built is not built again with other features.
STOCKHOLD_NEXT="$target/next-release/debug/stockhold" run 1 8 cargo test --locked --workspace --test upgrade
