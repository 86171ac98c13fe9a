"""The environment of a test, as `sagetape exec` makes a command's, and the way back."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from ..shell.client_env import ENDPOINT_VARIABLE
from ..shell.endpoint_choice import GENERAL_VARIABLE
from .guard import place_of


class Environment:
    """Changes to `os.environ` that can be undone, whatever the test did to the same variables; others are its own.

    boto3's default session is put aside too: it remembers the credentials and the region of its first use.
    """

    def __init__(self, changes: Mapping[str, str | None]) -> None:
        self._before: dict[str, str | None] = {}
        self._session = default_session(None)
        for name, value in changes.items():
            self._before[name] = os.environ.get(name)
            put(name, value)

    def restore(self) -> None:
        """As it was before."""
        for name, before in self._before.items():
            put(name, before)
        self._before.clear()
        default_session(self._session)


def default_session(session: Any) -> Any:
    """Puts another default session into boto3, when it was ever imported; gives the one before."""
    boto3 = sys.modules.get("boto3")
    before = getattr(boto3, "DEFAULT_SESSION", None)
    if boto3 is not None:
        boto3.DEFAULT_SESSION = session  # type: ignore[attr-defined]
    return before


def put(name: str, value: str | None) -> None:
    """Sets or removes one variable."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def given_endpoint(environ: Mapping[str, Any]) -> str | None:
    """The endpoint that the user's own environment names for SageMaker Runtime: what a recording asks then."""
    return environ.get(ENDPOINT_VARIABLE) or None


def replaced_endpoint(environ: Mapping[str, str]) -> str | None:
    """The same, where it is SageMaker Runtime's alone: nobody else has business there while a deck takes its place."""
    endpoint = given_endpoint(environ)
    others = (url for name, url in environ.items() if name.startswith(GENERAL_VARIABLE) and name != ENDPOINT_VARIABLE)
    return None if endpoint is None or place_of(endpoint) in map(place_of, others) else endpoint
