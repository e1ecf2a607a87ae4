#!/usr/bin/env python3
"""Writes stock.csv, the source items of the bicycle company: the same file at every run.

Only the standard library is used. Change a family below, run `python3 generate.py` and commit both files.
"""

import csv
import pathlib
import random

SEED = 1817  # the year of the first bicycle
WAREHOUSES = ["us-east", "us-west", "eu-central", "eu-north"]
SHOPS = ["shop-nyc", "shop-sfo", "shop-chi", "shop-ams", "shop-ber", "shop-par"]
FACTORY = "drop-taiwan"

# prefix, how many SKUs, most units in a warehouse, most in a shop, share of shops that carry it
FAMILIES = [
    ("BIKE", 260, 60, 4, 0.45),
    ("EBIKE", 60, 25, 2, 0.40),
    ("FRAME", 90, 40, 2, 0.15),
    ("FORK", 70, 60, 3, 0.15),
    ("WHEEL", 150, 120, 6, 0.30),
    ("TIRE", 220, 900, 30, 0.40),
    ("TUBE", 40, 2500, 120, 0.90),
    ("CHAIN", 60, 700, 25, 0.60),
    ("BRAKE", 120, 400, 12, 0.35),
    ("GEAR", 150, 300, 8, 0.25),
    ("SADDLE", 90, 220, 8, 0.35),
    ("PEDAL", 80, 350, 10, 0.35),
    ("LIGHT", 90, 500, 20, 0.55),
    ("LOCK", 50, 400, 18, 0.70),
    ("HELM", 110, 260, 10, 0.50),
    ("GLOVE", 90, 300, 12, 0.40),
    ("JERSEY", 160, 180, 8, 0.30),
    ("BAG", 70, 160, 6, 0.35),
    ("TOOL", 60, 350, 10, 0.45),
    ("PUMP", 40, 300, 10, 0.55),
]


def common_rows(rng):
    """The families: most SKUs lie in two or three warehouses, some are sold out, a few come from the maker."""
    for prefix, count, warehouse_max, shop_max, share in FAMILIES:
        for number in range(1, count + 1):
            sku = f"{prefix}-{number:04d}"
            for source in WAREHOUSES:
                if rng.random() < 0.75:
                    yield source, sku, 1, rng.randint(0, warehouse_max)
            for source in SHOPS:
                if rng.random() < share:
                    # A shelf that is being counted is switched off: its units are there, but not for sale.
                    status = 0 if rng.random() < 0.02 else 1
                    yield source, sku, status, rng.randint(0, shop_max)
            if prefix in ("FRAME", "FORK", "WHEEL") and rng.random() < 0.5:
                yield FACTORY, sku, 1, rng.randint(50, 400)


def special_rows():
    """The SKUs of the stories that README.md and the documents tell, with round numbers."""
    for source, quantity in [("us-east", 500), ("us-west", 300), ("eu-central", 400), ("eu-north", 200)]:
        yield source, "BIKE-0001", 1, quantity
    for source in SHOPS:
        yield source, "BIKE-0001", 1, 20
    for sku in ("BIKE-0002", "BIKE-0003", "BIKE-0004"):
        for source in WAREHOUSES:
            yield source, sku, 1, 40
        for source in SHOPS:
            yield source, sku, 1, 5
    for sku, quantity in [("EBIKE-0001", 5), ("EBIKE-0002", 4), ("EBIKE-0003", 0)]:
        for source in ("us-east", "eu-central"):
            yield source, sku, 1, quantity
    for sku in ("CABLE-0001", "CABLE-0002", "CABLE-0003"):
        for source in WAREHOUSES:
            yield source, sku, 1, "750.5"
        for source in SHOPS:
            yield source, sku, 1, "22.75"
    for source in WAREHOUSES:
        yield source, "SPOKE-0001", 1, 20000
    for sku in ("PLAN-0001", "PLAN-0002"):
        for source in ("us-east", "eu-central"):
            yield source, sku, 1, 0
    for source in SHOPS:
        yield source, "SLOT-0001", 1, 8
    for source in (FACTORY, "us-east"):
        yield source, "FRAME-0001", 1, 60


def main():
    special = list(special_rows())
    own = {row[1] for row in special}
    rows = special + [row for row in common_rows(random.Random(SEED)) if row[1] not in own]
    path = pathlib.Path(__file__).with_name("stock.csv")
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source_code", "sku", "status", "quantity"])
        writer.writerows(rows)
    print(f"{path}: {len(rows)} source items of {len({row[1] for row in rows})} SKUs, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
