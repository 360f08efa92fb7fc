#!/usr/bin/env python3
"""Holds the tree to its layout: structure.py ROOT prints what breaks it and exits 1 if anything does.

What it checks: includes run one way, a third-party library has one folder, files and functions have
a ceiling, everything is built, no folder is there that the layout doesn't name, models all look alike.
"""

import re
import sys
from pathlib import Path

# A folder of gateway/ includes only folders of a lower rank, or sdk and base.
RANKS = {
    "sdk": 0, "base": 0,
    "sqlite": 1, "mqtt": 1, "config": 1, "expr": 1,
    "codec": 2, "route": 2, "journal": 2, "history": 2,
    "effects": 3, "model": 3,
    # A script is a model: it is made of what model has.
    "script": 3.5,
    "twin": 4,
    "store": 5, "analytics": 5,
    "ingest": 6, "query": 6,
    "simulate": 7, "playback": 7,
    "http": 8, "dashboard": 8,
    "": 9,  # gateway.h and gateway.cc, which know every part
    "cli": 10,
}
MAIN_RANK = 10

# Includes that begin so may stand in this folder of gateway/ only.
OWNERS = {
    "mqtt/": "mqtt", "MQTT": "mqtt",
    "sqlite3": "sqlite",
    "dlfcn.h": "model",
    "boost/beast": "http", "boost/asio": "http", "microhttpd": "http",
    "simdjson": "codec",
    "valijson/": "config",
    "CLI/": "cli",
    "lua": "script",
}
# Vocabulary that any folder may use. Every other library has one folder, whichever it is.
# curl: the command line asks a gateway, effects post to webhooks.
SHARED_LIBRARIES = {"absl", "curl", "fmt", "nlohmann", "gtest", "gmock", "benchmark", "openssl"}
SYSTEM_FOLDERS = {"arpa", "linux", "net", "netinet", "sys", "bits", "asm"}

TOP_FOLDERS = {"gateway", "models", "schema", "tests", "systemd", "conf"}
NOT_OURS = {"build", "node_modules", "__pycache__"}
TEST_FOLDERS = {"support", "scenario", "sql", "browser", "fuzz", "bench", "tidy", "long"}
MODEL_EXAMPLES = {"rules"}  # JSON rules, which are no plug-ins

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

CPP = {".cc", ".h", ".hpp"}
SOURCE = CPP | {".py", ".sh", ".ts", ".tsx", ".cmake"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def folders(path):
    """The folders right below path that are ours."""
    if not path.is_dir():
        return []
    return sorted(entry for entry in path.iterdir() if entry.is_dir()
                  and not entry.name.startswith(".") and entry.name not in NOT_OURS)


def files(root):
    """Every file of ours below root, top folders only as the layout names them."""
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(".") or entry.name in NOT_OURS:
            continue
        if entry.is_dir():
            yield from files(entry)
        elif entry.is_file():
            yield entry


def gateway_folder(relative):
    """The folder of gateway/ that a path lies in: "" for gateway/ itself, None outside of it."""
    parts = Path(relative).parts
    if parts[0] != "gateway":
        return None
    return parts[1] if len(parts) > 2 else ""


def rank_of(relative):
    if relative == "gateway/main.cc":
        return MAIN_RANK
    return RANKS.get(gateway_folder(relative))


def check_layout(root):
    for folder in folders(root):
        if folder.name not in TOP_FOLDERS:
            yield f"{folder.name}/: no such folder in the layout; allowed: {sorted(TOP_FOLDERS)}"
    for folder in folders(root / "gateway"):
        if folder.name not in RANKS:
            yield f"gateway/{folder.name}/: has no include rank in tests/tidy/structure.py"
    for folder in folders(root / "tests"):
        if folder.name not in TEST_FOLDERS | set(RANKS):
            yield f"tests/{folder.name}/: mirrors no folder of gateway/"
    for folder in folders(root / "models"):
        if folder.name in MODEL_EXAMPLES:
            continue
        name = folder.name
        for needed in ("README.md", f"{name}_test.cc", f"{name}.json"):
            if not (folder / needed).is_file():
                yield f"models/{name}/: lacks {needed}"
        if not any((folder / f"{name}.{kind}").is_file() for kind in ("cc", "lua")):
            yield f"models/{name}/: lacks {name}.cc or {name}.lua"


def check_include(relative, included):
    """One include of ours, by its path from the root."""
    folder = gateway_folder(relative)
    target = gateway_folder(included)
    if relative.startswith("models/"):
        # A model's test may use the test kit, which sdk declares.
        own = str(Path(relative).parent)
        if target != "sdk" and not included.startswith(own + "/"):
            yield f"{relative}: includes {included}; a model includes only gateway/sdk/"
        return
    if folder is None:
        return
    if target is None:
        yield f"{relative}: includes {included}; gateway/ includes only gateway/"
        return
    if folder == target and relative != "gateway/main.cc":
        return
    if folder == "sdk":
        yield f"{relative}: includes {included}; sdk includes only sdk"
        return
    if target in ("sdk", "base"):
        return
    mine, theirs = rank_of(relative), rank_of(included)
    if mine is None or theirs is None:
        return  # check_layout has said so
    main_uses_cli = relative == "gateway/main.cc" and target == "cli"
    if theirs >= mine and not main_uses_cli:
        yield f"{relative}: includes {included} of rank {theirs}, its own is {mine}"


def library_of(included):
    """The library that <included> belongs to; None for C, C++ and the system."""
    top = included.split("/")[0]
    if "/" in included:
        return None if top in SYSTEM_FOLDERS else top
    return None


def check_includes(root):
    users = {}
    for path in files(root):
        if path.suffix not in CPP:
            continue
        relative = path.relative_to(root).as_posix()
        folder = gateway_folder(relative)
        for bracket, included in INCLUDE.findall(path.read_text(errors="replace")):
            if bracket == '"':
                yield from check_include(relative, included)
                continue
            if folder is None:
                continue
            owner = next((o for prefix, o in OWNERS.items() if included.startswith(prefix)), None)
            if owner is not None and folder != owner:
                yield f"{relative}: includes <{included}>, which only gateway/{owner}/ may"
            library = library_of(included)
            if owner is None and library is not None and library not in SHARED_LIBRARIES:
                users.setdefault(library, {}).setdefault(folder, relative)
    for library, by_folder in sorted(users.items()):
        if len(by_folder) > 1:
            yield f"<{library}/...> is included by several folders: {sorted(by_folder.values())}"


def blank_out(text):
    """Comments, literals and preprocessor lines become blanks; lines and columns stay."""
    token = re.compile(
        r'//[^\n]*|/\*.*?\*/'
        r'|R"(?P<d>[^(\s]{0,16})\(.*?\)(?P=d)"'
        r'|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
        r'|^[ \t]*#(?:\\\n|[^\n])*', re.DOTALL | re.MULTILINE)
    return token.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def opens(header, scope):
    """What a brace after `header` opens, seen from a scope: "scope", "function" or "block"."""
    if scope != "scope":
        return "block"
    # Without what stands in brackets, `@` for parentheses: default arguments, conditions and
    # template parameters hold signs and words that would mislead.
    shrunk = re.sub(r"operator\s*[=!<>&|+-]+", "operator", header)
    while (shorter := re.sub(r"<[^<>]*>", " ", re.sub(r"\([^()]*\)", "@", shrunk))) != shrunk:
        shrunk = shorter
    if re.search(r"(?<![=!<>])=(?!=)", shrunk):
        return "block"
    if re.match(r"\s*(inline\s+|template\s+)*(namespace|extern|class|enum|union)\b", shrunk):
        return "scope"
    if "@" in shrunk:
        return "function"
    return "scope" if re.search(r"\bstruct\b", shrunk) else "block"


def function_lengths(text):
    """(first line, lines) of every function body with its head, by counting braces."""
    text = blank_out(text)
    stack = []  # (what it is, line of its head)
    scope, head, head_line, line = "scope", "", 1, 1
    for index, char in enumerate(text):
        if char == "\n":
            line += 1
        if char == "{":
            stack.append((scope, opens(head, scope), head_line, head))
            scope, head = stack[-1][1], ""
        elif char == "}" and stack:
            outer, kind, first, before = stack.pop()
            scope, head = outer, ""
            following = text[index + 1:].lstrip()[:1]
            if kind != "scope" and outer == "scope" and following in (",", "{"):
                head, head_line = before, first  # it was an initializer of a constructor
            elif kind == "function":
                yield first, line - first + 1
        elif char == ";":
            head = ""
        elif head or not char.isspace():
            if not head:
                head_line = line
            head += char


def check_sizes(root):
    for path in files(root):
        relative = path.relative_to(root).as_posix()
        is_script = path.suffix == "" and path.parent.name in ("tests", "gateway")
        if path.suffix not in SOURCE and not is_script:
            continue
        text = path.read_text(errors="replace")
        lines = text.count("\n")
        if lines > FILE_LINES_MAX:
            yield f"{relative}: {lines} lines, at most {FILE_LINES_MAX}; split it by idea"
        if path.suffix not in CPP:
            continue
        for first, length in function_lengths(text):
            if length > FUNCTION_LINES_MAX:
                yield f"{relative}:{first}: a function of {length} lines, at most {FUNCTION_LINES_MAX}"
        # The C ABI's header has guards, because C compilers read it.
        if path.suffix != ".cc" and not re.search(r"#pragma once|#ifndef GEMEL_\w+_H", text):
            yield f"{relative}: a header without #pragma once"


def check_built(root):
    """A source or a folder that CMake doesn't name is a test that never runs."""
    for path in files(root):
        relative = path.relative_to(root)
        if path.suffix != ".cc" or relative.parts[0] not in ("gateway", "models", "tests"):
            continue
        listing = path.parent / "CMakeLists.txt"
        text = listing.read_text() if listing.is_file() else ""
        by_model = f"({path.parent.name}" in text and re.fullmatch(
            path.parent.name + "(_device|_test)?.cc", path.name)
        stem = path.stem.removesuffix("_test")
        by_loop = "${name}_test.cc" in text and re.search(rf"\bforeach\([^)]*\b{stem}\b", text)
        if not by_model and not by_loop and not re.search(rf"(?<![\w/]){re.escape(path.name)}\b", text):
            yield f"{relative.as_posix()}: not in {listing.relative_to(root).as_posix()}"
    for path in files(root):
        if path.name != "CMakeLists.txt" or path.parent == root:
            continue
        folder = path.parent.relative_to(root)
        above = [root / "CMakeLists.txt", path.parent.parent / "CMakeLists.txt"]
        lines = [line for file in above if file.is_file() for line in file.read_text().splitlines()]
        named = (f"add_subdirectory({folder.as_posix()})", f"add_subdirectory({folder.name})")
        if not any(line.strip() in named for line in lines):
            yield f"{folder.as_posix()}/: no CMakeLists.txt above adds it"


def check(root):
    root = Path(root)
    return [*check_layout(root), *check_includes(root), *check_built(root), *check_sizes(root)]


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2])
    found = check(root)
    for line in found:
        print(line)
    print(f"structure: {len(found)} found" if found else "structure: as laid out")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
