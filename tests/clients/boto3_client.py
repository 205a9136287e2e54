"""AWS's SDK for Python against odyn's KMS proxy, as odyn's application: nothing but AWS_ENDPOINT_URL_KMS says where KMS is,
and credentials are those that the SDK finds by itself, through the egress proxy.

Behind the proxy is tests/support/fake_aws.py, whose KeyIds of the form alias/... misbehave. Retries are off, so that each
answer is seen as it is.
"""
import os
import re
import threading

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from report import Report, check

KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
REGION = "us-east-1"
ONCE = Config(retries={"total_max_attempts": 1})
SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


def main():
    check(os.environ["AWS_ENDPOINT_URL_KMS"] == os.environ["AWS_KMS_ENDPOINT"], "two endpoints")
    kms = boto3.client("kms", REGION, config=ONCE)
    report = Report("boto3")
    # It takes as long as odyn has patience: meanwhile all others run.
    stalled = []
    stall = threading.Thread(target=lambda: stalled.append(error(data_key, kms, "alias/stall")))
    stall.start()
    for case in (round_trip, keys, by_openssl, pairs, pair_of_rsa, random, shared_secret, others, own_recipient, errors):
        report.case(case.__name__, "kms", case, kms)
    for case in (any_credentials, unsigned, wrong_service, other_region):
        report.case(case.__name__, "kms", case)
    for key_id, expected in MISBEHAVIOURS.items():
        report.case(key_id, "kms", misbehaviour, kms, key_id, expected)
    report.case("expired once", "kms", data_key, kms, "alias/expired-once")
    stall.join()
    report.case("stall", "kms", lambda: check(stalled == [("DependencyTimeoutException", 503)], stalled))
    report.finish()


def data_key(kms, key_id):
    answer = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    check(len(answer["Plaintext"]) == 32 and "CiphertextForRecipient" not in answer, list(answer))
    return answer["ResponseMetadata"]["RequestId"]


def round_trip(kms):
    context = {"purpose": "t\u00e9st \U0001f512"}
    for text in (b"x", bytes(range(256)) * 16):
        sealed = kms.encrypt(KeyId=KEY, Plaintext=text, EncryptionContext=context)
        opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
        check(opened["Plaintext"] == text, "another text")
        check(opened["KeyId"].endswith(KEY) and opened["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT", opened["KeyId"])
        check("CiphertextForRecipient" not in opened, "CiphertextForRecipient is left")
        is_id = re.fullmatch("[0-9a-f-]{36}", opened["ResponseMetadata"]["RequestId"])
        check(is_id, opened["ResponseMetadata"])


def keys(kms):
    for arguments, size in (({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)):
        answer = kms.generate_data_key(KeyId=KEY, **arguments)
        check(len(answer["Plaintext"]) == size, "another size")
        opened = kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])
        check(opened["Plaintext"] == answer["Plaintext"], "another key")


def by_openssl(kms):
    answer = kms.generate_data_key(KeyId="alias/openssl", NumberOfBytes=1000)
    check(kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])["Plaintext"] == answer["Plaintext"], "another key")


def pairs(kms, spec="ECC_NIST_P256"):
    answer = kms.generate_data_key_pair(KeyId=KEY, KeyPairSpec=spec)
    private = serialization.load_der_private_key(answer["PrivateKeyPlaintext"], None)
    check(private.public_key().public_bytes(*SPKI) == answer["PublicKey"], "another public key")
    opened = kms.decrypt(CiphertextBlob=answer["PrivateKeyCiphertextBlob"])
    check(opened["Plaintext"] == answer["PrivateKeyPlaintext"] and "Plaintext" not in answer, list(answer))


def pair_of_rsa(kms):
    pairs(kms, "RSA_2048")


def random(kms):
    one, two = (kms.generate_random(NumberOfBytes=1024)["Plaintext"] for _ in range(2))
    check(len(one) == len(two) == 1024 and one != two, "not random")


def shared_secret(kms):
    theirs = serialization.load_der_public_key(kms.get_public_key(KeyId=KEY)["PublicKey"])
    mine = ec.generate_private_key(ec.SECP256R1())
    arguments = {"KeyId": KEY, "KeyAgreementAlgorithm": "ECDH", "PublicKey": mine.public_key().public_bytes(*SPKI)}
    answer = kms.derive_shared_secret(**arguments)
    check(answer["SharedSecret"] == mine.exchange(ec.ECDH(), theirs), "another secret")
    check(answer["KeyOrigin"] == "AWS_KMS" and "Plaintext" not in answer, list(answer))


def others(kms):
    answer = kms.list_keys()
    check([key["KeyId"] for key in answer["Keys"]] == [KEY] and answer["Truncated"] is False, answer)
    # The operation without a secret in its result.
    try:
        kms.generate_data_key_without_plaintext(KeyId=KEY, KeySpec="AES_256")
    except ClientError as e:
        check(e.response["Error"]["Code"] == "UnknownOperationException", e)


def own_recipient(kms):
    mine = {"AttestationDocument": b"mine", "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    answer = kms.generate_data_key(KeyId="alias/echo", KeySpec="AES_256", Recipient=mine)
    check(answer["CiphertextForRecipient"] == b"mine" and "Plaintext" not in answer, list(answer))
    clear = error(kms.generate_data_key, KeyId="alias/plain", KeySpec="AES_256", Recipient=mine)
    check(clear == ("KMSInternalException", 500), clear)


def error(call, *arguments, **named):
    """Code and status of the ClientError that this call ends in."""
    try:
        call(*arguments, **named)
    except ClientError as e:
        code, metadata = e.response["Error"]["Code"], e.response["ResponseMetadata"]
        # botocore reads no id from an error that is not JSON, for which it makes the status the code.
        check(metadata.get("RequestId") or code.isdigit(), "no request id")
        return code, metadata["HTTPStatusCode"]
    raise AssertionError("no error")


def errors(kms):
    try:
        kms.generate_data_key(KeyId="alias/missing", KeySpec="AES_256")
        raise AssertionError("no error")
    except kms.exceptions.NotFoundException as e:
        check("alias/missing' does not exist" in e.response["Error"]["Message"], e)
    check(error(kms.encrypt, KeyId="x", Plaintext=b"x") == ("NotFoundException", 400), "encrypt")
    check(error(kms.decrypt, CiphertextBlob=b"x" * 40) == ("InvalidCiphertextException", 400), "decrypt")
    dry = error(kms.generate_data_key, KeyId=KEY, KeySpec="AES_256", DryRun=True)
    check(dry == ("DryRunOperationException", 412), dry)


def any_credentials():
    kms = boto3.client("kms", REGION, config=ONCE, aws_access_key_id="unused", aws_secret_access_key="unused")
    data_key(kms, KEY)


def unsigned():
    kms = boto3.client("kms", REGION, config=ONCE.merge(Config(signature_version=UNSIGNED)))
    found = error(kms.list_keys)
    check(found == ("MissingAuthenticationTokenException", 400), found)


def wrong_service():
    kms = boto3.client("kms", REGION, config=ONCE)
    kms._request_signer._signing_name = "s3"
    found = error(kms.list_keys)
    check(found == ("InvalidSignatureException", 400), found)


def other_region():
    kms = boto3.client("kms", config=ONCE, region_name="eu-west-1")
    check(kms.generate_data_key(KeyId=KEY, KeySpec="AES_256")["KeyId"].startswith("arn:aws:kms:eu-west-1:"), "region")
    try:
        boto3.client("kms", config=ONCE, region_name="ap-south-1").list_keys()
        raise AssertionError("no error")
    except ClientError as e:
        check(e.response["Error"]["Code"] == "AccessDeniedException", e)
        check('egress.allow lacks "kms.ap-south-1.amazonaws.com"' in e.response["Error"]["Message"], e)


MISBEHAVIOURS = {
    "alias/throttle": ("ThrottlingException", 400),
    "alias/expired-always": ("ExpiredTokenException", 400),
    "alias/html": ("KMSInternalException", 500),
    "alias/html-error": (None, 503),
    "alias/plain": ("KMSInternalException", 500),
    "alias/other": ("KMSInternalException", 500),
    "alias/garbage": ("KMSInternalException", 500),
    "alias/truncate": ("ServiceUnavailableException", 503),
    "alias/reset": ("ServiceUnavailableException", 503),
    "alias/huge": ("ServiceUnavailableException", 503),
}


def misbehaviour(kms, key_id, expected):
    code, status = error(data_key, kms, key_id)
    check(status == expected[1] and expected[0] in (code, None), f"{code} {status}")


main()
