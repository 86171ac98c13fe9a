"""Ten minutes of atheris over the readers of cassettes, where atheris is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FUZZ_S = 600


@pytest.mark.soak
@pytest.mark.timeout(FUZZ_S * 2)
@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed: pip install atheris")
def test_reader_survives_ten_minutes_of_fuzzing(tmp_path: Path) -> None:
    """No input makes a reader raise anything but a CassetteError, hang for 20 s, or take a gigabyte."""
    for sample in [*(ROOT / "cassettes").glob("*.tape"), *(ROOT / "tests" / "golden" / "cassettes").glob("*.tape")]:
        if sample.stat().st_size < 20_000:
            (tmp_path / sample.name).write_bytes(sample.read_bytes())
    limits = [f"-max_total_time={FUZZ_S}", "-timeout=20", "-rss_limit_mb=1024"]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.soak.fuzz_tape", *limits, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "emulator"), str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    print(ended.stderr.splitlines()[-1])
