"""Records, replays and emulates Amazon SageMaker Runtime endpoints.

The public names are loaded when they are first used, so that `import sagetape` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .emulator import Emulator as Emulator
    from .functions import NOT_MINE as NOT_MINE
    from .functions import Answer as Answer
    from .functions import Invocation as Invocation
    from .functions import ModelFailure as ModelFailure
    from .inprocess.attaching import Attachment as Attachment
    from .inprocess.attaching import attach as attach

_PLACES = {
    "Answer": "functions",
    "Attachment": "inprocess.attaching",
    "Emulator": "emulator",
    "Invocation": "functions",
    "ModelFailure": "functions",
    "NOT_MINE": "functions",
    "attach": "inprocess.attaching",
}

__all__ = ["NOT_MINE", "Answer", "Attachment", "Emulator", "Invocation", "ModelFailure", "__version__", "attach"]


def __getattr__(name: str) -> Any:
    """A public name, from the module that holds it."""
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'sagetape' has no attribute {name!r}; it has {', '.join(sorted(_PLACES))}")
    value = getattr(importlib.import_module(f".{place}", __name__), name)
    globals()[name] = value
    return value
