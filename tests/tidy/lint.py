#!/usr/bin/env python3
"""clang-tidy over every .cc file of ours: lint.py ROOT BUILD [JOBS] exits 1 if it finds anything.

BUILD is a built tree: its compile commands say how to read a file, and ninja's dependencies which
headers it reads. A file that came out clean is not looked at again until it, one of our headers that
it includes, its command or .clang-tidy changes; the stamps lie in ROOT/build/tidy/.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=None)
def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def dependencies(build):
    """Source file -> every file that was read to compile it, as ninja has recorded it."""
    listing = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True,
                             capture_output=True, text=True).stdout
    by_source, current = {}, []
    for line in listing.splitlines():
        if line.startswith("    "):
            current.append(os.path.normpath(os.path.join(build, line.strip())))
        elif current:
            by_source[current[0]] = current
            current = []
    if current:
        by_source[current[0]] = current
    return by_source


def sources(root, build):
    """Our .cc files in the compile commands, each once, with its command."""
    with open(build / "compile_commands.json") as file:
        commands = json.load(file)
    found = {}
    for entry in commands:
        path = Path(entry["file"]).resolve()
        if path.suffix == ".cc" and path.is_relative_to(root) and "build" not in path.parts[
                len(root.parts):][:1]:
            found.setdefault(path, entry["command"])
    return found


def stamp_of(root, path, command, read):
    key = hashlib.sha256()
    for part in (digest(root / ".clang-tidy"), str(path), " ".join(sorted(shlex.split(command)))):
        key.update(part.encode())
    for name in sorted({str(path), *read}):
        # The system's headers change with its packages, which is rare enough to clear build/tidy.
        if Path(name).is_relative_to(root):
            key.update(digest(name).encode())
    return root / "build" / "tidy" / key.hexdigest()


def lint(build, path):
    """What clang-tidy finds in one file; empty if nothing."""
    result = subprocess.run(
        ["clang-tidy", "--quiet", "-p", build, path], capture_output=True, text=True)
    if result.returncode == 0:
        return ""
    # stderr counts what was suppressed in system headers, which is noise unless there is only that.
    return result.stdout.strip() or result.stderr.strip() or f"clang-tidy: exit {result.returncode}"


def main():
    root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count() or 2
    (root / "build" / "tidy").mkdir(parents=True, exist_ok=True)
    read = dependencies(str(build))
    all_sources = sources(root, build)
    todo = []
    for path, command in sorted(all_sources.items()):
        stamp = stamp_of(root, path, command, read.get(str(path), []))
        if not stamp.exists():
            todo.append((path, stamp))
    print(f"clang-tidy: {len(all_sources)} files, {len(todo)} of them new or changed", flush=True)
    begin, bad = time.monotonic(), 0
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda item: (item, lint(build, item[0])), todo)
        for number, ((path, stamp), found) in enumerate(results, 1):
            spent = int(time.monotonic() - begin)
            print(f"[{number}/{len(todo)}] {path.relative_to(root)} ({spent} s)", flush=True)
            if found:
                bad += 1
                print(found, flush=True)
            else:
                stamp.touch()
    print(f"clang-tidy: {bad} files with findings" if bad else "clang-tidy: clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
