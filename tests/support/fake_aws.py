"""AWS as odyn meets it: the instance metadata service (IMDSv2) and KMS, on one port, and both misbehave on demand.

    fake_aws.py ROOT_PEM

ROOT_PEM names the file of the attestation root to believe, which may appear later. Prints `listening PORT`, serves as long
as standard input is open. Signatures are checked with botocore's own code, attestation documents with cbor2 and
cryptography.

Control, for tests: POST /control/NAME with a JSON body. See `control`. A request to KMS misbehaves when its KeyId is one of
`MISBEHAVIOURS`.
"""

import base64
import datetime
import hashlib
import json
import os
import secrets
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cbor2
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ACCOUNT = "111122223333"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
ATTESTING = {
    "Decrypt": "Plaintext",
    "GenerateDataKey": "Plaintext",
    "GenerateDataKeyPair": "PrivateKeyPlaintext",
    "GenerateRandom": "Plaintext",
    "DeriveSharedSecret": "SharedSecret",
}
MISBEHAVIOURS = {
    "alias/stall", "alias/truncate", "alias/html", "alias/html-error", "alias/plain", "alias/other", "alias/garbage",
    "alias/throttle", "alias/expired-always", "alias/expired-once", "alias/echo", "alias/openssl", "alias/huge",
    "alias/reset",
}


class State:
    """What there is, and what a test has asked for. One lock for all of it."""

    def __init__(self, root_file):
        self.lock = threading.Lock()
        self.root_file = root_file
        self.master = AESGCM(os.urandom(32))
        self.agreement = ec.generate_private_key(ec.SECP256R1())
        self.stranger = rsa.generate_private_key(65537, 2048)
        self.lifetime = 6 * 3600
        self.imds_down = False
        self.tokens = set()
        self.credentials = {}  # access key id: (secret, token, end)
        self.newest = None
        self.secrets = set()  # everything that must be in no log
        self.documents = []  # the hash of each attestation document seen
        self.requests = []  # operation, region and outcome of each request to KMS
        self.counts = {}  # requests to the metadata service, by path

    def issue(self):
        self.newest = "ASIA" + secrets.token_hex(8).upper()
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.lifetime)
        secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(200)
        self.credentials[self.newest] = (secret, token, end)
        self.secrets.update([secret, token, self.newest])

    def keep(self, secret):
        """A secret's bytes: neither their base64 nor their hexadecimal digits may be in a log."""
        with self.lock:
            self.secrets.update([base64.b64encode(secret).decode(), secret.hex()])


class AwsError(Exception):
    """An error as KMS answers it."""

    def __init__(self, kind, message, status=400):
        super().__init__(message)
        self.kind, self.status = kind, status


def tlv(tag, *parts):
    """A value in DER."""
    content = b"".join(parts)
    if len(content) < 128:
        length = bytes([len(content)])
    else:
        size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
        length = bytes([0x80 | len(size)]) + size
    return bytes([tag]) + length + content


def indefinite(tag, *parts):
    """A value in BER whose length is told by its end."""
    return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"


def oid(text):
    first, second, *rest = (int(part) for part in text.split("."))
    content = bytearray([40 * first + second])
    for number in rest:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(number & 0x7F | 0x80)
        content += bytes(reversed(septets))
    return tlv(6, bytes(content))


def envelope(key, secret):
    """CMS EnvelopedData as AWS writes it: indefinite lengths, and the content in pieces."""
    content_key, iv = os.urandom(32), os.urandom(16)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES256(content_key), modes.CBC(iv)).encryptor()
    content = encryptor.update(padder.update(secret) + padder.finalize()) + encryptor.finalize()
    oaep = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    sha256 = tlv(0x30, oid("2.16.840.1.101.3.4.2.1"), tlv(5))
    mgf1 = tlv(0x30, oid("1.2.840.113549.1.1.8"), sha256)
    algorithm = tlv(0x30, oid("1.2.840.113549.1.1.7"), tlv(0x30, tlv(0xA0, sha256), tlv(0xA1, mgf1)))
    recipient = tlv(
        0x30, tlv(2, b"\2"), tlv(0x80, hashlib.sha256(spki).digest()), algorithm, tlv(4, key.encrypt(content_key, oaep))
    )
    pieces = [tlv(4, content[at : at + 1000]) for at in range(0, len(content), 1000)]
    content_info = indefinite(
        0x30,
        oid("1.2.840.113549.1.7.1"),
        tlv(0x30, oid("2.16.840.1.101.3.4.1.42"), tlv(4, iv)),
        indefinite(0xA0, *pieces),
    )
    enveloped = indefinite(0x30, tlv(2, b"\2"), tlv(0x31, recipient), content_info)
    return indefinite(0x30, oid("1.2.840.113549.1.7.3"), indefinite(0xA0, enveloped))


def envelope_by_openssl(key, secret):
    """The same by another's hand."""
    signer = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "recipient")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key)
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), False)
        .sign(signer, hashes.SHA256())
    )
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.flush()
        command = ["openssl", "cms", "-encrypt", "-binary", "-stream", "-outform", "DER", "-aes256", "-keyid"]
        options = ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"]
        command += ["-recip", file.name] + [part for option in options for part in ("-keyopt", option)]
        return subprocess.run(command, input=secret, capture_output=True, check=True).stdout


def attested_key(state, document):
    """The public key of an attestation document that is right in every way KMS looks at."""
    protected, unprotected, payload, signature = cbor2.loads(document)
    doc = cbor2.loads(payload)
    assert cbor2.loads(protected) == {1: -35} and unprotected == {}, "COSE headers"
    assert doc["digest"] == "SHA384" and set(doc["pcrs"]) >= {0, 1, 2}, "PCRs"
    assert doc.get("nonce") is None and doc.get("user_data") is None, "nonce and user data"
    age = datetime.datetime.now().timestamp() - doc["timestamp"] / 1000
    assert -60 < age < 60, f"a document of {age} seconds ago"
    leaf = x509.load_der_x509_certificate(doc["certificate"])
    with open(state.root_file, "rb") as file:
        root = x509.load_pem_x509_certificate(file.read())
    chain = [x509.load_der_x509_certificate(der) for der in doc["cabundle"]] + [leaf]
    assert chain[0] == root, "another root"
    for issuer, subject in zip(chain, chain[1:]):
        subject.verify_directly_issued_by(issuer)
    to_be_signed = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    leaf.public_key().verify(encode_dss_signature(r, s), to_be_signed, ec.ECDSA(hashes.SHA384()))
    key = serialization.load_der_public_key(doc["public_key"])
    assert isinstance(key, rsa.RSAPublicKey) and key.key_size == 2048, "the key"
    with state.lock:
        state.documents.append(hashlib.sha256(document).hexdigest())
    return key


def check_signature(state, handler, body):
    """The region a request is signed for, by the instance's credentials and rightly so."""
    fields = {name.lower(): value for name, value in handler.headers.items()}
    algorithm, _, rest = fields.get("authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if algorithm != "AWS4-HMAC-SHA256" or set(parts) != {"Credential", "SignedHeaders", "Signature"}:
        raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token")
    access, date, region, service, end = parts["Credential"].split("/")
    signed = parts["SignedHeaders"].split(";")
    if service != "kms" or end != "aws4_request" or date != fields["x-amz-date"][:8]:
        raise AwsError("InvalidSignatureException", "Credential should be scoped to correct service: 'kms'.")
    needed = {"host", "content-type", "x-amz-date", "x-amz-target", "x-amz-security-token"}
    if not needed <= set(signed):
        raise AwsError("IncompleteSignatureException", f"unsigned: {sorted(needed - set(signed))}")
    if access not in state.credentials:
        raise AwsError("UnrecognizedClientException", "The security token included in the request is invalid.")
    secret, token, expires = state.credentials[access]
    if fields["x-amz-security-token"] != token:
        raise AwsError("UnrecognizedClientException", "The security token included in the request is invalid.")
    stamp = datetime.datetime.strptime(fields["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    now = datetime.datetime.now(datetime.timezone.utc)
    if abs(now - stamp) > datetime.timedelta(minutes=5):
        raise AwsError("InvalidSignatureException", "Signature expired")
    auth = SigV4Auth(Credentials(access, secret, token), "kms", region)
    headers = {name: fields[name] for name in signed}
    request = AWSRequest("POST", f"http://{fields['host']}{handler.path}", headers, body)
    request.context["timestamp"] = fields["x-amz-date"]
    expected = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    if expected != parts["Signature"]:
        raise AwsError("InvalidSignatureException", "The request signature we calculated does not match")
    if now >= expires:
        raise AwsError("ExpiredTokenException", "The security token included in the request is expired")
    return region, access


def plaintext_of(state, operation, request, arn):
    """The result of an operation without its secret, and the secret."""
    if operation == "Decrypt":
        blob = base64.b64decode(request["CiphertextBlob"])
        context = json.dumps(request.get("EncryptionContext", {}), sort_keys=True).encode()
        try:
            secret = state.master.decrypt(blob[:12], blob[12:], context)
        except Exception:
            raise AwsError("InvalidCiphertextException", "") from None
        return {"KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "KeyMaterialId": "0" * 64}, secret
    if operation == "GenerateDataKey":
        size = request.get("NumberOfBytes") or {"AES_256": 32, "AES_128": 16}[request["KeySpec"]]
        secret = os.urandom(size)
        return {"KeyId": arn, "CiphertextBlob": encrypted(state, secret, request)}, secret
    if operation == "GenerateDataKeyPair":
        pair = ec.generate_private_key(ec.SECP256R1())
        if request["KeyPairSpec"].startswith("RSA_"):
            pair = rsa.generate_private_key(65537, int(request["KeyPairSpec"][4:]))
        form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        secret = pair.private_bytes(serialization.Encoding.DER, *form)
        spki = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        public = base64.b64encode(pair.public_key().public_bytes(*spki)).decode()
        blob = encrypted(state, secret, request)
        return {"KeyId": arn, "KeyPairSpec": request["KeyPairSpec"], "PrivateKeyCiphertextBlob": blob,
                "PublicKey": public}, secret
    if operation == "GenerateRandom":
        return {}, os.urandom(request["NumberOfBytes"])
    other = serialization.load_der_public_key(base64.b64decode(request["PublicKey"]))
    result = {"KeyId": arn, "KeyAgreementAlgorithm": "ECDH", "KeyOrigin": "AWS_KMS"}
    return result, state.agreement.exchange(ec.ECDH(), other)


def encrypted(state, secret, request):
    nonce = os.urandom(12)
    context = json.dumps(request.get("EncryptionContext", {}), sort_keys=True).encode()
    return base64.b64encode(nonce + state.master.encrypt(nonce, secret, context)).decode()


def serve(state, operation, region, access, request):
    """The answer of KMS to a well-signed request, as an object."""
    key_id = request.get("KeyId", KEY_ID)
    arn = f"arn:aws:kms:{region}:{ACCOUNT}:key/{KEY_ID}"
    if key_id not in MISBEHAVIOURS | {KEY_ID, arn}:
        raise AwsError("NotFoundException", f"Key '{arn[:-36]}{key_id}' does not exist")
    if key_id == "alias/throttle":
        raise AwsError("ThrottlingException", "You have exceeded the rate at which you may call KMS.")
    if key_id == "alias/expired-always" or (key_id == "alias/expired-once" and access == state.first_expired(access)):
        raise AwsError("ExpiredTokenException", "The security token included in the request is expired")
    if request.get("DryRun"):
        raise AwsError("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.", 412)
    if operation in ATTESTING:
        return attested(state, operation, request, key_id, arn)
    if operation == "Encrypt":
        secret = base64.b64decode(request["Plaintext"])
        state.keep(secret)
        blob = encrypted(state, secret, request)
        return {"CiphertextBlob": blob, "KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    if operation == "ListKeys":
        return {"Keys": [{"KeyArn": arn, "KeyId": KEY_ID}], "KeyCount": 1, "Truncated": False}
    if operation == "GetPublicKey":
        spki = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        public = state.agreement.public_key().public_bytes(*spki)
        return {"KeyId": arn, "PublicKey": base64.b64encode(public).decode(), "KeyUsage": "KEY_AGREEMENT"}
    raise AwsError("UnknownOperationException", "")


def attested(state, operation, request, key_id, arn):
    """An attesting operation under a key policy with a condition on kms:RecipientAttestation."""
    recipient = request.get("Recipient")
    if recipient is None:
        raise AwsError("AccessDeniedException", "no attestation document: the key policy denies this")
    document = base64.b64decode(recipient["AttestationDocument"])
    if key_id == "alias/echo":
        return {"KeyId": arn, "CiphertextForRecipient": recipient["AttestationDocument"], "Plaintext": None}
    if key_id == "alias/plain" and document == b"mine":
        return {"KeyId": arn, "Plaintext": base64.b64encode(b"in the clear").decode()}
    if recipient["KeyEncryptionAlgorithm"] != "RSAES_OAEP_SHA_256":
        raise AwsError("ValidationException", "KeyEncryptionAlgorithm")
    try:
        key = attested_key(state, document)
    except Exception as e:
        raise AwsError("ValidationException", f"The attestation document is invalid: {e!r}") from None
    result, secret = plaintext_of(state, operation, request, arn)
    state.keep(secret)
    if key_id == "alias/plain":
        return result | {ATTESTING[operation]: base64.b64encode(secret).decode()}
    if key_id == "alias/garbage":
        return result | {"CiphertextForRecipient": base64.b64encode(b"\x30\x80garbage").decode()}
    if key_id == "alias/other":
        key = state.stranger.public_key()
    seal = envelope_by_openssl if key_id == "alias/openssl" else envelope
    # KMS leaves the field out, or null, or empty, as the operation has it.
    field = {"Decrypt": {"Plaintext": None}, "GenerateDataKey": {"Plaintext": ""}}.get(operation, {})
    return field | {"CiphertextForRecipient": base64.b64encode(seal(key, secret)).decode()} | result


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def send(self, status, body, media, fields=()):
        self.send_response(status)
        for name, value in [("Content-Type", media), ("Content-Length", str(len(body))), *fields]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    # The instance metadata service.

    def imds(self):
        with STATE.lock:
            STATE.counts[self.path] = STATE.counts.get(self.path, 0) + 1
            if STATE.imds_down:
                return self.send(503, b"", "text/plain")
            if self.command == "PUT":
                if self.path != "/latest/api/token" or not self.headers.get("X-aws-ec2-metadata-token-ttl-seconds"):
                    return self.send(400, b"", "text/plain")
                token = secrets.token_urlsafe(40)
                STATE.tokens.add(token)
                STATE.secrets.add(token)
                ttl = ("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", self.headers["X-aws-ec2-metadata-token-ttl-seconds"])
                return self.send(200, token.encode(), "text/plain", [ttl])
            if self.headers.get("X-aws-ec2-metadata-token") not in STATE.tokens:
                return self.send(401, b"", "text/plain")
            if self.path == "/latest/meta-data/placement/region":
                return self.send(200, b"us-east-1", "text/plain")
            if self.path == "/latest/meta-data/iam/security-credentials/":
                return self.send(200, b"enclave-role", "text/plain")
            if self.path != "/latest/meta-data/iam/security-credentials/enclave-role":
                return self.send(404, b"", "text/plain")
            STATE.issue()
            secret, token, end = STATE.credentials[STATE.newest]
            stamp = end.strftime("%Y-%m-%dT%H:%M:%SZ")
            answer = {"Code": "Success", "LastUpdated": stamp, "Type": "AWS-HMAC", "AccessKeyId": STATE.newest,
                      "SecretAccessKey": secret, "Token": token, "Expiration": stamp}
            return self.send(200, json.dumps(answer).encode(), "text/plain")

    def do_PUT(self):
        self.imds()

    def do_GET(self):
        self.imds()

    # KMS, and control.

    def do_POST(self):
        body = self.body()
        if self.path.startswith("/control/"):
            answer = control(self.path.removeprefix("/control/"), json.loads(body or b"{}"))
            return self.send(200, json.dumps(answer).encode(), "application/json")
        operation = self.headers.get("X-Amz-Target", "").removeprefix("TrentService.")
        request_id = str(__import__("uuid").uuid4())
        region, key_id = None, None
        try:
            region, access = check_signature(STATE, self, body)
            request = json.loads(body)
            key_id = request.get("KeyId")
            status, answer = 200, serve(STATE, operation, region, access, request)
            outcome = "ok"
        except AwsError as e:
            status, outcome = e.status, e.kind
            answer = {"__type": e.kind, "message": str(e)}
        with STATE.lock:
            STATE.requests.append({"operation": operation, "region": region, "outcome": outcome, "id": request_id,
                                   "host": self.headers["Host"]})
        self.misbehave_or_send(key_id, status, json.dumps(answer).encode(), request_id)

    def misbehave_or_send(self, key_id, status, body, request_id):
        fields = [("x-amzn-RequestId", request_id)]
        media = "application/x-amz-json-1.1"
        if key_id == "alias/stall":
            self.close_connection = True
            self.rfile.read(1)  # until the client has had enough
        elif key_id == "alias/reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif key_id == "alias/truncate":
            self.send_response(200)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
        elif key_id == "alias/html":
            self.send(200, b"<html><body>Please log in</body></html>", "text/html")
        elif key_id == "alias/html-error":
            self.send(503, b"<html><body>Service Unavailable</body></html>", "text/html", fields)
        elif key_id == "alias/huge":
            self.send(200, body[:-1] + b',"x":"' + b"x" * (2 << 20) + b'"}', media, fields)
        else:
            self.send(status, body, media, fields)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # Clients that go are part of the tests: not worth a traceback.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def control(name, wanted):
    with STATE.lock:
        if name == "set":  # {"lifetime": SECONDS, "imds_down": BOOL}
            for field in wanted:
                assert field in ("lifetime", "imds_down"), field
                setattr(STATE, field, wanted[field])
        elif name == "revoke":  # every credential issued so far has expired
            past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
            STATE.credentials = {name: (secret, token, past) for name, (secret, token, _) in STATE.credentials.items()}
        return {"secrets": sorted(STATE.secrets), "documents": STATE.documents, "requests": STATE.requests,
                "imds": STATE.counts, "issued": len(STATE.credentials)}


def main():
    global STATE
    STATE = State(sys.argv[1])
    expired = {}
    STATE.first_expired = lambda access: expired.setdefault("access", access)
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("listening", server.server_address[1], flush=True)
    sys.stdin.read()


main()
