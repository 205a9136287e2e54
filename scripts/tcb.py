#!/usr/bin/env python3
"""Writes enclave/tcb.md: every line of source that an enclave's odyn is made of, by crate and by folder.

    scripts/tcb.py            writes the file
    scripts/tcb.py --check    fails when the file is not what it would write; the gate does this

It reads Cargo.toml, Cargo.lock and the locked crates' sources in cargo's registry, and nothing that a build leaves
behind: the same commit makes the same file on every machine. It fails, too, when a crate is there in two versions or
asks for a newer compiler than Cargo.toml's rust-version.
"""

import argparse
import difflib
import json
import os
import pathlib
import re
import sys
import textwrap

sys.dont_write_bytecode = True
import sbom  # noqa: E402

TARGET = "x86_64-unknown-linux-musl"
OUTPUT = sbom.ROOT / "enclave/tcb.md"
# What the enclave's build of odyn itself has not.
OWN_FEATURES = {"host", "sim", "helios"}
# Folders of a crate that no build of its library reads, where the library lies at the crate's top.
ASIDE = {"tests", "test", "benches", "examples", "fuzz", "target"}
# Assembly for other systems and processors, by the names that ring gives it.
FOREIGN = re.compile(r"macosx|nasm|win|ios|arm|(^|[^_])x86-")

# What may begin a comment or a literal, and what each is as a whole.
MARK = re.compile(r"[/\"']")
LINE = re.compile(r"//[^\n]*")
EDGE = re.compile(r"/\*|\*/")
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
CHARACTER = re.compile(r"'(?:[^\\'\n]|\\[^\n][^'\n]*)'")
# What stands before the quote of a raw literal, and of the one kind of text that cfg needs.
RAW = re.compile(r"\b[bc]?r(#*)$")
FEATURE = re.compile(r"\bfeature\s*=\s*$")
CFG = re.compile(r"#\[cfg\(")
ATTRIBUTE = re.compile(r"\s*#\[")
# An item's first word: it ends at `;` or its closing brace. Anything else, a field or an arm, ends at a comma as well.
ITEM = re.compile(r"\s*(?:pub\b|fn\b|mod\b|impl\b|use\b|struct\b|enum\b|static\b|const\b|type\b|trait\b|unsafe\b|"
                  r"extern\b|macro_rules\b|let\b|async\b|union\b)")
UNSAFE = re.compile(r"(?<![\w#])unsafe(?!\w)")


def literal(source, at):
    """The place behind the literal whose quote is at `at`. A lifetime is none: it is the quote alone."""
    raw = RAW.search(source, max(0, at - 16), at) if source[at] == '"' else None
    if raw:
        end = source.find('"' + raw[1], at + 1)
        return len(source) if end < 0 else end + 1 + len(raw[1])
    match = (TEXT if source[at] == '"' else CHARACTER).match(source, at)
    return match.end() if match else at + 1


def comment(source, at):
    """The place behind the comment at `at`, or `at` itself."""
    if match := LINE.match(source, at):
        return match.end()
    depth = 0
    while edge := (EDGE.search if depth else EDGE.match)(source, at):
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
        if depth <= 0:
            break
    return at


def stripped(source):
    """Rust or C without comments and without what stands in its literals; every line stays where it is."""
    out, kept, at = [], 0, 0
    while match := MARK.search(source, at):
        start = match.start()
        if match[0] == "/":
            at, sign = comment(source, start), ""
        else:
            at, sign = literal(source, start), '"'
            if FEATURE.search(source, max(0, start - 16), start):
                continue
        if at - start > 1 or match[0] == '"':
            out += [source[kept:start], re.sub(r"[^\s]+", sign, source[start:at])]
            kept = at
        at = max(at, start + 1)
    return "".join(out) + source[kept:]


def closing(code, at):
    """The place behind the bracket that closes the one at `at`."""
    depth = 0
    for place in range(at, len(code)):
        if code[place] in "([{":
            depth += 1
        elif code[place] in ")]}":
            depth -= 1
            if depth == 0:
                return place + 1
    return len(code)


def off(predicate, features):
    """Whether a cfg predicate is known to be false: of a test, or of features that are off. Others count as true."""
    predicate = predicate.strip()
    if predicate == "test":
        return True
    if match := re.fullmatch(r'feature\s*=\s*"([^"]*)"', predicate):
        return match[1] in features
    match = re.fullmatch(r"(any|all)\s*\((.*)\)", predicate, re.DOTALL)
    if match is None:
        return False
    parts, start, depth = [], 0, 0
    for place, sign in enumerate(match[2] + ","):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append(match[2][start:place])
            start = place + 1
    known = [off(part, features) for part in parts if part.strip()]
    return any(known) if match[1] == "all" else bool(known) and all(known)


def ending(code, at):
    """The place behind the item, field, arm or statement that begins at `at`, attributes included."""
    while match := ATTRIBUTE.match(code, at):
        at = closing(code, match.end() - 1)
    ends = ";" if ITEM.match(code, at) else ";,"
    while at < len(code):
        if code[at] in "([":
            at = closing(code, at)
        elif code[at] == "{":
            at = closing(code, at)
            if code[at:at + 1] not in (";", ","):
                return at
        elif code[at] in ")]}":
            return at
        elif code[at] in ends:
            return at + 1
        else:
            at += 1
    return at


def compiled(code, features):
    """Stripped code without what tests and features that are off alone compile, and the modules left out with it."""
    out, at, modules = [], 0, []
    while match := CFG.search(code, at):
        end = closing(code, match.start() + 1)
        if off(code[match.end():closing(code, match.end() - 1) - 1], features):
            out.append(code[at:match.start()])
            at = ending(code, match.start())
            modules += re.findall(r"\bmod\s+(\w+)\s*;", code[match.start():at])
        else:
            out.append(code[at:end])
            at = end
    out.append(code[at:])
    return "".join(out), modules


def lines(code):
    """How many lines have something on them."""
    return sum(1 for line in code.splitlines() if line.strip())


def rust(folder, files, features=frozenset()):
    """Of each file: its lines and its count of `unsafe`. Files of modules that only tests compile are left out."""
    counts, gone = {}, set()
    for file in files:
        code, modules = compiled(stripped(file.read_text(encoding="utf-8", errors="replace")), features)
        inside = file.parent if file.stem in ("lib", "main", "mod") else file.parent / file.stem
        gone.update(inside / name for name in modules)
        counts[file] = (lines(code), len(UNSAFE.findall(code)))
    return {file: count for file, count in counts.items()
            if not any(part in gone for part in (file.with_suffix(""), *file.parents) if part != folder)}


def foreign(folder):
    """The lines of C and of assembly in a crate. Both have C's comments; assembly for other machines is left out."""
    c = assembly = 0
    for file in walk(folder, (".c", ".h", ".inl", ".S", ".s")):
        code = stripped(file.read_text(encoding="utf-8", errors="replace"))
        if file.suffix.lower() != ".s":
            c += lines(code)
        elif not FOREIGN.search(file.name):
            assembly += lines(code)
    return c, assembly


def walk(folder, suffixes):
    """The files of a folder with one of some suffixes, in an order that no machine changes."""
    found = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in ASIDE]
        found += [pathlib.Path(here, name) for name in names if name.endswith(suffixes)]
    return sorted(found)


def reasons():
    """Of each direct dependency, the comment above it in Cargo.toml; one comment may stand above several."""
    found, comment, inside, fresh = {}, [], False, False
    for line in (sbom.ROOT / "Cargo.toml").read_text().splitlines():
        if line.startswith("["):
            inside = line == "[dependencies]"
        elif inside and line.startswith("#"):
            comment = comment + [line[1:].strip()] if fresh else [line[1:].strip()]
            fresh = True
        else:
            fresh = False
            if inside and (match := re.match(r"([\w-]+)\s*=", line)):
                found[match[1]] = " ".join(comment)
    return found


def library(package):
    """The root file of a crate's library, or of its procedural macro."""
    kinds = {"lib", "rlib", "proc-macro"}
    return pathlib.Path(next(target["src_path"] for target in package["targets"] if kinds & set(target["kind"])))


def script(package):
    """The lines of a crate's build script, or none."""
    files = [pathlib.Path(target["src_path"]) for target in package["targets"] if "custom-build" in target["kind"]]
    return sum(count for file in files for count, _ in rust(file.parent, [file]).values())


def fill(text):
    """A paragraph, as wide as prose is here."""
    return textwrap.fill(text, 120, break_on_hyphens=False, break_long_words=False)


def row(*cells):
    """A row of a table."""
    return "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else cell for cell in cells) + " |"


def dependency(crate, package, why):
    """A crate's row, and the numbers in it."""
    root = library(package)
    counts = rust(root.parent, walk(root.parent, (".rs",))).values()
    c, assembly = foreign(pathlib.Path(package["manifest_path"]).parent)
    size, unsafe = sum(count for count, _ in counts), sum(count for _, count in counts)
    bans = "#![forbid(unsafe_code)]" in stripped(root.read_text(encoding="utf-8")).replace(" ", "")
    cells = (crate[0], crate[1], package["license"].replace("/", " OR "), size, c + assembly or "",
             "forbidden" if bans and not unsafe else unsafe, script(package) or "", why)
    return row(*cells), (size, c, assembly, unsafe)


def ours():
    """The rows of odyn's own folders, and their sums."""
    source = sbom.ROOT / "src"
    files = [file for file in walk(source, (".rs",)) if file.parent.name != "bin" or file.name == "odyn.rs"]
    folders = {}
    for file, (size, unsafe) in rust(source, files, OWN_FEATURES).items():
        inside = file.relative_to(source).parts
        folder = f"src/{inside[0]}/" if len(inside) > 1 else "src/"
        known = folders.get(folder, (0, 0, 0))
        folders[folder] = (known[0] + 1, known[1] + size, known[2] + unsafe)
    sums = [sum(each) for each in zip(*folders.values())]
    return [row(f"`{name}`", *folders[name]) for name in sorted(folders)], sums


def version(text):
    """A compiler's version, to compare; a part that is not stated is 0."""
    parts = [int(part) for part in text.split(".")]
    return tuple(parts + [0] * (3 - len(parts)))


def twice(crates):
    """The crates that are there in several versions: twice the code to read."""
    names = [name for name, _ in crates]
    return sorted({name for name in names if names.count(name) > 1})


def wanted(packages, crates, own):
    """The sentence on the compiler. Ends the program when a crate wants a newer one than odyn states."""
    stated = {crate: packages[crate]["rust_version"] for crate in crates if packages[crate]["rust_version"]}
    newer = [f"{crate[0]} {crate[1]} wants {rust}" for crate, rust in stated.items() if version(rust) > version(own)]
    if newer:
        sys.exit(f"tcb.py: Cargo.toml says rust-version {own}, but {'; '.join(sorted(newer))}")
    highest = max(stated.values(), key=version)
    return fill(f"Odyn states Rust {own} as the oldest compiler that builds it. Of these {len(crates)} crates "
                f"{len(stated)} state theirs, none a newer one ({highest} is the newest); "
                f"{len(crates) - len(stated)} state none.")


def document():
    """The whole file."""
    uses, macros = sbom.tree(TARGET, "")
    root = next(iter(uses))
    building, _ = sbom.tree(TARGET, "", edges="normal,build")
    inside = sbom.linked(root, uses, macros) - {root}
    outside = set(building) - inside - {root}
    if several := twice(inside | outside):
        sys.exit(f"tcb.py: {several[0]} is in the enclave's odyn twice: see cargo tree -d --no-default-features")
    metadata = json.loads(sbom.cargo("metadata", "--locked", "--no-default-features", "--format-version", "1",
                                     "--filter-platform", TARGET))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    why = reasons()

    def brought(crate, graph):
        above = sorted(user[0] for user in graph if crate in graph[user] and user != root)
        return (why[crate[0]] if crate in graph[root] else f"brought by {', '.join(above)}").replace("|", "\\|")

    linked = [dependency(crate, packages[crate], brought(crate, uses)) for crate in sorted(inside)]
    compiling = [dependency(crate, packages[crate], brought(crate, building)) for crate in sorted(outside)]
    size, c, assembly, unsafe = (sum(each) for each in zip(*(numbers for _, numbers in linked)))
    folders, (files, own, own_unsafe) = ours()
    direct = sum(1 for crate in inside if crate in uses[root])
    forbid = sum(1 for line, _ in linked if "| forbidden |" in line)
    head = [row("Crate", "Version", "Licence", "Rust", "C, assembly", "`unsafe`", "Build script", "Why"),
            "|---|---|---|--:|--:|--:|--:|---|"]
    return "\n".join([
        HEAD.format(target=TARGET),
        row("", "Crates or files", "Rust", "C", "Assembly", "`unsafe`"), "|---|--:|--:|--:|--:|--:|",
        row("odyn's own code", files, own, "", "", own_unsafe),
        row("linked dependencies", len(inside), size, c, assembly, unsafe),
        row("run by the compiler only", len(outside), sum(numbers[0] for _, numbers in compiling), "", "", ""),
        "", fill(f"Of the {len(inside)} linked crates {direct} are named in Cargo.toml, and {forbid} forbid `unsafe`. "
                 "None is there in two versions."),
        "", wanted(packages, inside | outside, packages[root]["rust_version"]),
        "", "## Odyn's own code", "", OWN, row("Folder", "Files", "Rust", "`unsafe`"), "|---|--:|--:|--:|", *folders,
        "", "## Linked dependencies", "", LINKED, *head, *(line for line, _ in linked),
        "", "## Run by the compiler only", "", COMPILING, *head, *(line for line, _ in compiling), ""])


HEAD = """# What the enclave's odyn is made of

Written by `scripts/tcb.py`; `scripts/tcb.py --check`, part of the gate, fails when this file is out of date. It is
about the released binary: `cargo tree -e normal --no-default-features --target {target}`. Not counted
is what the compiler brings and what lies below: Rust's standard library and musl, which are linked in, the enclave's
kernel and the hypervisor.

How it counts:

- A line counts when something besides white space and comments is on it. Tests (`cfg(test)`) are left out.
- A crate counts whole: all `.rs` files in its library's folder, whatever features and systems they are for. It is what
  somebody may have to read, and more than what is compiled (most of `libc` describes other systems). C counts with its
  headers; assembly counts where it is for this processor and ELF, by the names ring gives its files.
- `unsafe` is how often that word stands in Rust outside comments and literals: blocks, functions, traits, `impl` and
  `extern` alike. What a macro makes of it is not seen, and a block may be one line or a hundred. `forbidden`:
  the crate has `#![forbid(unsafe_code)]`.
"""

OWN = """Without the host side, the simulation and the light client, which this binary has not. Only `src/sys/` may use
`unsafe`.
"""

LINKED = """Code of these is in the binary. `Build script` is the lines of a program that cargo compiles and runs, with
all rights of whoever builds, before it compiles the crate.
"""

COMPILING = """Procedural macros, what they are made of, and what build scripts use: no code of theirs is in the
binary, but what they write is.
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail when the file is not what would be written")
    asked = parser.parse_args()
    made = document()
    if not asked.check:
        OUTPUT.write_text(made)
        return
    there = OUTPUT.read_text() if OUTPUT.exists() else ""
    if there != made:
        changes = difflib.unified_diff(there.splitlines(), made.splitlines(), "enclave/tcb.md", "now", lineterm="", n=0)
        print("\n".join(list(changes)[:20]), file=sys.stderr)
        sys.exit("tcb.py: enclave/tcb.md is out of date: run scripts/tcb.py and commit what it writes")


if __name__ == "__main__":
    main()
