"""What a test's deck does to the environment, when, and how it is put back."""

from __future__ import annotations

import os

import pytest

from tests.client.standin import Standin
from tests.plugin.conftest import Project

pytest_plugins = ["pytester"]

ECHO = '@pytest.mark.sagetape(upstream="function:user_models:echo")'


@pytest.mark.alone  # looks at this process's environment
def test_the_environment_is_put_back_whatever_the_test_does(project: Project, real: Standin) -> None:
    """Variables that the test removed, set or emptied are the user's own again; others stay the test's business."""
    project.write(f"""
        import os
        from unittest import mock

        {ECHO}
        def test_removes():
            del os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"]

        {ECHO}
        def test_sets():
            os.environ.update(AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME="http://x", AWS_PROFILE="z", NO_PROXY="*")

        {ECHO}
        def test_patches(monkeypatch):
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")

        {ECHO}
        def test_clears():
            os.environ.pop("AWS_SECRET_ACCESS_KEY")
            with mock.patch.dict(os.environ, clear=True):
                pass
            os.environ["OWN"] = "left"
    """)
    before = dict(os.environ)
    project.run().assert_outcomes(passed=4)
    assert os.environ.pop("OWN") == "left"
    assert {name: text for name, text in os.environ.items() if name != "PYTEST_CURRENT_TEST"} == {
        name: text for name, text in before.items() if name != "PYTEST_CURRENT_TEST"
    }


def test_a_variable_of_a_wider_fixture_lasts(project: Project) -> None:
    """What a module's fixture sets is there for its second test as for its first."""
    project.write(f"""
        import os

        @pytest.fixture(scope="module")
        def key():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("AWS_ACCESS_KEY_ID", "of-the-module")
                yield

        {ECHO}
        def test_deck(key):
            call()

        def test_after(key):
            assert os.environ["AWS_ACCESS_KEY_ID"] == "of-the-module"

        def test_end():
            pass
    """)
    project.run("--dist=loadfile").assert_outcomes(passed=3)
    assert "AWS_ACCESS_KEY_ID" not in os.environ


def test_fixtures_of_several_tests_are_none_of_the_first(project: Project) -> None:
    """A session's fixture, a module's and setUpClass know no deck and meet no guard; a test's own fixtures do."""
    project.write(f"""
        import os, socket, unittest
        NAME = "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"

        def reach_out():
            assert NAME not in os.environ
            with pytest.raises(socket.gaierror):
                socket.getaddrinfo("far.invalid", 80)

        @pytest.fixture(scope="session")
        def for_all():
            reach_out()

        @pytest.fixture(scope="module", autouse=True)
        def for_the_module():
            reach_out()

        @pytest.fixture(autouse=True)
        def own():
            assert NAME in os.environ

        {ECHO}
        def test_first(for_all):
            call()

        {ECHO}
        class TestUnit(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                reach_out()

            def setUp(self):
                call()

            def test_it(self):
                call()
    """)
    project.run().assert_outcomes(passed=2)


@pytest.mark.alone  # a session has one worker
@pytest.mark.parametrize("arguments", [(), ("-n1",)])
@pytest.mark.parametrize("scope", ["class", "module", "session"])
def test_a_deck_of_several_tests_is_there_for_their_fixtures(
    project: Project, scope: str, arguments: tuple[str, ...]
) -> None:
    """Clients of fixtures of the deck's own scope are made for it, and answered in all its tests."""
    project.write(f"""
        pytestmark = pytest.mark.sagetape(scope="{scope}", upstream="function:user_models:count")

        @pytest.fixture(scope="{scope}")
        def client():
            return boto3.client("sagemaker-runtime")

        class TestAll:
            def test_first(self, client):
                ask(client)

            def test_second(self, client, sagetape):
                ask(client)
                sagetape.assert_invoked("churn", times=2)
    """)
    project.run(*arguments).assert_outcomes(passed=2)
