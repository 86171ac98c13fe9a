"""`--upstream-ca`: a file that nothing can be trusted by is told at start, not by a model's error for every call."""

from __future__ import annotations

from pathlib import Path

import botocore
import pytest
from command_line import ROOT, sagetape

TAPE = ROOT / "cassettes" / "text.tape"
SYSTEMS_PEM = Path(botocore.__file__).with_name("cacert.pem").read_bytes()
BROKEN_PEM = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
RECORD = ("record", "new.tape", "--no-config", "--port", "0", "--idle-timeout-s", "0.05")
NO_PEM = "it holds no certificate in PEM form, or a broken one"


@pytest.mark.parametrize("upstream", ["aws", "https://127.0.0.1:9", "function:models:model"])
def test_file_with_certificates_is_taken(upstream: str, tmp_path: Path) -> None:
    """The server starts, and asks nobody."""
    (tmp_path / "models.py").write_text("def model(invocation): ...\n")
    (tmp_path / "ca.pem").write_bytes(SYSTEMS_PEM)
    found = sagetape(tmp_path, *RECORD, "--upstream", upstream, "--upstream-ca", "ca.pem")
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("missing.pem", None, "No such file or directory"),
        (".", None, "Is a directory"),
        ("ca.pem", b"", NO_PEM),
        ("ca.pem", b"what is no PEM", NO_PEM),
        ("ca.pem", BROKEN_PEM, NO_PEM),
    ],
)
def test_file_without_is_refused_at_start(name: str, content: bytes | None, why: str, tmp_path: Path) -> None:
    """8 with the path and the remedy, from a flag and a variable alike; no cassette is made, nothing is asked."""
    if content is not None:
        (tmp_path / name).write_bytes(content)
    recording = (*RECORD, "--upstream", "https://127.0.0.1:9")
    verifying = ("verify", str(TAPE), "--upstream", "https://127.0.0.1:9", "--upstream-ca", str(tmp_path / name))
    for found in (
        sagetape(tmp_path, *recording, "--upstream-ca", name),
        sagetape(tmp_path, *recording, environ={"SAGETAPE_UPSTREAM_CA": name}),
        sagetape(tmp_path, *verifying),
    ):
        assert (found.returncode, found.stdout) == (8, "")
        assert found.stderr.startswith(f"sagetape: error: {tmp_path / name} cannot be what upstreams are trusted by")
        assert f": {why}. Name a file" in found.stderr
    assert not (tmp_path / "new.tape").exists()
