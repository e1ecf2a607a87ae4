#!/usr/bin/env python3
"""Figures of a large state, on servers of its own: scripts/scale.py [--skus N] [--reservations N] [--json]

Catalog: imports N SKUs in 3 stocks (one source each) from a CSV file, and tells seconds and resident bytes per (SKU, stock).
Reservations: takes carts until N reservations are open, then tells resident bytes for each, how fast a start replays the log,
how long a snapshot takes, and how long a start takes that loads it. Each part tells the server's minor page faults, its system time and by
how much its resident memory grew: fresh memory costs up to eight times as much where the host has taken it back.

It builds the release programs first. The figures are of this machine at this moment; docs/performance.md says how to read them.
"""

import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
# Seconds of each stretch of load; after each the reservations are counted.
STRETCH_S = 5


def program(name):
    return str(TARGET / name)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Server:
    """A server on a directory, until it is stopped."""

    def __init__(self, directory):
        command = [program("stockhold"), "serve", "--data-dir", directory, "--listen", "127.0.0.1:0", "--json"]
        options = ["--set", "logging.level=error", "--set", "snapshot.log-bytes=0", "--set", "snapshot.interval-seconds=0"]
        self.child = subprocess.Popen(command + options, stdout=subprocess.PIPE, text=True)
        line = self.child.stdout.readline()
        if not line:
            sys.exit("the server did not start")
        self.hello = json.loads(line)
        self.address = self.hello["address"]

    def resident(self):
        for line in pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        sys.exit("the server has no resident memory")

    def counters(self):
        # Behind the name, which may hold blanks: minor faults are the 8th field, system time in ticks is the 13th.
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return int(fields[7]), int(fields[12]) / os.sysconf("SC_CLK_TCK"), self.resident()

    def paging(self, part, before=(0, 0.0, 0)):
        """What memory cost since `before`, by default since the process was made."""
        faults, system, resident = (now - then for now, then in zip(self.counters(), before))
        return {
            f"{part}_server_minor_faults": faults,
            f"{part}_server_system_seconds": round(system, 2),
            f"{part}_server_resident_growth_bytes": resident,
        }

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait()


def catalog_files(folder, skus):
    parts = []
    for at in range(3):
        parts.append(f'[[source]]\ncode = "s{at}"\nname = "Source {at}"\ncountry = "US"\npostcode = "10001"\n')
        parts.append(f'[[stock]]\nname = "Stock {at}"\nsources = ["s{at}"]\n')
    catalog = folder / "catalog.toml"
    catalog.write_text("\n".join(parts))
    rows = folder / "stock.csv"
    with rows.open("w") as out:
        out.write("source_code,sku,status,quantity\n")
        for sku in range(skus):
            for at in range(3):
                out.write(f"s{at},SKU-{sku:07},1,1000\n")
    return str(catalog), str(rows)


def measure_catalog(folder, skus):
    directory = str(folder / "catalog-data")
    run(program("stockhold"), "format", directory)
    server = Server(directory)
    before = server.counters()
    catalog, rows = catalog_files(folder, skus)
    run(program("stockhold"), "import", catalog, "--server", server.address)
    started = time.monotonic()
    run(program("stockhold"), "import", rows, "--server", server.address)
    seconds = time.monotonic() - started
    grown = server.resident() - before[2]
    paging = server.paging("import", before)
    server.stop()
    return {
        "skus": skus,
        "import_seconds": round(seconds, 1),
        "bytes_per_sku_and_stock": round(grown / (3 * skus), 1),
        **paging,
    }


def measure_reservations(folder, wanted):
    directory = str(folder / "reservation-data")
    run(program("stockhold"), "format", directory)
    server = Server(directory)
    made = 0
    while made < wanted:
        load = [program("stockhold-loadtest"), "uniform", "--server", server.address, "--json", "--seconds", str(STRETCH_S)]
        run(*load)
        metrics = json.loads(run(program("stockhold"), "status", "--server", server.address, "--json"))["metrics"]
        made = metrics["machine_reservations"]
    resident = server.resident()
    server.stop()
    server = Server(directory)
    replay = server.hello["recovery"]
    paging = server.paging("replay")
    before = server.counters()
    started = time.monotonic()
    run(program("stockhold"), "snapshot", "--server", server.address, "--timeout", "600s")
    snapshot_seconds = time.monotonic() - started
    paging.update(server.paging("snapshot", before))
    server.stop()
    server = Server(directory)
    load = server.hello["recovery"]
    paging.update(server.paging("load"))
    server.stop()
    return {
        "reservations": made,
        "resident_bytes_per_reservation": round(resident / made, 1),
        "record_and_index_bytes_per_reservation": round(metrics["machine_reservation_bytes"] / made, 1),
        "replayed_ops_per_second": round(replay["replayed_ops"] * 1000 / max(1, replay["elapsed_ms"])),
        "snapshot_seconds": round(snapshot_seconds, 1),
        "load_seconds": load["elapsed_ms"] / 1000,
        **paging,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--skus", type=int, default=1_000_000, help="SKUs to import, each in 3 stocks; 0 = leave this out")
    parser.add_argument("--reservations", type=int, default=10_000_000, help="open reservations to reach; 0 = leave this out")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    arguments = parser.parse_args()
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "stockhold", "-p", "stockhold-loadtest"], cwd=ROOT, check=True)
    report = {}
    with tempfile.TemporaryDirectory(dir=TARGET) as name:
        folder = pathlib.Path(name)
        if arguments.skus:
            report["catalog"] = measure_catalog(folder, arguments.skus)
        if arguments.reservations:
            report["reservations"] = measure_reservations(folder, arguments.reservations)
    if arguments.json:
        print(json.dumps(report))
        return
    for part, figures in report.items():
        print(part)
        for name, value in figures.items():
            print(f"  {name.replace('_', ' '):45} {value:>14,}")


if __name__ == "__main__":
    main()
