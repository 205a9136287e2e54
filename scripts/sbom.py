#!/usr/bin/env python3
"""The bill of materials of a built executable, as CycloneDX 1.6 on standard output.

    scripts/sbom.py --binary FILE --name odyn|odyn-host|odyn-helios --target TARGET

It lists exactly the crates of `cargo tree -e normal --no-default-features` for that executable and target, with the
checksums of Cargo.lock. Crates that only run while it is compiled, procedural macros and what they alone use, have the
scope "excluded": none of their code is in the executable. Build scripts' own dependencies are left out.

The same sources and the same executable make the same bytes: the time is SOURCE_DATE_EPOCH's, and the serial number is
computed from the rest.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
# A line of the tree: depth, name, version, and what marks a procedural macro.
LINE = re.compile(r"(\d+) (\S+) v(\S+)(.*)")


def cargo(*words):
    """What a command of cargo's prints, for the checkout that this script is part of."""
    return subprocess.run(["cargo", *words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def tree(target, features, edges="normal"):
    """The crates as (name, version), what each uses directly, and which are procedural macros. The first is the root."""
    printed = cargo("tree", "--locked", "-e", edges, "--no-default-features", "--features", features, "--target",
                    target, "--prefix", "depth", "--format", " {p}")
    uses, macros, above = {}, set(), []
    for line in printed.splitlines():
        match = LINE.fullmatch(line)
        if match is None:
            sys.exit(f"sbom.py: cargo tree printed a line of another form: {line!r}")
        depth, crate = int(match[1]), (match[2], match[3])
        uses.setdefault(crate, set())
        if "(proc-macro)" in match[4]:
            macros.add(crate)
        del above[depth:]
        if above:
            uses[above[-1]].add(crate)
        above.append(crate)
    return uses, macros


def linked(root, uses, macros):
    """What is reached from the root without passing a procedural macro: the crates whose code is in the executable."""
    found, todo = set(), [root]
    while todo:
        crate = todo.pop()
        if crate not in found and crate not in macros:
            found.add(crate)
            todo.extend(uses[crate])
    return found


def purl(crate):
    """The package URL of a crate; `+` of a version's build number must be escaped in it."""
    return f"pkg:cargo/{crate[0]}@{crate[1].replace('+', '%2B')}"


def licence(expression):
    """A crate's licence as CycloneDX has it. Crates from before SPDX expressions write / for OR."""
    if not expression:
        return []
    return [{"expression": expression.replace("/", " OR ")}] if " OR OR " not in expression else []


def component(crate, package, checksum, scope):
    """A crate as a component."""
    made = {"type": "library", "bom-ref": purl(crate), "name": crate[0], "version": crate[1], "scope": scope,
            "licenses": licence(package["license"]), "purl": purl(crate)}
    if package["description"]:
        made["description"] = " ".join(package["description"].split())
    if checksum:
        made["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=pathlib.Path)
    parser.add_argument("--name", required=True, choices=["odyn", "odyn-host", "odyn-helios"])
    parser.add_argument("--target", required=True)
    asked = parser.parse_args()
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch.isascii() or not epoch.isdigit():
        sys.exit("sbom.py: set SOURCE_DATE_EPOCH to the time of the commit, in seconds since 1970")

    uses, macros = tree(asked.target, asked.name.partition("-")[2])
    root = next(iter(uses))
    inside = linked(root, uses, macros)
    metadata = json.loads(cargo("metadata", "--locked", "--all-features", "--format-version", "1", "--filter-platform", asked.target))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in locked}
    unlocked = [crate for crate in uses if crate != root and not checksums.get(crate)]
    if unlocked:
        sys.exit(f"sbom.py: Cargo.lock has no checksum of {unlocked[0][0]}: it is of no registry")

    digest = hashlib.sha256(asked.binary.read_bytes()).hexdigest()
    compiler = subprocess.run(["rustc", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[1]
    reference = f"{purl(root)}#{asked.name}-{asked.target}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(int(epoch), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lifecycles": [{"phase": "build"}],
            "tools": {"components": [{"type": "application", "name": "rustc", "version": compiler}]},
            "component": {
                "type": "application", "bom-ref": reference, "name": asked.name, "version": root[1],
                "licenses": licence(packages[root]["license"]),
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "properties": [
                    {"name": "odyn:target", "value": asked.target},
                    {"name": "odyn:bytes", "value": str(asked.binary.stat().st_size)},
                ],
            },
        },
        "components": [component(crate, packages[crate], checksums[crate],
                                 "required" if crate in inside else "excluded")
                       for crate in sorted(uses) if crate != root],
        "dependencies": [{"ref": reference if crate == root else purl(crate), "dependsOn": sorted(map(purl, uses[crate]))}
                         for crate in sorted(uses)],
    }
    content = json.dumps(document, sort_keys=True)
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}"
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
