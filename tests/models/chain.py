"""The main job's whole chain, in processes: caller -> `sagetape record` -> `sagetape serve` as AWS -> containers.

`record` verifies the caller's signature and signs anew with other keys; `serve --auth strict`, standing where AWS
stands, knows only those, verifies them, routes, and forwards to the containers as the platform does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import boto3

from tests.models.running import ROOT

UPSTREAM_KEY = ("UPSTREAMKEYOFATEST00", "upstream/secret/that/the/caller/never/sees")
STOP_WITHIN_S = 30


@contextmanager
def sagetape(*arguments: str, environ: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """A command that serves, on a free port: the fields of its ready line. Its end must be clean."""
    command = [sys.executable, "-m", "sagetape", *arguments, "--port", "0", "--json"]
    surroundings = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAGETAPE_"))},
        "PYTHONPATH": os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client"))),
        "HOME": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **(environ or {}),
    }
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=surroundings, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{' '.join(arguments)} ended with {process.wait(STOP_WITHIN_S)} before it was ready")
        yield json.loads(line)
    finally:
        process.terminate()
        code = process.wait(STOP_WITHIN_S)
        process.stdout.close()
    if code != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {code}")


@contextmanager
def as_aws(folder: Path, endpoints: Mapping[str, str]) -> Iterator[str]:
    """`sagetape serve` where AWS stands, with an endpoint for each container; its URL."""
    lines = ["[[credentials]]", f'access_key_id = "{UPSTREAM_KEY[0]}"', f'secret_access_key = "{UPSTREAM_KEY[1]}"']
    for name, url in endpoints.items():
        lines += [f"[endpoints.{name}]", f'upstream = "{url}"']
    config = folder / "as_aws.toml"
    config.write_text("\n".join(lines) + "\n")
    with sagetape("serve", "--config", str(config), "--auth", "strict") as ready:
        yield ready["url"]


@contextmanager
def recorder(cassette: Path, upstream: str) -> Iterator[dict[str, Any]]:
    """`sagetape record` in front of an upstream shaped like AWS: its ready line, with the key made for the run."""
    keys = {
        "AWS_ACCESS_KEY_ID": UPSTREAM_KEY[0],
        "AWS_SECRET_ACCESS_KEY": UPSTREAM_KEY[1],
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with sagetape("record", str(cassette), "--no-config", "--upstream", f"aws+{upstream}", environ=keys) as ready:
        yield ready


@contextmanager
def recording(cassette: Path, upstream: str) -> Iterator[Any]:
    """The same; a boto3 client with that key."""
    with (
        recorder(cassette, upstream) as ready,
        closing(client(ready["url"], ready["access_key_id"], ready["secret_access_key"])) as asked,
    ):
        yield asked


@contextmanager
def replaying(*cassettes: Path) -> Iterator[Any]:
    """`sagetape replay`; a boto3 client with a well-known key."""
    with (
        sagetape("replay", *map(str, cassettes), "--no-config") as ready,
        closing(client(ready["url"], "test", "test")) as asked,
    ):
        yield asked


def client(url: str, access_key_id: str, secret_access_key: str) -> Any:
    """A stock boto3 client."""
    return boto3.session.Session().client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
    )
