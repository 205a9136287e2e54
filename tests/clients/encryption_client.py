#!/usr/bin/env python3
"""Python's `cryptography` exchanges messages with the internal API, in both directions.

    encryption_client.py API_URL

Lines and exit status: as in report.py.
"""
import os
import sys

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from report import Report, check

TIMEOUT = 60
TEXTS = ["", "a", "grüße", "日本語 \U0001f469‍\U0001f52c e\u0301 \u202e", "\0\0", '"\\\n\r\t', "x" * 15,
         "x" * 16, "x" * 17, "x" * 4096, "é" * 500_000]


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: encryption_client.py API_URL")
    api = Api(sys.argv[1])
    report = Report("cryptography")
    for name, run in CASES:
        report.case(name, "http", run, api)
    report.finish()


class Api:
    def __init__(self, url):
        self.url, self.session = url, requests.Session()
        self.session.trust_env = False

    def ask(self, method, path, fields=None, status=200):
        answer = self.session.request(method, self.url + path, json=fields, timeout=TIMEOUT)
        check(answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:200]}")
        return answer.json()


class Client:
    """A client with a key of its own: one message's, as a careful one has it."""

    def __init__(self, enclave):
        secret = ec.generate_private_key(ec.SECP384R1())
        self.public = der(secret.public_key()).hex()
        shared = secret.exchange(ec.ECDH(), enclave)
        # cryptography takes an empty salt for an absent one, and so does RFC 5869.
        self.key = AESGCM(HKDF(hashes.SHA256(), 32, salt=b"", info=b"encryption data").derive(shared))

    def seal(self, text, nonce, prefix=""):
        sealed = self.key.encrypt(nonce[:12], text, None)
        return {"nonce": prefix + nonce.hex(), "client_public_key": prefix + self.public,
                "encrypted_data": prefix + sealed.hex()}


def enclave_key(api):
    answer = api.ask("GET", "/v1/encryption/public_key")
    key = serialization.load_der_public_key(bytes.fromhex(answer["public_key_der"].removeprefix("0x")))
    check(isinstance(key.curve, ec.SECP384R1), key.curve.name)
    return answer, key


def der(key):
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_key(api):
    answer, key = enclave_key(api)
    check(answer["public_key_der"] == "0x" + der(key).hex(), "the DER has another form")
    check(serialization.load_pem_public_key(answer["public_key_pem"].encode()) == key, "PEM and DER differ")


def to_the_enclave(api):
    _, enclave = enclave_key(api)
    for text in TEXTS:
        for size, prefix in ((12, ""), (32, "0x"), (100, "")):
            sealed = Client(enclave).seal(text.encode(), os.urandom(size), prefix)
            opened = api.ask("POST", "/v1/encryption/decrypt", sealed)["plaintext"]
            check(opened == text, f"{opened[:40]!r} for {text[:40]!r}")
    return {"messages": 3 * len(TEXTS)}


def from_the_enclave(api):
    _, enclave = enclave_key(api)
    nonces = set()
    for text in TEXTS:
        client = Client(enclave)
        sealed = api.ask("POST", "/v1/encryption/encrypt", {"plaintext": text, "client_public_key": client.public})
        check(bytes.fromhex(sealed["enclave_public_key"]) == der(enclave), "another key than the enclave's")
        nonce = bytes.fromhex(sealed["nonce"])
        check(len(nonce) == 32, f"a nonce of {len(nonce)} bytes")
        nonces.add(nonce)
        opened = client.key.decrypt(nonce[:12], bytes.fromhex(sealed["encrypted_data"]), None)
        check(opened == text.encode(), f"{opened[:40]!r} for {text[:40]!r}")
    check(len(nonces) == len(TEXTS), "a nonce came twice")
    return {"messages": len(TEXTS)}


def what_was_changed_does_not_open(api):
    _, enclave = enclave_key(api)
    good = Client(enclave).seal(b"secret", os.urandom(32))
    flip = lambda digits: f"{int(digits[:2], 16) ^ 1:02x}" + digits[2:]
    changed = [good | {"encrypted_data": flip(good["encrypted_data"])}, good | {"nonce": flip(good["nonce"])},
               good | {"encrypted_data": good["encrypted_data"][:-2]}, good | {"encrypted_data": ""},
               good | {"client_public_key": Client(enclave).public}]
    for sealed in changed:
        error = api.ask("POST", "/v1/encryption/decrypt", sealed, status=400)["error"]
        check("does not decrypt" in error, error)
    # Of a long nonce only the first 12 bytes count.
    longer = good | {"nonce": good["nonce"] + "00"}
    check(api.ask("POST", "/v1/encryption/decrypt", longer)["plaintext"] == "secret", "a longer nonce")
    return {"changed": len(changed)}


def keys_of_other_kinds_are_refused(api):
    keys = [ec.generate_private_key(curve()).public_key() for curve in (ec.SECP256R1, ec.SECP521R1, ec.SECP256K1)]
    _, enclave = enclave_key(api)
    point = enclave.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    fields_of = {"encrypt": {"plaintext": "x"}, "decrypt": {"nonce": "00" * 12, "encrypted_data": "00" * 17}}
    for key in [der(key) for key in keys] + [point, der(enclave)[:-1], der(enclave) + b"\0", b""]:
        for path, more in fields_of.items():
            fields = {"client_public_key": key.hex()} | more
            error = api.ask("POST", f"/v1/encryption/{path}", fields, status=400)["error"]
            check(error.startswith("client_public_key: "), error)


CASES = [(run.__name__, run) for run in (public_key, to_the_enclave, from_the_enclave, what_was_changed_does_not_open,
                                         keys_of_other_kinds_are_refused)]

if __name__ == "__main__":
    main()
