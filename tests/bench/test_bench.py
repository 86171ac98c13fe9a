"""The benchmark runs, and prints a table that Markdown understands. What it measures is nobody's test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the benchmark reads /proc")
def test_quick_bench_prints_a_well_formed_table() -> None:
    """Every case yields rows of five cells under the head, and the run ends with 0."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick"], cwd=ROOT, capture_output=True, text=True, timeout=100
    )
    assert run.returncode == 0, run.stderr
    lines = [line for line in run.stdout.splitlines() if line.startswith("|")]
    assert lines[0].startswith("| case | measured | target |")
    assert all(line.replace("\\|", "").count("|") == 6 for line in lines)
    for case in ("small calls per second", "times 10", "anonymous memory", "upload", "recording", "--version"):
        assert any(case in line for line in lines), case
