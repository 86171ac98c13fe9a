"""The mode `verify` of a server: upstreams are asked, answers compared with the recordings, nothing is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sagetape import Emulator

MODELS = """
from sagetape import Answer

def before(invocation):
    return {"label": "stays", "score": 0.5}

def reordered(invocation):
    return Answer(b'{"score": 0.50, "label": "stays"}', content_type="application/json")

def changed(invocation):
    return {"label": "leaves", "score": 0.5}
"""


def run(folder: Path, model: str, body: bytes, **settings: Any) -> tuple[bytes, list[str]]:
    """One call in a server of its own: the answer, and what the journal warns of."""
    (folder / "verified_models.py").write_text(MODELS)
    options = {
        "python_path": folder,
        "endpoints": {"churn": {"upstream": f"function:verified_models:{model}"}},
        **settings,
    }
    with Emulator(**options) as emulator:
        client = emulator.client()
        answer = client.invoke_endpoint(EndpointName="churn", Body=body, ContentType="application/json")["Body"].read()
        client.close()
        return answer, [text for entry in emulator.journal for text in entry.warnings]


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    path = tmp_path / "churn.tape"
    run(tmp_path, "before", b'{"age":41}', record_to=path, mode="new_episodes")
    return path


def test_verify_is_content_with_an_answer_that_means_the_same(cassette: Path, tmp_path: Path) -> None:
    """Other spacing, order of keys, and way to write a number: no drift. The client gets the live answer."""
    answer, warnings = run(tmp_path, "reordered", b'{"age": 41}', cassettes=(cassette,), mode="verify")
    assert (answer, warnings) == (b'{"score": 0.50, "label": "stays"}', [])


def test_verify_names_what_has_drifted(cassette: Path, tmp_path: Path) -> None:
    """The endpoint, the place, both values; and the recording stays as it was."""
    before = cassette.read_bytes()
    answer, warnings = run(tmp_path, "changed", b'{"age":41}', cassettes=(cassette,), mode="verify")
    assert b'"leaves"' in answer
    (text,) = warnings
    assert "an answer of churn has drifted" in text
    assert "$.label" in text or "label" in text
    assert '"stays"' in text
    assert '"leaves"' in text
    assert before == cassette.read_bytes()


def test_verify_says_what_it_could_not_compare(cassette: Path, tmp_path: Path) -> None:
    """A request that was never recorded is asked, answered, and named."""
    _, warnings = run(tmp_path, "before", b'{"age":42}', cassettes=(cassette,), mode="verify")
    (text,) = warnings
    assert "in no cassette" in text
