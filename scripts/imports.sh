#!/usr/bin/env bash
# Imports a million rows into a new server, exports them, and compares the bytes; then imports them again, dry and not,
# in another order, and with other quantities. Prints the seconds of each step. `scripts/imports.sh [ROWS]`, with a
# release build.
set -euo pipefail
cd "$(dirname "$0")/.."
rows=${1:-1000000}
program=${STOCKHOLD:-target/release/stockhold}
work=$(mktemp -d)
server=
end() {
  if [[ -n $server ]]; then kill "$server" && wait "$server" || true; fi
  rm -rf "$work"
}
trap end EXIT

"$program" format "$work/data" >/dev/null
"$program" serve --json --listen 127.0.0.1:0 --data-dir "$work/data" >"$work/ready" 2>/dev/null &
server=$!
until [[ -s $work/ready ]]; do sleep 0.1; done
STOCKHOLD_SERVER=$(sed 's/.*"address":"\([^"]*\)".*/\1/' "$work/ready")
export STOCKHOLD_SERVER
"$program" define source east --name East --country US --postcode 1 >/dev/null

# Rows whose quantities have $1 added, $2 of them.
file() {
  awk -v rows="${2:-$rows}" -v add="$1" 'BEGIN {
    print "source_code,sku,status,quantity"
    for (n = 1; n <= rows; n++) printf "east,SKU-%08d,1,%d.0000\n", n, n % 1000 + add
  }'
}
file 0 >"$work/rows.csv"
file 1 >"$work/other.csv"
(head -1 "$work/rows.csv"; tail -n +2 "$work/rows.csv" | shuf --random-source=<(yes)) >"$work/shuffled.csv"

file 0 3 | sed 's/SKU/NEW/' >"$work/new.csv"

# A step: what it is, what its report must contain, and the command.
step() {
  local what=$1 expected=$2 begin report
  shift 2
  begin=$(date +%s.%N)
  report=$("$program" "$@" | tail -1)
  printf '%-36s %6.1f s\n' "$what" "$(echo "$(date +%s.%N) - $begin" | bc)"
  if [[ $report != *"$expected"* ]]; then
    echo "expected \"$expected\", but: $report" >&2
    exit 1
  fi
}
all="$rows updated, 0 unchanged, 0 deleted, 0 refused"
step 'import of new SKUs' "$rows source items created, 0 updated" import "$work/rows.csv" --no-mark
step 'export' "$rows source items" export "$work/exported.csv"
cmp "$work/rows.csv" "$work/exported.csv" && echo 'the export has the bytes of the file'
step 'import again, nothing to change' "0 updated, $rows unchanged" import "$work/rows.csv" --no-mark
step 'dry run of other quantities' "$all" import "$work/other.csv" --dry-run
step 'import of other quantities' "$all" import "$work/other.csv" --no-mark
step 'dry run in another order' "$all" import "$work/shuffled.csv" --dry-run
step 'import in another order' "$all" import "$work/shuffled.csv" --no-mark
step 'dry run of three new SKUs' '3 source items created' import "$work/new.csv" --dry-run
