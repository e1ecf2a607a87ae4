#!/usr/bin/env bash
# Archives to, backs up to, restores from and removes from a bucket of a real S3 API (moto, from PyPI, on this machine), with a
# program that has the feature `cloud`. Prints what it checks; exit code 0 = all of it holds.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}"
venv="$target/moto"
if [ ! -x "$venv/bin/moto_server" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet 'moto[server]'
fi
cargo build --locked --quiet --features cloud --bin stockhold
program="$PWD/$target/debug/stockhold"
[ "${target:0:1}" = / ] && program="$target/debug/stockhold"

work=$(mktemp -d)
pids=()
# shellcheck disable=SC2317
finish() {
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$venv/bin/moto_server" -H 127.0.0.1 -p "$port" >"$work/moto.log" 2>&1 &
pids+=($!)
endpoint="http://127.0.0.1:$port"
for _ in $(seq 100); do curl -sf -o /dev/null "$endpoint/moto-api/" && break; sleep 0.1; done
curl -sf -o /dev/null -X PUT "$endpoint/shop"
export AWS_ENDPOINT="$endpoint" AWS_ALLOW_HTTP=true AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any AWS_REGION=us-east-1

objects() { curl -sf "$endpoint/shop?list-type=2&prefix=$1" | grep -o '<Key>[^<]*</Key>' | grep -c "$2" || true; }
field() { python3 -c 'import json, sys; d = json.load(sys.stdin)
for key in sys.argv[1].split("."): d = d[key]
print(d)' "$1"; }
wait_for_archive() {
  for _ in $(seq 300); do
    [ "$("$program" --json --server "$address" status | field metrics.archive_lag_ops)" = 0 ] && return
    sleep 0.2
  done
  echo "the archive does not catch up" >&2
  exit 1
}
check() {
  if [ "$2" != "$3" ]; then echo "$1: $2, expected $3" >&2; exit 1; fi
  echo "$1: $2"
}

"$program" format "$work/data" >/dev/null
mkfifo "$work/ready"
"$program" serve --json --listen 127.0.0.1:0 --data-dir "$work/data" --set archive.url=s3://shop/live \
  --set archive.interval-ms=200 --set archive.keep-snapshots=1 --set logging.level=warn >"$work/ready" 2>"$work/server.log" &
server=$!
pids+=("$server")
read -r line <"$work/ready"
address=$(field address <<<"$line")
call() { "$program" --json --server "$address" "$@" >/dev/null; }
call define source east --name East --country US --postcode 1
call define stock web
call link --stock web --source east
# So many SKUs that the snapshot takes more than one part of an upload.
python3 -c '
print("source_code,sku,status,quantity")
for sku in range(120_000): print(f"east,a-sku-with-a-long-name-{sku:08},1,100")' >"$work/rows.csv"
call import "$work/rows.csv"
for order in 1 2 3; do
  call reserve --stock web --line "a-sku-with-a-long-name-00000007=$order"
  call snapshot
  for _ in $(seq 100); do ls "$work"/data/*.snapshot >/dev/null 2>&1 && break; sleep 0.1; done
  wait_for_archive
done
call reserve --stock web --line a-sku-with-a-long-name-00000007=4
wait_for_archive
for _ in $(seq 100); do [ "$(objects live/ '\.snapshot')" = 1 ] && break; sleep 0.2; done
check "snapshots that retention leaves" "$(objects live/ '\.snapshot')" 1
largest=$(curl -sf "$endpoint/shop?list-type=2" | grep -o '<Size>[0-9]*' | tr -dc '0-9\n' | sort -n | tail -1)
if [ "$largest" -le 8388608 ]; then echo "no object has more than one part: $largest" >&2; exit 1; fi
echo "the largest object in parts: $largest bytes"
kill -TERM "$server"
code=0
wait "$server" || code=$?
check "exit code of the server" "$code" 0
digest=$("$program" --json verify "$work/data" | field digest)

"$program" --json backup --data-dir "$work/data" --to s3://shop/second >"$work/backup.json"
check "digest of the backup" "$("$program" --json backup verify s3://shop/second | field digest)" "$digest"
bytes=$("$program" --json backup --data-dir "$work/data" --to s3://shop/second | field bytes)
check "bytes of the same backup again" "$bytes" 0

rm -rf "$work/data"
check "digest after the loss of the data directory" \
  "$("$program" --json restore --from s3://shop/live --to-dir "$work/restored" | field digest)" "$digest"
code=0
"$program" --json restore --from s3://shop/nothing --to-dir "$work/none" >/dev/null 2>&1 || code=$?
check "exit code for an empty place" "$code" 2
kill -9 "${pids[0]}"
code=0
timeout 300 "$program" --json backup list s3://shop/live >/dev/null 2>&1 || code=$?
check "exit code without a bucket" "$code" 3
