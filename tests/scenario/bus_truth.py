#!/usr/bin/env python3
"""What the bus day must come to, worked out without any of our code.

usage: bus_truth.py CAPMETRO_BUS_FOLDER

Prints one JSON object: rows, late (rows older than one already seen of their vehicle, in file order) and last, the
newest report of each vehicle by its own time; among equal times the later row counts.
"""
import csv
import datetime
import gzip
import json
import os
import sys


def main():
    last, late, rows = {}, 0, 0
    path = os.path.join(sys.argv[1], "vehicle_positions_2016-11-24.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows += 1
            time_ms = round(datetime.datetime.fromisoformat(row["timestamp"]).timestamp() * 1000)
            known = last.get(row["vehicle_id"])
            if known and time_ms < known["reported_ms"]:
                late += 1
                continue
            last[row["vehicle_id"]] = {
                "latitude_deg": float(row["latitude"]),
                "longitude_deg": float(row["longitude"]),
                "speed_mps": float(row["speed"]),
                "route_id": row["route_id"],
                "reported_ms": time_ms,
            }
    json.dump({"rows": rows, "late": late, "last": last}, sys.stdout)


main()
