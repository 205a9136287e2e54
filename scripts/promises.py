#!/usr/bin/env python3
"""Holds SECURITY.md against the tree: every promise names the file that keeps it and a test that exists.

`scripts/promises.py [DIR] [--built LIST]...` looks at DIR (this repository unless told) and fails, naming the row, when

  1. a row of a table `| Promise | Kept in | Test |` names no file, or one that is not there, or no test, or one that
     does not run. A test is `path::name`: a function of that name with #[test] and without #[ignore], once in that file.
     A script, or a fuzz target with a place in fuzz/Cargo.toml, is named by its path alone;
  2. a path in SECURITY.md or README.md, in backquotes or linked to, is not there: one below src, tests, scripts, fuzz,
     enclave or benches, or a Markdown file;
  3. a row's test is in none of the LISTs, each the output of `cargo test -- --list`: a file that no module declares has
     tests that never run. Those of the light client count only if a LIST has some of them.
"""

import argparse
import re
import sys
from pathlib import Path

HEADER = ["promise", "kept in", "test"]
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
PLACE = re.compile(r"(?:src|tests|scripts|fuzz|enclave|benches|\.ci)/[A-Za-z0-9_./-]*|[A-Z]+\.md")
FUNCTION = re.compile(r"\s*(?:pub(?:\([a-z]+\))? )?fn ([A-Za-z0-9_]+)\s*\(\s*\)")
CHAPTERS = ["SECURITY.md", "README.md"]


def tests_of(source: str) -> dict[str, list[str]]:
    """Every function without parameters of a Rust file, with the attributes before each one of that name, joined."""
    found: dict[str, list[str]] = {}
    attributes = ""
    for line in re.sub(r"/\*.*?\*/", "", source, flags=re.S).splitlines():
        stripped = line.strip()
        if function := FUNCTION.match(line):
            found.setdefault(function[1], []).append(attributes)
            attributes = ""
        elif stripped.startswith("#["):
            attributes += stripped
        elif stripped and not stripped.startswith("//"):
            attributes = ""
    return found


def module_of(path: str) -> str:
    """The module that a file is, as the test harness writes it."""
    parts = path.removeprefix("src/").removeprefix("tests/helios/").removeprefix("tests/").removesuffix(".rs").split("/")
    if parts[-1] in ("mod", "lib", "main"):
        parts.pop()
    return "::".join(parts)


def of_light_client(path: str) -> bool:
    return path.startswith(("src/helios/", "tests/helios/"))


def why_not_a_test(root: Path, name: str, listed: set[str]) -> str | None:
    """What is wrong with a test named in a row; nothing if it runs."""
    path, _, function = name.partition("::")
    if not (root / path).is_file():
        return f"{path} is not there"
    if not function:
        if path.startswith("scripts/"):
            return None
        target = path.removesuffix(".rs").removesuffix("/main").rsplit("/", 1)[-1]
        known = (root / "fuzz/Cargo.toml").read_text() if path.startswith("fuzz/fuzz_targets/") else ""
        return None if f'name = "{target}"' in known else f"{path} is no script and no fuzz target: name a test in it"
    if not path.startswith(("src/", "tests/")) or not path.endswith(".rs"):
        return f"{path} has no tests"
    attributes = tests_of((root / path).read_text()).get(function, [])
    if len(attributes) != 1:
        return f"{path} has {len(attributes) or 'no'} functions called {function}"
    if "#[test]" not in attributes[0]:
        return f"{function} in {path} is not a #[test]"
    if "ignore" in attributes[0]:
        return f"{function} in {path} is ignored"
    if listed and (not of_light_client(path) or any("lying::" in known for known in listed)):
        module = module_of(path)
        runs = any(known.startswith(f"{module}::") and known.endswith(f"::{function}") for known in listed)
        if not runs:
            return f"{name} is not among the tests that were built"
    return None


def rows(text: str):
    """The rows of every table of promises: line number and cells."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if [cell.lower() for cell in cells] == HEADER:
            inside = True
        elif not cells:
            inside = False
        elif inside and not set("".join(cells)) <= set("-: "):
            yield number, cells


def check(root: Path, listed: set[str]) -> tuple[int, list[str]]:
    """How many promises there are, and everything that is wrong."""
    wrong = []
    security = (root / "SECURITY.md").read_text()
    seen: dict[str, int] = {}
    for number, cells in rows(security):
        promise = cells[0]

        def fail(reason: str) -> None:
            wrong.append(f"SECURITY.md:{number}: {promise!r}: {reason}")

        if len(cells) != 3:
            fail(f"{len(cells)} cells instead of 3")
            continue
        if promise in seen:
            fail(f"is in line {seen[promise]} already")
        seen[promise] = number
        for column, cell in zip(HEADER[1:], cells[1:]):
            if not SPAN.findall(cell):
                fail(f"names nothing under {column!r}")
        for path in SPAN.findall(cells[1]):
            if not (root / path).exists():
                fail(f"{path} is not there")
        for name in SPAN.findall(cells[2]):
            if reason := why_not_a_test(root, name, listed):
                fail(reason)
    if not seen:
        wrong.append("SECURITY.md: no table of promises")
    for chapter in CHAPTERS:
        for number, line in enumerate((root / chapter).read_text().splitlines(), 1):
            for path in SPAN.findall(line) + LINK.findall(line):
                path = path.partition("::")[0]
                if PLACE.fullmatch(path) and not (root / path).exists():
                    wrong.append(f"{chapter}:{number}: {path} is not there")
    return len(seen), wrong


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds SECURITY.md against the tree.")
    parser.add_argument("dir", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--built", action="append", type=Path, default=[], metavar="LIST")
    arguments = parser.parse_args()
    listed = set()
    for file in arguments.built:
        found = re.findall(r"^(\S+): test$", file.read_text(), flags=re.M)
        if not found:
            print(f"promises: {file} lists no test", file=sys.stderr)
            return 2
        listed.update(found)
    count, wrong = check(arguments.dir, listed)
    for line in wrong:
        print(f"promises: {line}", file=sys.stderr)
    if wrong:
        return 1
    print(f"promises: {count} promises, each with its file and its tests")
    return 0


if __name__ == "__main__":
    sys.exit(main())
