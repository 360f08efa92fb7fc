#!/usr/bin/env python3
"""What the bus day must come to, worked out without any of our code.

usage: bus_truth.py CAPMETRO_BUS_FOLDER [OUTAGE_BEGIN OUTAGE_END COPY]

Prints one JSON object: rows, late (rows older than one already seen of their vehicle, in file order) and last, the
newest report of each vehicle by its own time; among equal times the later row counts. And silence, in the order of time:
gaps, how often a vehicle reported again after more than ten minutes, and gone, how many had been silent for more than
that when the last report of all came.

With an outage (two times of the day, 14:00 14:40) it writes a COPY of the rows without those of the outage, and prints the
silences of the copy, each with its last report before and the first one after, null if there is none.
"""
import csv
import datetime
import gzip
import json
import os
import sys


SILENCE_MS = 10 * 60 * 1000


def silence(times):
    end = max(max(of_one) for of_one in times.values())
    gaps = gone = 0
    for of_one in times.values():
        of_one.sort()
        gaps += sum(after - before > SILENCE_MS for before, after in zip(of_one, of_one[1:]))
        gone += end - of_one[-1] > SILENCE_MS
    return {"gaps": gaps, "gone": gone}


def outage(folder, begin, end, copy):
    def time_ms(row):
        return round(datetime.datetime.fromisoformat(row["timestamp"]).timestamp() * 1000)
    path = os.path.join(folder, "vehicle_positions_2016-11-24.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    day = rows[0]["timestamp"][:10]
    begin_ms, end_ms = (round(datetime.datetime.fromisoformat(f"{day}T{at}:00-06:00").timestamp() * 1000)
                        for at in (begin, end))
    kept = [row for row in rows if not begin_ms <= time_ms(row) < end_ms]
    with open(copy, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, reader.fieldnames)
        writer.writeheader()
        writer.writerows(kept)
    times = {}
    for row in kept:
        times.setdefault(row["vehicle_id"], []).append(time_ms(row))
    last = max(max(of_one) for of_one in times.values())
    silences = []
    for of_one in times.values():
        of_one.sort()
        silences += [[before, after] for before, after in zip(of_one, of_one[1:]) if after - before > SILENCE_MS]
        if last - of_one[-1] > SILENCE_MS:
            silences.append([of_one[-1], None])
    json.dump({"silences": silences, "begin_ms": begin_ms, "end_ms": end_ms, "last_ms": last,
               "removed": len(rows) - len(kept)}, sys.stdout)


def main():
    if len(sys.argv) > 2:
        outage(*sys.argv[1:])
        return
    last, late, rows, times = {}, 0, 0, {}
    path = os.path.join(sys.argv[1], "vehicle_positions_2016-11-24.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows += 1
            time_ms = round(datetime.datetime.fromisoformat(row["timestamp"]).timestamp() * 1000)
            times.setdefault(row["vehicle_id"], []).append(time_ms)
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
    json.dump({"rows": rows, "late": late, "last": last, "silence": silence(times)}, sys.stdout)


main()
