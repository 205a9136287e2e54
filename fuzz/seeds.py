#!/usr/bin/env python3
"""Writes inputs for the fuzzers to start from: `seeds.py DATA CORPUS`, DATA being the folder of test vectors, which
may be missing.

A mutated object of the protocol reaches what random bytes never do. Nothing that is read here is kept in the repository.
"""

import json
import sys
from pathlib import Path

import seeds_odyn

FULU_SLOT = 411_392 * 32
COMMITTEE = 4


def snappy(raw):
    """Decompresses a raw snappy block (github.com/google/snappy, format_description.txt)."""
    at = shift = length = 0
    while True:
        byte = raw[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    out = bytearray()
    while at < len(raw):
        tag = raw[at]
        at += 1
        if tag & 3 == 0:
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size = int.from_bytes(raw[at : at + extra], "little")
                at += extra
            out += raw[at : at + size + 1]
            at += size + 1
            continue
        if tag & 3 == 1:
            size, offset = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | raw[at]
            at += 1
        else:
            size, width = (tag >> 2) + 1, 2 if tag & 3 == 2 else 4
            offset = int.from_bytes(raw[at : at + width], "little")
            at += width
        for _ in range(size):
            out.append(out[-offset])
    assert len(out) == length
    return out


def beacon_ssz(data):
    """Objects with a committee of 32, moved to slots where mainnet has the same form."""

    def moved(ssz, headers):
        for at in headers:
            header = int.from_bytes(ssz[at : at + 4], "little")
            ssz[header : header + 8] = FULU_SLOT.to_bytes(8, "little")
        return bytes(ssz)

    vectors = sorted((data / "eth/fulu-minimal").rglob("*.ssz_snappy"))
    for path in vectors:
        ssz = snappy(path.read_bytes())
        if path.name.startswith("bootstrap"):
            yield b"\x00" + moved(ssz, [0])
        elif path.name.startswith("update"):
            # The headers' offsets: after nothing, and after the next committee and its branch of six.
            update = moved(ssz, [0, 4 + 33 * 48 + 6 * 32])
            yield b"\x01" + update
            yield b"\x04" + (4 + len(update)).to_bytes(8, "little") + bytes(4) + update


def beacon_json():
    root, key, signature = "0x" + "11" * 32, "0x" + "22" * 48, "0x" + "33" * 96
    beacon = {"slot": str(FULU_SLOT), "proposer_index": "1", "parent_root": root, "state_root": root, "body_root": root}
    execution = {name: root for name in ("parent_hash", "state_root", "receipts_root", "prev_randao", "block_hash")}
    execution |= {"transactions_root": root, "withdrawals_root": root, "fee_recipient": "0x" + "44" * 20}
    execution |= {"logs_bloom": "0x" + "00" * 256, "extra_data": "0x55", "base_fee_per_gas": "7"}
    execution |= {name: "9" for name in ("block_number", "gas_limit", "gas_used", "timestamp")}
    execution |= {"blob_gas_used": "0", "excess_blob_gas": "0"}
    header = {"beacon": beacon, "execution": execution, "execution_branch": [root] * 4}
    committee = {"pubkeys": [key] * COMMITTEE, "aggregate_pubkey": key}
    signed = {"sync_committee_bits": "0x0f", "sync_committee_signature": signature}
    optimistic = {"attested_header": header, "sync_aggregate": signed, "signature_slot": str(FULU_SLOT + 1)}
    finality = optimistic | {"finalized_header": header, "finality_branch": [root] * 7}
    update = finality | {"next_sync_committee": committee, "next_sync_committee_branch": [root] * 6}
    bootstrap = {
        "header": header, "current_sync_committee": committee, "current_sync_committee_branch": [root] * 6,
    }

    def of_fork(value):
        return {"version": "fulu", "data": value}

    answers = [of_fork(bootstrap), [of_fork(update)], of_fork(finality), of_fork(optimistic), {"data": {"root": root}}]
    for kind, answer in enumerate(answers):
        yield bytes([kind]) + json.dumps(answer, separators=(",", ":")).encode()


def rlp(value):
    if isinstance(value, list):
        body, base = b"".join(map(rlp, value)), 0xC0
    else:
        body, base = value, 0x80
        if len(value) == 1 and value[0] < 0x80:
            return value
    if len(body) < 56:
        return bytes([base + len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([base + 55 + len(size)]) + size + body


def proof():
    """A leaf for the fuzzed address, one for its slot, and a branch and an extension that lead to one."""
    account = bytes.fromhex("5380c7b7ae81a58eb98d9c78de4a1fd7fd9535fc953ed2be602daaa41767312a")
    slot = bytes.fromhex("290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563")
    value = rlp([b"\x01", b"\x02", bytes(32), bytes(32)])
    leaves = [rlp([b"\x20" + account, value]), rlp([b"\x20" + slot, rlp(b"\x07")])]
    for leaf in leaves:
        yield bytes([min(len(leaf), 255)]) + leaf + leaf
    short = rlp([b"\x30", b"\x07"])
    yield b"\xff" + rlp([[short, b""][at % 2] for at in range(16)] + [b""])
    yield b"\x40" + rlp([b"\x00" + account[:2], bytes(32)]) + leaves[0]


def execution_json(data):
    """Recorded answers, each to the questions that it may follow."""
    kinds = {"eth_getProof": [0, 2], "eth_getCode": [1, 2], "eth_getBlockByNumber": [3, 4, 6], "eth_getLogs": [7]}
    for path in sorted((data / "eth/colibri").rglob("eth_get*.json")):
        for kind in kinds.get(path.name.split("_0x")[0].split("___")[0], []):
            yield bytes([kind]) + json.dumps(json.loads(path.read_text())["result"], separators=(",", ":")).encode()
    yield b'\x08"0x' + b"11" * 32 + b'"'


def main():
    data, corpus = map(Path, sys.argv[1:3])
    targets = {target.__name__: target(data) for target in seeds_odyn.TARGETS}
    targets |= {"beacon_json": beacon_json(), "proof": proof()}
    if (data / "eth").is_dir():
        targets |= {"beacon_ssz": beacon_ssz(data), "execution_json": execution_json(data)}
    for name, seeds in targets.items():
        (corpus / name).mkdir(parents=True, exist_ok=True)
        written = 0
        for at, seed in enumerate(seeds):
            (corpus / name / f"seed-{at:02}").write_bytes(seed)
            written += 1
        print(f"{name}: {written} seeds")


main()
