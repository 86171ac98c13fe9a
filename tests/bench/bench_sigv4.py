"""Measures the verifier against what no verifier can avoid, and against botocore's signer on the same request.

Floor: the SHA-256 of the body, of the canonical request, and one HMAC from the copied states of a derived key. All
cases run in turn, round after round, so that a busy machine slows them alike; the best round of each is compared,
because others only ever add to it.
`python tests/bench/bench_sigv4.py` prints the table.
"""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "emulator"))

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sagetape.core.signing import Key, derive_key, sign
from sagetape.core.sigv4 import Verifier
from sagetape.core.wire import RawHeaders

ROUNDS = 61
KEY = Key("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TARGET = b"/endpoints/churn-prediction/invocations"
NOW = 1_768_478_400.0
# What boto3 sends with an InvokeEndpoint of one target model: eleven headers, seven of them signed.
SIGNED: RawHeaders = (
    (b"Host", b"127.0.0.1:7243"),
    (b"Content-Type", b"application/json"),
    (b"Accept", b"application/json"),
    (b"X-Amzn-SageMaker-Custom-Attributes", b"trace=0123456789"),
    (b"X-Amzn-SageMaker-Target-Model", b"models/de.tar.gz"),
    (b"X-Amzn-SageMaker-Inference-Id", b"3f0e8a6e-5b0c-4f53-9a55-2d9df3a8f7c1"),
)
UNSIGNED: RawHeaders = (
    (b"User-Agent", b"Boto3/1.44 md/Botocore#1.44 ua/2.1 os/linux lang/python md/pyimpl#CPython"),
    (b"amz-sdk-invocation-id", b"0b6a9a8e-7a35-45a5-9c65-5b5b3a4d4f6b"),
    (b"amz-sdk-request", b"attempt=1"),
)


def _verify(body: bytes) -> Callable[[], object]:
    digest = hashlib.sha256(body).hexdigest().encode()
    signature = sign("POST", TARGET, headers=SIGNED, body_sha256_hex=digest, key=KEY, region="us-east-1", now=NOW)
    headers = (*SIGNED, *signature.headers, *UNSIGNED)
    keys = {KEY.access_key_id: (KEY,)}
    verifier = Verifier(lambda key_id: keys.get(key_id, ()))

    def run() -> object:
        pending = verifier.begin("POST", TARGET, headers, NOW)
        return pending.finish(hashlib.sha256(body).hexdigest().encode())

    return run


def _floor(body: bytes) -> Callable[[], object]:
    digest = hashlib.sha256(body).hexdigest().encode()
    signature = sign("POST", TARGET, headers=SIGNED, body_sha256_hex=digest, key=KEY, region="us-east-1", now=NOW)
    state = derive_key(KEY.secret_access_key, b"20260115", region=b"us-east-1", service=b"sagemaker")
    canonical, text = signature.canonical_request, signature.string_to_sign

    def run() -> object:
        hashlib.sha256(body).hexdigest()
        hashlib.sha256(canonical).hexdigest()
        return state.sign(text)

    return run


def _botocore(body: bytes) -> Callable[[], object]:
    url = "http://127.0.0.1:7243" + TARGET.decode()
    named = {name.decode(): value.decode() for name, value in (*SIGNED[1:], *UNSIGNED)}
    signer = SigV4Auth(Credentials(KEY.access_key_id, KEY.secret_access_key), "sagemaker", "us-east-1")
    request = AWSRequest("POST", url, data=body, headers=named)
    return lambda: signer.add_auth(request)


def _best(cases: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The fewest seconds per call of each case, all measured in turn."""
    counts = {name: max(1, int(0.004 / _seconds(case, 20))) for name, case in cases.items()}
    rounds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, case in cases.items():
            rounds[name].append(_seconds(case, counts[name]))
    return {name: min(times) for name, times in rounds.items()}


def _seconds(case: Callable[[], object], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        case()
    return (time.process_time() - start) / count


def rows() -> list[tuple[str, str, str]]:
    """Rows of the report: case, measured ratio, target."""
    report = []
    for label, size, ceiling in (("1 KiB", 1024, 3.5), ("1 MiB", 1 << 20, 1.1)):
        body = b"x" * size
        took = _best({"verify": _verify(body), "floor": _floor(body), "botocore": _botocore(body)})
        over_floor, under_botocore = took["verify"] / took["floor"], took["botocore"] / took["verify"]
        detail = f"{took['verify'] * 1e6:.1f} µs against {took['floor'] * 1e6:.1f}"
        report.append(
            (f"verify a signature, {label}: times the floor", f"{over_floor:.2f} ({detail})", f"<= {ceiling}")
        )
        if size == 1024:
            detail = f"{took['botocore'] * 1e6:.1f} µs against {took['verify'] * 1e6:.1f}"
            name = f"botocore signs, {label}: times our verification"
            report.append((name, f"{under_botocore:.2f} ({detail})", ">= 6"))
    return report


if __name__ == "__main__":
    print("| case | measured | target |\n| --- | --- | --- |")
    for row in rows():
        print("| " + " | ".join(row) + " |")
