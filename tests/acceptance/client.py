"""What a client of the enclave computes by itself for scripts/acceptance.sh, with the standard library and openssl alone:

    client.py free-port | random | base64 HEX
    client.py address FILE                       FILE holds the API's answer; the address is the public key's
    client.py signature FILE ADDRESS MESSAGE     the signature recovers to the address of ADDRESS
    client.py document FILE NONCE ADDRESS PCRS   an attestation document with this nonce, for that address, with these PCRs
    client.py encryption FOLDER URL              messages both ways, with a key of its own in FOLDER
"""

import base64
import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
import urllib.request

# secp256k1.
PRIME = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def check(holds, what):
    if not holds:
        sys.exit(what)


def load(path):
    with open(path, "rb") as file:
        return file.read()


def unhex(text):
    return bytes.fromhex(text.removeprefix("0x"))


def keccak256(message):
    """Keccak-256 as Ethereum has it: Keccak-f[1600] with the padding of before SHA-3."""
    mask = 2**64 - 1

    def turn(lane, by):
        by %= 64
        return ((lane << by) | (lane >> (64 - by))) & mask if by else lane

    rate = 136
    padded = bytearray(message + b"\x01" + bytes(rate - 1 - len(message) % rate))
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), rate):
        for at in range(rate // 8):
            lanes[at % 5][at // 5] ^= int.from_bytes(padded[start + 8 * at : start + 8 * at + 8], "little")
        register = 1
        for _ in range(24):
            columns = [lane[0] ^ lane[1] ^ lane[2] ^ lane[3] ^ lane[4] for lane in lanes]
            for x in range(5):
                mix = columns[(x + 4) % 5] ^ turn(columns[(x + 1) % 5], 1)
                for y in range(5):
                    lanes[x][y] ^= mix
            x, y, held = 1, 0, lanes[1][0]
            for step in range(24):
                x, y = y, (2 * x + 3 * y) % 5
                held, lanes[x][y] = lanes[x][y], turn(held, (step + 1) * (step + 2) // 2)
            for y in range(5):
                row = [lanes[x][y] for x in range(5)]
                for x in range(5):
                    lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & mask & row[(x + 2) % 5])
            for bit in range(7):
                register = ((register << 1) ^ ((register >> 7) * 0x71)) % 256
                if register & 2:
                    lanes[0][0] ^= 1 << ((1 << bit) - 1)
    return b"".join(lanes[at % 5][at // 5].to_bytes(8, "little") for at in range(4))


def add(a, b):
    if a is None or b is None:
        return b if a is None else a
    if a[0] == b[0]:
        if (a[1] + b[1]) % PRIME == 0:
            return None
        slope = 3 * a[0] * a[0] * pow(2 * a[1], -1, PRIME)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, PRIME)
    x = (slope * slope - a[0] - b[0]) % PRIME
    return x, (slope * (a[0] - x) - a[1]) % PRIME


def times(point, factor):
    result = None
    while factor:
        if factor & 1:
            result = add(result, point)
        point, factor = add(point, point), factor >> 1
    return result


def recover(digest, r, s, odd):
    """The public key whose signature of the digest this is."""
    y = pow(r**3 + 7, (PRIME + 1) // 4, PRIME)
    check((y * y - r**3 - 7) % PRIME == 0, "r is on no point of the curve")
    y = y if y % 2 == odd else PRIME - y
    inverse = pow(r, -1, ORDER)
    point = add(times((r, y), s * inverse % ORDER), times(BASE, -int.from_bytes(digest, "big") * inverse % ORDER))
    return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def address_of(key):
    return keccak256(key)[-20:].hex()


def address(path):
    told = json.loads(load(path))
    key = unhex(told["public_key"])
    check(len(key) == 65 and key[0] == 4, f"not an uncompressed key: {key.hex()}")
    want = address_of(key[1:])
    check(told["address"].lower() == "0x" + want, f"{told['address']} is not the key's address 0x{want}")


def signature(path, address_path, message):
    told = json.loads(load(path))
    made = unhex(told["signature"])
    check(len(made) == 65 and made[64] in (27, 28), f"not a signature: {made.hex()}")
    digest = keccak256(f"\x19Ethereum Signed Message:\n{len(message)}{message}".encode())
    key = recover(digest, int.from_bytes(made[:32], "big"), int.from_bytes(made[32:64], "big"), made[64] - 27)
    want = json.loads(load(address_path))["address"]
    check("0x" + address_of(key) == want.lower(), f"signed by 0x{address_of(key)}, not by {want}")


def decode(data, at=0):
    """One item of CBOR and where it ends; tags are left out."""
    kind, low = data[at] >> 5, data[at] & 31
    at += 1
    if low >= 24:
        size = {24: 1, 25: 2, 26: 4, 27: 8}[low]
        low, at = int.from_bytes(data[at : at + size], "big"), at + size
    if kind == 0:
        return low, at
    if kind == 1:
        return -1 - low, at
    if kind in (2, 3):
        check(at + low <= len(data), "the document is cut off")
        text = data[at : at + low]
        return (text if kind == 2 else text.decode()), at + low
    if kind in (4, 5):
        items = []
        for _ in range(low * (kind - 3)):
            item, at = decode(data, at)
            items.append(item)
        return (items if kind == 4 else dict(zip(items[::2], items[1::2]))), at
    if kind == 6:
        return decode(data, at)
    return {20: False, 21: True, 22: None}[low], at


def document(path, nonce, address_path, pcrs):
    data = load(path)
    (header, _, payload, signed), end = decode(data)
    check(end == len(data), f"{len(data) - end} bytes after the document")
    check(isinstance(header, bytes) and isinstance(signed, bytes), "not a COSE_Sign1")
    told, _ = decode(payload)
    check(told["nonce"].hex() == nonce, f"nonce {told['nonce'].hex()} is not {nonce}")
    check(told["digest"] == "SHA384", f"digest {told['digest']}")
    check({int(pcr) for pcr in pcrs.split()} <= told["pcrs"].keys(), f"only PCRs {sorted(told['pcrs'])}")
    check(all(len(pcr) == 48 for pcr in told["pcrs"].values()), "a PCR that is not 48 bytes")
    check(told["module_id"], "no module_id")
    want = json.loads(load(address_path))["address"]
    check(json.loads(told["user_data"])["eth_addr"] == want, f"user_data {told['user_data']} is not for {want}")
    shown = run("openssl", "pkey", "-pubin", "-inform", "DER", "-noout", "-text", given=told["public_key"])
    check(b"secp384r1" in shown, "public_key is no P-384 key")


def run(*words, given=b""):
    return subprocess.run(words, input=given, check=True, stdout=subprocess.PIPE).stdout


def post(url, fields):
    with urllib.request.urlopen(url, json.dumps(fields).encode() if fields else None, timeout=60) as answer:
        return json.load(answer)


def hkdf(secret, info):
    """One block of HKDF-SHA256 with an empty salt."""
    extracted = hmac.digest(bytes(32), secret, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def encryption(folder, url):
    os.makedirs(folder, exist_ok=True)
    own, theirs = os.path.join(folder, "own.pem"), os.path.join(folder, "enclave.pem")
    run("openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", own)
    public = run("openssl", "pkey", "-in", own, "-pubout", "-outform", "DER").hex()
    with open(theirs, "w") as file:
        file.write(post(url + "/v1/encryption/public_key", None)["public_key_pem"])
    key = hkdf(run("openssl", "pkeyutl", "-derive", "-inkey", own, "-peerkey", theirs), b"encryption data")
    said = post(url + "/v1/encryption/encrypt", {"plaintext": "from the enclave", "client_public_key": public})
    # Counter mode from block 2 is what GCM encrypts with; its tag follows.
    counter = said["nonce"][:24] + "00000002"
    sealed = unhex(said["encrypted_data"])
    plain = run("openssl", "enc", "-d", "-aes-256-ctr", "-K", key.hex(), "-iv", counter, given=sealed[:-16])
    check(plain == b"from the enclave", f"the enclave sent {plain!r}")
    back = {"nonce": said["nonce"], "client_public_key": public, "encrypted_data": said["encrypted_data"]}
    check(post(url + "/v1/encryption/decrypt", back)["plaintext"] == "from the enclave", "it does not read it itself")
    back["encrypted_data"] = (sealed[:-1] + bytes([sealed[-1] ^ 1])).hex()
    try:
        post(url + "/v1/encryption/decrypt", back)
    except urllib.error.HTTPError as refused:
        check(refused.code == 400, f"a changed message is a {refused.code}")
    else:
        sys.exit("a changed message was accepted")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        print(probe.getsockname()[1])


def main(command, *words):
    commands = {
        "free-port": free_port,
        "random": lambda: print(os.urandom(32).hex()),
        "base64": lambda text: print(base64.b64encode(unhex(text)).decode()),
        "address": address,
        "signature": signature,
        "document": document,
        "encryption": encryption,
    }
    commands[command](*words)


main(*sys.argv[1:])
