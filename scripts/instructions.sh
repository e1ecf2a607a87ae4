#!/usr/bin/env bash
# Instructions per operation of apply and codec, counted by callgrind. They do not drift as seconds do, so the counts that are
# committed in benches/instructions.txt are a guard: `--check` fails when one has grown by more than 3 %.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
  cat <<'USAGE'
Usage: scripts/instructions.sh [--check | --write] [SCENARIO…]
  (nothing)   count and print
  --check     count, print, and fail when a count is more than 3 % above benches/instructions.txt
  --write     count, print, and keep the counts in benches/instructions.txt
USAGE
}

mode=print
scenarios=()
for argument in "$@"; do
  case $argument in
    --check) mode=check ;;
    --write) mode=write ;;
    --help | -h) usage; exit 0 ;;
    --*) usage >&2; exit 2 ;;
    *) scenarios+=("$argument") ;;
  esac
done
if [ ${#scenarios[@]} -eq 0 ]; then
  scenarios=(apply_uniform apply_hot apply_holds apply_orders apply_order_holds apply_three_lines apply_shared_by_4 apply_web_and_50_shops
    apply_web_and_200_shops apply_sold_out decode_reserve encode_outcome)
fi

if ! command -v valgrind >/dev/null; then
  apt-get install -y -qq valgrind >/dev/null || { echo "valgrind is missing and could not be installed" >&2; exit 1; }
fi

# The processor's widest instructions are not known to valgrind; the count is of portable code.
program=$(cargo bench -q -p stockhold-machine --bench instructions --no-run --message-format=json |
  python3 -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "instructions":
        print(message["executable"])
')
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# 16 batches of 1,024 operations are counted (crates/machine/benches/instructions.rs).
operations=$((16 * 1024))
table=benches/instructions.txt
failed=0
for scenario in "${scenarios[@]}"; do
  valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*instructions*measured*' \
    --callgrind-out-file="$out/$scenario" "$program" "$scenario" 2>"$out/log" || { cat "$out/log" >&2; exit 1; }
  total=$(sed -n 's/^\(summary\|totals\): \([0-9]*\).*/\2/p' "$out/$scenario" | head -1)
  count=$((total / operations))
  [ "$count" -gt 0 ] || { echo "$scenario counted nothing" >&2; exit 1; }
  before=$(sed -n "s/^$scenario \([0-9]*\)$/\1/p" "$table" 2>/dev/null || true)
  printf '%-26s %6d instructions per operation%s\n' "$scenario" "$count" "${before:+ (kept: $before)}"
  if [ $mode = check ]; then
    [ -n "$before" ] || { echo "$scenario has no count in $table" >&2; failed=1; continue; }
    if [ $((count * 100)) -gt $((before * 103)) ]; then
      echo "$scenario has grown by more than 3 %" >&2
      failed=1
    fi
  fi
  echo "$scenario $count" >>"$out/table"
done
if [ $mode = write ]; then
  cp "$out/table" "$table"
fi
exit $failed
