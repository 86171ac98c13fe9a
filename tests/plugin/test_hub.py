"""The one server of a test process: when it starts, and that no second one does."""

from __future__ import annotations

from tests.plugin.conftest import Project, text_of

pytest_plugins = ["pytester"]

COUNT = """
import threading

def servers():
    return [thread for thread in threading.enumerate() if thread.name == "sagetape"]
"""


def test_no_server_before_the_first_deck(project: Project) -> None:
    """Tests without a deck, and those that come before the first one with it, start none."""
    (project.path / "counting.py").write_text(COUNT)
    project.write("""
        from counting import servers

        def test_before():
            assert servers() == []

        @pytest.mark.sagetape(upstream="function:user_models:echo")
        def test_deck():
            assert len(servers()) == 1

        def test_after():
            assert len(servers()) == 1
    """)
    project.run_apart("-k", "before").assert_outcomes(passed=1)
    project.run_apart("--dist=loadfile").assert_outcomes(passed=3)


def test_one_server_for_all_decks_of_a_process(project: Project) -> None:
    """Every test has a deck of its own on it, at the same address, and the server ends with the run."""
    (project.path / "counting.py").write_text(COUNT)
    project.pytester.makeconftest("""
        import pytest
        from counting import servers

        @pytest.hookimpl(trylast=True)
        def pytest_unconfigure(config):
            print("servers at the end:", len(servers()))
    """)
    for name in ("test_one", "test_two"):
        project.write(
            """
            from urllib.parse import urlsplit
            from counting import servers
            import user_models

            PLACES = user_models.__dict__.setdefault("PLACES", [])

            @pytest.mark.parametrize("number", range(3))
            @pytest.mark.sagetape(upstream="function:user_models:echo")
            def test_it(sagetape, number):
                call()
                assert len(sagetape.journal) == 1
                assert len(servers()) == 1
                PLACES.append(urlsplit(sagetape.url))
                assert len({place.port for place in PLACES}) == 1
                assert len({place.path for place in PLACES}) == len(PLACES)
            """,
            name,
        )
    result = project.run_apart("-s")
    result.assert_outcomes(passed=6)
    assert "servers at the end: 0" in text_of(result)
