"""Ten minutes of atheris over the readers of cassettes, in an environment of its own that the test makes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.stock_clients import install, locked

ROOT = Path(__file__).resolve().parents[2]
FUZZ_S = int(os.environ.get("SAGETAPE_SOAK_FUZZ_S", "600"))


def python_with_atheris() -> Path:
    """An interpreter that has atheris and what the readers import; the test is skipped where it cannot be installed."""
    with locked("atheris") as folder:
        python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        if not python.exists():
            install([sys.executable, "-m", "venv", str(folder)], folder=folder)
        if subprocess.run([python, "-c", "import atheris, msgpack"], capture_output=True, check=False).returncode:
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            install([*pip, "atheris", "msgpack"], folder=folder)
        return python


@pytest.mark.soak
@pytest.mark.timeout(FUZZ_S * 2 + 300)
def test_reader_survives_ten_minutes_of_fuzzing(tmp_path: Path) -> None:
    """No input makes a reader raise anything but a CassetteError, hang for 20 s, or take a gigabyte."""
    for sample in [*(ROOT / "cassettes").glob("*.tape"), *(ROOT / "tests" / "golden" / "cassettes").glob("*.tape")]:
        if sample.stat().st_size < 20_000:
            (tmp_path / sample.name).write_bytes(sample.read_bytes())
    limits = [f"-max_total_time={FUZZ_S}", "-timeout=20", "-rss_limit_mb=1024"]
    ended = subprocess.run(
        [python_with_atheris(), "-m", "tests.soak.fuzz_tape", *limits, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "emulator"), str(ROOT)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    print(ended.stderr.splitlines()[-1])
