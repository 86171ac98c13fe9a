"""One client of the recording case, in a process of its own: sequential boto3 calls, each 1 KiB and unlike the others.

Arguments: the endpoint URL, the number of calls, `direct` or the path of a vcrpy cassette, a first number for the
bodies. Prints the median seconds of a call. With vcrpy the calls are recorded inside this process.
"""

from __future__ import annotations

import contextlib
import sys
import time
from statistics import median

import boto3
from botocore.config import Config

BODY_BYTES = 1024
WARM = 10


def main(url: str, count: int, cassette: str, first: int) -> None:
    client = boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        config=Config(retries={"max_attempts": 0}),
    )
    if cassette == "direct":
        recording: contextlib.AbstractContextManager[object] = contextlib.nullcontext()
    else:
        import vcr  # type: ignore[import-not-found]

        matched = ["method", "scheme", "host", "port", "path", "query", "body"]
        recording = vcr.VCR(match_on=matched).use_cassette(cassette, record_mode="new_episodes")
    took = []
    with recording:
        for number in range(first, first + WARM + count):
            body = b'{"id": %08d, "inputs": "' % number + b"x" * (BODY_BYTES - 28) + b'"}'
            start = time.perf_counter()
            answer = client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=body)
            answer["Body"].read()
            took.append(time.perf_counter() - start)
    print(median(took[WARM:]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
