"""What the fuzzers of odyn itself start from: small things of each kind, written here, and where there are recorded ones
those too. `seeds.py` writes them to the corpus."""

import base64
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

MANIFEST = """version: v1
name: a
target: a:enclave
sources: {app: "a:latest", odyn: "o", sleeve: "s"}
signature: {certificate: c.pem, key: k.pem}
defaults: {cpu_count: 2, memory_mb: 512}
ingress: [{listen_port: 8080}, {listen_port: 8443, tls: {cert_file: c, key_file: /k}}]
egress: {proxy_port: 10000, allow: ["**", "10.0.0.0/8:80-90", "169.254.169.254"], deny: ["*.x.y", "[::1]:443"]}
vsock_ports: {status_port: 17000, app_log_port: 17001, http_egress_port: 17002}
api: {listen_port: 18000}
aux_api: {listen_port: 18001}
kms_proxy: {listen_port: 18002, endpoints: {us-east-1: "https://kms.test:444/x"}}
storage: {s3: {enabled: true, bucket: bucket, prefix: /p/, region: us-east-1, endpoint: "http://s3.test"}}
helios_rpc: {enabled: true, network: sepolia, listen_port: 8545, execution_rpc: "https://e.test/k",
  consensus_rpc: "https://c.test", checkpoint: "0x%s", allow_old_checkpoint: true}
""" % ("11" * 32)


def manifest(_):
    yield MANIFEST.encode()
    yield b"version: v1\nname: &a x\ntarget: *a\nsources:\n  app: |\n    x\n"
    for path in sorted((ROOT / "enclave").rglob("enclaver*.yaml")):
        yield path.read_bytes()


def proxy_head(_):
    chunked = "Transfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n5;a=b\r\npedia\r\n0\r\nTrailer: x\r\n\r\nGET"
    for text in [
        "CONNECT a.b:443 HTTP/1.1\r\nHost: a.b\r\n\r\n\x16\x03\x01",
        "GET http://a.b:80/x?y HTTP/1.1\r\nHost: c\r\nTE: trailers\r\nConnection: te, x\r\nX: 1\r\n\r\n",
        "GET http://[::1]/ HTTP/1.0\r\nProxy-Connection: keep-alive\r\n\r\n",
        "POST http://a.b HTTP/1.1\r\nHost: a.b\r\nContent-Length: 5\r\n\r\nhello",
        "POST http://a.b/ HTTP/1.1\r\nHost: a.b\r\n" + chunked,
        "GET http://a/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "TRACE http://a/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\n\r\n",
    ]:
        yield b"\x00\x02" + text.encode("latin-1")
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nKeep-Alive: timeout=5\r\n\r\nok",
        "HTTP/1.1 200 \r\n" + chunked,
        "HTTP/1.0 404\r\nConnection: close\r\n\r\nuntil the end",
        "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
        "HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\n",
    ]:
        yield b"\x01\x03" + text.encode("latin-1")
        yield b"\x03\x07" + text.encode("latin-1")


def egress_target(_):
    targets = ["Example.com.:443", "0x7f.1:80", "0177.0.0.1:1", "2130706433:80", "[::ffff:10.0.0.1]:80", "[::1]:8080"]
    targets += ["[64:ff9b::a9fe:a9fe]:80", "[2002:0a00:0001::]:80", "a.b.example.com:65535", "1.2.3.4:80", "x..y:1", "a_b-c:0"]
    targets += ["[::ffff:0:a9fe:a9fe]:80", "[64:ff9b:1:a9fe:a9:fe00::]:80", "[2001::5601:5601]:80", "[fe80::5efe:a9fe:a9fe]:80"]
    targets += ["0:443", "[::]:443"]
    rules = "+**\n+::/0\n+0.0.0.0/0:80-90\n+[fd00::/8]:443\n+*.example.com\n+**.example.com:443\n+1.2.3.4\n"
    rules += "-10.0.0.0/8\n-169.254.169.254\n-example.com:8000-8010\n-::ffff:10.0.0.0/104\n-[::1]:443"
    for target in targets:
        yield f"{target}\n{rules}".encode()


def connect_frame(_):
    def frame(text, behind=b""):
        return len(text).to_bytes(2, "little") + text + behind

    yield b"\x00" + frame(b'{"host":"example.com","port":443}', b"data")
    yield b"\x00" + frame(b'{"port":1,"host":"\\u0000","more":[1]}')
    yield b"\x01" + frame(b'"Ok"', b"data")
    yield b"\x01" + frame(b'{"Err":{"os_code":111,"message":"no"}}')
    yield b"\x01" + frame(b'{"Err":{"os_code":null,"message":""}}')


def api_body(_):
    tx = {"kind": "structured", "chain_id": "0x1", "nonce": "0x0", "gas_limit": "0x5208", "max_fee_per_gas": "0x2"}
    tx |= {"max_priority_fee_per_gas": "0x1", "to": "0x" + "11" * 20, "value": "0x1", "data": "0x00"}
    raw = "02" + "eb0180010282520894" + "11" * 20 + "0180c0"
    bodies = {
        2: [{"message": "hello", "include_attestation": True}],
        3: [{"payload": tx}, {"payload": tx | {"access_list": [{"address": "0x" + "11" * 20, "storage_keys": ["0x" + "22" * 32]}]}},
            {"payload": {"kind": "raw_rlp", "raw_payload": "0x" + raw}, "include_attestation": False}],
        5: [{"nonce": "AAEC", "public_key": "AAEC", "user_data": "AAEC"}, {"user_data": {"a": [1, None]}}],
        7: [{"plaintext": "x", "client_public_key": "0x" + "04" + "11" * 96}],
        8: [{"nonce": "0x" + "00" * 32, "client_public_key": "0x04", "encrypted_data": "0x00"}],
        9: [{"key": "a"}],
        10: [{"key": "a", "value": "AA=="}],
    }
    for which, found in bodies.items():
        for body in found:
            yield bytes([0, which]) + json.dumps(body).encode()
    yield bytes([1, 5]) + b'{"nonce":"AAEC","public_key":1}'
    yield bytes([2, 0]) + b"/v1/eth/address?x"
    for which in (1, 4, 6):
        yield bytes([2, which])


def der(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x81" + bytes([size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def ber(tag, *parts):
    return bytes([tag, 0x80]) + b"".join(parts) + b"\x00\x00"


def oid(*dotted):
    first, *rest = [dotted[0] * 40 + dotted[1], *dotted[2:]]
    out = bytes([first])
    for number in rest:
        digits = [number & 0x7F]
        while number := number >> 7:
            digits.append(number & 0x7F | 0x80)
        out += bytes(reversed(digits))
    return der(0x06, out)


def kms_envelope(data):
    rsa, nist = (1, 2, 840, 113549, 1), (2, 16, 840, 1, 101, 3, 4)
    sha256 = der(0x30, oid(*nist, 2, 1), b"\x05\x00")
    mgf1 = der(0x30, oid(*rsa, 1, 8), sha256)
    oaep = der(0x30, oid(*rsa, 1, 7), der(0x30, der(0xA0, sha256), der(0xA1, mgf1)))
    aes = der(0x30, oid(*nist, 1, 42), der(0x04, bytes(16)))
    for wrap, content in ((der, der(0x80, bytes(32))), (ber, ber(0xA0, der(0x04, bytes(16)), der(0x04, bytes(16))))):
        recipient = der(0x30, b"\x02\x01\x02", der(0x80, bytes(4)), oaep, der(0x04, bytes(8)))
        body = wrap(0x30, b"\x02\x01\x02", der(0x31, recipient), wrap(0x30, oid(*rsa, 7, 1), aes, content))
        whole = wrap(0x30, oid(*rsa, 7, 3), wrap(0xA0, body))
        for kind in range(3):
            yield bytes([kind]) + whole
    recorded = data / "kms/ciphertext_for_recipient.b64"
    if recorded.is_file():
        yield b"\x00" + base64.b64decode(recorded.read_text())


def aws_answer(_):
    role = {"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": "ASIA1", "SecretAccessKey": "s/x", "Token": "t=="}
    yield b"\x00" + json.dumps(role | {"Expiration": "2026-11-23T15:00:00Z"}).encode()
    yield b'\x00{"Code":"AssumeRoleUnauthorizedAccess"}'
    yield b'\x01{"KeyId":"k","Plaintext":"AA==","CiphertextForRecipient":"MIA=","n":1e9,"Recipient":null}'
    yield b'\x01{"__type":"x#ExpiredTokenException","message":"\\u00fc"}'
    scope = "AWS4-HMAC-SHA256 Credential=AKIA/20260101/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=00"
    for name in ("Decrypt", "decrypt", "GenerateRandom", "Encrypt"):
        yield b"\x02" + f"POST\n/\nTrentService.{name}\n{scope}".encode()
    list_of = '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</ListBucketResult>'
    entries = "<Contents><Key>p/a+b%2Bc%C3%BC</Key><Size>1</Size></Contents><Contents><Key>p/</Key></Contents>"
    more = "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>a&amp;b</NextContinuationToken>"
    yield b"\x03" + (list_of % (more + entries)).encode()
    yield b"\x03" + (list_of % ("<IsTruncated>false</IsTruncated>" + entries)).encode()
    yield b"\x04<Error><Code>NoSuchKey</Code><Message>x</Message></Error>"


def cbor(value):
    def head(kind, n):
        if n < 24:
            return bytes([kind << 5 | n])
        width = next(width for width in (1, 2, 4, 8) if n < 1 << 8 * width)
        return bytes([kind << 5 | 24 + (1, 2, 4, 8).index(width)]) + n.to_bytes(width, "big")

    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return head(0, value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(name) + cbor(item) for name, item in value.items())


def attestation(data):
    claims = {"module_id": "i-0-enc0", "digest": "SHA384", "timestamp": 1_700_000_000_000, "pcrs": {0: bytes(48), 4: bytes(48)}}
    claims |= {"certificate": bytes(4), "cabundle": [bytes(4), bytes(4)]}
    claims |= {"public_key": b"k", "user_data": None, "nonce": b"n"}
    payload = cbor(claims)
    yield b"\x00" + b"\x84" + cbor(b"\xa1\x01\x38\x22") + b"\xa0" + cbor(payload) + cbor(bytes(96))
    yield b"\x01" + payload
    yield b"\x02\x00\x20\x00"
    yield b"\x03\xff\xff\x00"
    recorded = data / "attestation/valid-doc.b64"
    if recorded.is_file():
        yield b"\x00" + base64.b64decode(recorded.read_text())


def report_stream(_):
    lines = [b'{"status":"running"}', b'{"status":"exited","code":3}', b'{"status":"signaled","signal":15,"name":"SIGTERM"}']
    lines += [b'{"status":"fatal","error":"\\u0000 x"}', b'{"status":"later"}', b"x" * 999]
    for line in lines:
        yield b"\x00" + line
        yield b"\x01" + lines[0] + b"\n" + line + b"\n" + lines[1] + b"\n"
    yield b"\x01" + b"x" * 500 + b"\n" + b"y" * 1100 + b"\n" + lines[1] + b"\n"
    yield b"\x02\x01a log\nof two lines"
    yield b"\x03\x08\x08\x03\xff\x30\x05\x21\x07\x90\x91"


TARGETS = [
    manifest, proxy_head, egress_target, connect_frame, api_body, kms_envelope, aws_answer, attestation, report_stream,
]
