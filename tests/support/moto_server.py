"""moto's S3 server, with a bucket that has keys already: moto_server.py PORT BUCKET KEY...

Put there without HTTP: thousands of requests would take moto a minute. Says "listening" once it serves, and ends with
its standard input.
"""
import sys

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

port, bucket, keys = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
backend.create_bucket(bucket, "us-east-1")
for key in keys:
    backend.put_object(bucket, key, b"")
ThreadedMotoServer("127.0.0.1", port, verbose=False).start()
print("listening", flush=True)
sys.stdin.read()
