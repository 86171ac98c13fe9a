"""Reads botocore's installed service model without importing botocore (its import costs a fifth of a second)."""

from __future__ import annotations

import gzip
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError
from ..core.operations import Service, read_service

MODEL = Path("data", "sagemaker-runtime", "2017-05-13")  # where botocore keeps it


@cache
def load_service() -> Service:
    """The operations of the installed botocore. Raises ConfigError when botocore or its model is not there."""
    return read_service(load_model())


def load_model() -> dict[str, Any]:
    """botocore's `service-2.json` for SageMaker Runtime, parsed."""
    found = importlib.util.find_spec("botocore")
    if found is None or found.origin is None:
        raise ConfigError("botocore is not installed; it carries the service model. Install it: pip install boto3")
    folder = Path(found.origin).parent / MODEL
    for name, read in (("service-2.json.gz", gzip.open), ("service-2.json", open)):
        path = folder / name
        if path.is_file():
            with read(path, "rb") as file:
                model: dict[str, Any] = json.load(file)
                return model
    raise ConfigError(
        f"botocore has no SageMaker Runtime model in {folder}. Reinstall it: pip install --force-reinstall botocore"
    )
