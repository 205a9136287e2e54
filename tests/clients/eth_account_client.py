#!/usr/bin/env python3
"""eth_account against the internal API: it recovers the signer of whatever odyn signs, and encodes it the same way.

    eth_account_client.py API_URL [SEED]      the seed is printed; the same one makes the same inputs

Lines and exit status: as in report.py.
"""
import base64
import json
import random
import sys

import cbor2
import requests
import rlp
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_defunct
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys import keys
from eth_utils import keccak
from hexbytes import HexBytes

from report import Report, check

TIMEOUT = 60
ROUNDS = 30
LARGE = 100_000
# Sizes at which RLP's or EIP-191's length changes its form, and those just beside them.
EDGES = [0, 1, 2, 9, 10, 31, 32, 33, 54, 55, 56, 57, 99, 100, 255, 256, 257, 65_535, 65_536]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: eth_account_client.py API_URL [SEED]")
    api = Api(sys.argv[1])
    seed = sys.argv[2] if len(sys.argv) == 3 else str(random.SystemRandom().getrandbits(64))
    rng = random.Random(seed)
    print(json.dumps({"client": "eth_account", "seed": seed}), flush=True)
    report = Report("eth_account")
    for name, run in CASES:
        report.case(name, "http", run, api, rng)
    report.finish()


class Api:
    def __init__(self, url):
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False
        self.address = self.ask("GET", "/v1/eth/address")["address"]

    def ask(self, method, path, fields=None):
        answer = self.session.request(method, self.url + path, json=fields, timeout=TIMEOUT)
        check(answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:200]}")
        return answer.json()

    def sign(self, message, **more):
        return self.ask("POST", "/v1/eth/sign", {"message": message, **more})

    def sign_tx(self, payload, **more):
        return self.ask("POST", "/v1/eth/sign-tx", {"payload": payload, **more})


def address(api, rng):
    answer = api.ask("GET", "/v1/eth/address")
    key = keys.PublicKey(bytes.fromhex(answer["public_key"][4:]))
    check(answer["public_key"].startswith("0x04"), answer["public_key"])
    check(key.to_checksum_address() == answer["address"], f"{answer} is {key.to_checksum_address()}")
    return answer


def messages(api, rng):
    fixed = ["a", "grüße", "日本語", "\U0001f469‍\U0001f52c", "e\u0301", "\u202eabc", "\0", "\uffff", '"\\\n\r\t/',
             "\x19Ethereum Signed Message:\n1a", "0x" + "00" * 32, "x" * LARGE, "ß" * LARGE]
    edges = ["x" * size for size in EDGES if size]
    texts = fixed + edges + [text(rng) for _ in range(ROUNDS)]
    for message in texts:
        answer = api.sign(message)
        shown = f"for {message[:40]!r}, {len(message)} characters"
        check(answer["signature"][-2:] in ("1b", "1c"), f"v of {answer['signature']} {shown}")
        signer = Account.recover_message(encode_defunct(text=message), signature=answer["signature"])
        check(signer == answer["address"] == api.address, f"signed by {signer} {shown}")
        check(answer["attestation"] is None, f"an attestation {shown}")
    return {"messages": len(texts)}


def structured(api, rng):
    for _ in range(ROUNDS):
        fields = transaction(rng)
        verify(api, fields, api.sign_tx(as_payload(fields, rng)))
    return {"transactions": ROUNDS}


def raw_rlp(api, rng):
    for _ in range(ROUNDS):
        fields = transaction(rng)
        unsigned = as_rlp(fields).hex()
        answer = api.sign_tx({"kind": "raw_rlp", "raw_payload": rng.choice(["0x", ""]) + unsigned})
        verify(api, fields, answer)
        # One transaction has one signature, however it was told.
        check(answer == api.sign_tx(as_payload(fields, rng)), f"structured and raw differ for {fields}")
    return {"transactions": ROUNDS}


def contract_creation(api, rng):
    for to in ({}, {"to": None}):
        fields = transaction(rng) | {"to": b"", "data": rng.randbytes(300)}
        payload = as_payload(fields, rng)
        payload.pop("to", None)
        verify(api, fields, api.sign_tx(payload | to))
    return {"transactions": 2}


def data_sizes(api, rng):
    sizes = EDGES + [LARGE]
    for size in sizes:
        # A single byte below 0x80 is its own encoding.
        for first in (0, 0x7f, 0x80, 0xff):
            fields = transaction(rng) | {"data": (bytes([first]) + rng.randbytes(size))[:size], "accessList": []}
            verify(api, fields, api.sign_tx(as_payload(fields, rng)))
            if size not in (1, 2):
                break
    return {"sizes": len(sizes)}


def extremes(api, rng):
    top = {"chainId": 2**64 - 1, "nonce": 2**64 - 2, "maxPriorityFeePerGas": 2**256 - 1, "maxFeePerGas": 2**256 - 1,
           "gas": 2**64 - 1, "value": 2**256 - 1}
    zero = dict.fromkeys(top, 0) | {"chainId": 1}
    for numbers in (top, zero):
        fields = transaction(rng) | numbers
        verify(api, fields, api.sign_tx(as_payload(fields, rng)))
    bare = {"kind": "structured"} | dict.fromkeys(NUMBERS.values(), "0") | {"chain_id": "1"}
    verify(api, zero | {"to": b"", "data": b"", "accessList": []}, api.sign_tx(bare))
    return {"transactions": 3}


def access_lists(api, rng):
    lists = [[], [0], [1], [0, 0], [200], [3] * 60]
    for sizes in lists:
        entries = [{"address": rng.randbytes(20), "storageKeys": [rng.randbytes(32) for _ in range(size)]}
                   for size in sizes]
        fields = transaction(rng) | {"accessList": entries}
        verify(api, fields, api.sign_tx(as_payload(fields, rng)))
    return {"lists": len(lists)}


def attested(api, rng):
    message = text(rng)
    document = base64.b64decode(api.sign(message, include_attestation=True)["attestation"], validate=True)
    check_document(api, document, _hash_eip191_message(encode_defunct(text=message)))
    fields = transaction(rng)
    answer = api.sign_tx(as_payload(fields, rng), include_attestation=True)
    verify(api, fields, answer | {"attestation": None})
    check_document(api, base64.b64decode(answer["attestation"], validate=True), keccak(as_rlp(fields)))
    return {"documents": 2}


def check_document(api, document, signed_hash):
    payload = cbor2.loads(cbor2.loads(document)[2])
    check(payload["nonce"] == signed_hash, f"nonce {payload['nonce'].hex()}, signed {signed_hash.hex()}")
    check(json.loads(payload["user_data"]) == {"eth_addr": api.address}, payload["user_data"])


def verify(api, fields, answer):
    """The answer is the one signed transaction that these fields can be."""
    raw = bytes.fromhex(answer["raw_transaction"][2:])
    shown = f"for {str(fields)[:300]}"
    decoded = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
    check(answer["transaction_hash"] == "0x" + keccak(raw).hex(), f"hash {answer['transaction_hash']} {shown}")
    signer = Account.recover_transaction(raw)
    check(signer == answer["address"] == api.address, f"signed by {signer} {shown}")
    r, s, y = decoded["r"], decoded["s"], decoded["v"]
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([y])
    check(answer["signature"] == "0x" + signature.hex(), f"signature {answer['signature']} {shown}")
    # Both by eth_account's own encoding of the fields and by nothing but an RLP library.
    told = lambda some: "0x" + some.hex()
    access = [{"address": told(entry["address"]), "storageKeys": [told(key) for key in entry["storageKeys"]]}
              for entry in fields["accessList"]]
    encoded = TypedTransaction.from_dict(fields | {"type": 2, "accessList": access, "v": y, "r": r, "s": s}).encode()
    check(encoded == raw, f"eth_account encodes {encoded[:300].hex()}, odyn {raw[:300].hex()} {shown}")
    check(as_rlp(fields, y, r, s) == raw, f"not canonical: {raw[:300].hex()} {shown}")
    check(answer["attestation"] is None, f"an attestation {shown}")


def as_rlp(fields, *signature):
    access = [[entry["address"], entry["storageKeys"]] for entry in fields["accessList"]]
    return b"\x02" + rlp.encode([fields[name] for name in NUMBERS] + [
        fields["to"], fields["value"], fields["data"], access, *signature])


def as_payload(fields, rng):
    """The fields as the API takes them, in one of the spellings it allows."""
    quantity = lambda number: rng.choice(["0x%x", "%x", "0x%X"]) % number
    data = lambda some: rng.choice(["0x", ""]) + rng.choice([some.hex(), some.hex().upper()])
    payload = {"kind": "structured"} | {told: quantity(fields[name]) for name, told in NUMBERS.items()}
    payload |= {"value": quantity(fields["value"]), "data": data(fields["data"])}
    if fields["to"]:
        payload["to"] = data(fields["to"])
    payload["access_list"] = [{"address": data(entry["address"]),
                               rng.choice(["storage_keys", "storageKeys"]): [data(key) for key in entry["storageKeys"]]}
                              for entry in fields["accessList"]]
    # What is empty may be left out.
    empty = [name for name in ("value", "data", "access_list") if payload[name] in ("0", "0x0", "", "0x", [])]
    for name in rng.sample(empty, rng.randint(0, len(empty))):
        del payload[name]
    return payload


def transaction(rng):
    number = lambda bits: rng.getrandbits(rng.randint(0, bits))
    some_keys = lambda: [rng.randbytes(32) for _ in range(rng.randint(0, 4))]
    fee = number(256)
    return {
        # eth_account knows no chain 0.
        "chainId": max(1, number(64)), "nonce": min(number(64), 2**64 - 2), "maxPriorityFeePerGas": rng.randint(0, fee),
        "maxFeePerGas": fee, "gas": number(64), "to": rng.randbytes(20) if rng.random() < 0.8 else b"",
        "value": number(256), "data": rng.randbytes(rng.choice([0, 1, 4, 36, rng.randint(0, 3000)])),
        "accessList": [{"address": rng.randbytes(20), "storageKeys": some_keys()} for _ in range(rng.choice([0, 0, 1, 3]))],
    }


def text(rng):
    """Some characters of every length in UTF-8; JSON has no lone surrogates."""
    ranges = [(0, 0x7f), (0x80, 0x7ff), (0x800, 0xd7ff), (0xe000, 0xffff), (0x10000, 0x10ffff)]
    return "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 300)))


# eth_account's name and odyn's, in EIP-1559's order.
NUMBERS = {"chainId": "chain_id", "nonce": "nonce", "maxPriorityFeePerGas": "max_priority_fee_per_gas",
           "maxFeePerGas": "max_fee_per_gas", "gas": "gas_limit"}
CASES = [(run.__name__, run) for run in (address, messages, structured, raw_rlp, contract_creation, data_sizes,
                                         extremes, access_lists, attested)]

if __name__ == "__main__":
    main()
