#!/usr/bin/env python3
"""clang-tidy over every .cc file of ours: lint.py ROOT BUILD [JOBS] exits 1 if it finds anything.

BUILD is a built tree: its compile commands say how to read a file, and ninja's dependencies which
headers it reads. A file that came out clean is not looked at again until it, one of our headers that
it includes, its command, .clang-tidy or clang-tidy changes, in this clone or another one: like
ccache's, the stamps lie in ~/.cache (XDG_CACHE_HOME).

Most of the time goes into headers, so the files of one folder are read together, as a unity build
does. Where something is found, halves are read again, down to the file that has it.
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

UNUSED_DAYS = 60  # after which a stamp goes


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


def stamp_folder():
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gemel" / "tidy"


def drop_old_stamps(folder):
    oldest = time.time() - UNUSED_DAYS * 86_400
    for stamp in folder.iterdir():
        if stamp.stat().st_mtime < oldest:
            stamp.unlink(missing_ok=True)


@lru_cache(maxsize=None)
def version():
    return subprocess.run(["clang-tidy", "--version"], check=True, capture_output=True,
                          text=True).stdout


def stamp_of(root, path, command, read):
    """Where it is noted that a file is clean; the same in every clone."""
    key = hashlib.sha256()
    words = sorted(word.replace(str(root), "") for word in shlex.split(command))
    for part in (version(), digest(root / ".clang-tidy"), *words):
        key.update(part.encode() + b"\0")
    for name in sorted({str(path), *read}):
        # The system's headers change with its packages, as clang-tidy does.
        if Path(name).is_relative_to(root):
            key.update(f"{Path(name).relative_to(root)} {digest(name)}\n".encode())
    return stamp_folder() / key.hexdigest()


def lint(path, command):
    """What clang-tidy finds in one file; empty if nothing."""
    result = subprocess.run(["clang-tidy", "--quiet", r"--header-filter=/(gateway|models|tests)/.*",
                             path, "--", *command], capture_output=True, text=True)
    if result.returncode == 0:
        return ""
    # stderr counts what was suppressed in system headers, which is noise unless there is only that.
    return result.stdout.strip() or result.stderr.strip() or f"clang-tidy: exit {result.returncode}"


def options(command):
    """The command of a file without the compiler, the file itself and what it writes."""
    words, kept = shlex.split(command)[1:], []
    while words:
        word = words.pop(0)
        if word in ("-o", "-c"):
            words = words[1:]
        else:
            kept.append(word)
    return tuple(kept)


def batches(todo):
    """Lists of (path, stamp, options) that are compiled alike, a folder each; the longest first."""
    alike = {}
    for path, stamp, command in todo:
        alike.setdefault((path.parent, command), []).append((path, stamp, command))
    return sorted(alike.values(), key=len, reverse=True)


def lint_batch(folder, batch):
    """[(path, stamp, what was found)] for each of the batch; `folder` is for what is written."""
    path, stamp, command = batch[0]
    if len(batch) == 1:
        return [(path, stamp, lint(path, command))]
    together = folder / (hashlib.sha256(str(path).encode()).hexdigest() + ".cc")
    together.write_text("".join(
        f'#include "{path}"  // NOLINT(bugprone-suspicious-include)\n' for path, *_ in batch))
    found = lint(together, command)
    together.unlink()
    if not found:
        return [(path, stamp, "") for path, stamp, _ in batch]
    half = len(batch) // 2
    return lint_batch(folder, batch[:half]) + lint_batch(folder, batch[half:])


def main():
    root, build = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count() or 2
    # Inside the tree, so that .clang-tidy is found.
    folder = root / "build" / "tidy"
    folder.mkdir(parents=True, exist_ok=True)
    stamp_folder().mkdir(parents=True, exist_ok=True)
    drop_old_stamps(stamp_folder())
    read = dependencies(str(build))
    all_sources = sources(root, build)
    todo = []
    for path, command in sorted(all_sources.items()):
        stamp = stamp_of(root, path, command, read.get(str(path), []))
        if stamp.exists():
            stamp.touch()
        else:
            todo.append((path, stamp, options(command)))
    print(f"clang-tidy: {len(all_sources)} files, {len(todo)} of them new or changed", flush=True)
    begin, bad = time.monotonic(), 0
    done = 0
    with ThreadPoolExecutor(jobs) as pool:
        for results in pool.map(lambda batch: lint_batch(folder, batch), batches(todo)):
            for path, stamp, found in results:
                done += 1
                if found:
                    bad += 1
                    print(found, flush=True)
                else:
                    stamp.touch()
            spent = int(time.monotonic() - begin)
            print(f"[{done}/{len(todo)}] {results[-1][0].relative_to(root)} ({spent} s)", flush=True)
    print(f"clang-tidy: {bad} files with findings" if bad else "clang-tidy: clean")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
