"""Cassettes of every released format, kept in the repository, are read by this version."""

from __future__ import annotations

from pathlib import Path

import pytest
from tape_samples import write_sample

from sagetape.shell.store import Cassette, verify

GOLDEN = Path(__file__).parent.parent / "golden" / "cassettes"


@pytest.mark.parametrize("name", ["format-1.tape", "format-1-no-index.tape"])
def test_cassette_of_format_1_is_read(tmp_path: Path, name: str) -> None:
    """The golden file, closed cleanly or left by a dead recorder, is sound and holds what it held."""
    expected = write_sample(tmp_path / "sample.tape")
    with Cassette.open(GOLDEN / name) as cassette:
        assert [(cassette.key(number), cassette.read(number)) for number in cassette.numbers()] == expected
        assert cassette.settings.allowed == ("fingerprint",)
    assert verify(GOLDEN / name).is_sound


def test_cassette_of_format_1_is_still_written_so(tmp_path: Path) -> None:
    """Recording the same now gives the golden file to the byte: the format did not move without its number."""
    write_sample(tmp_path / "sample.tape")
    assert (tmp_path / "sample.tape").read_bytes() == (GOLDEN / "format-1.tape").read_bytes()


def test_cassette_of_format_1_is_recorded_into(tmp_path: Path) -> None:
    """An old cassette takes new interactions and stays sound."""
    path = tmp_path / "old.tape"
    path.write_bytes((GOLDEN / "format-1.tape").read_bytes())
    with Cassette.open(path, writable=True) as cassette:
        old = cassette.read(0)
        cassette.append(old, bytes(16))
        assert len(cassette) == 7
    assert verify(path).is_sound
