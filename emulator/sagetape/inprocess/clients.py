"""botocore clients for tests, made fast: the service model, most of their cost, is read once per process."""

from __future__ import annotations

from functools import cache
from typing import Any


def make_client(**options: Any) -> Any:
    """A SageMaker Runtime client as `boto3.client` makes it, of a session of its own; `options` as for `boto3.client`.

    boto3's default session is shared, and making clients on it is not safe in threads.
    """
    import botocore.session

    session = botocore.session.Session()
    session.register_component("data_loader", shared_loader())
    return session.create_client("sagemaker-runtime", **options)


@cache
def shared_loader() -> Any:
    """botocore's loader of service models, which remembers what it has read."""
    import botocore.session

    return botocore.session.Session().get_component("data_loader")
