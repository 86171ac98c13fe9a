"""What a deck may be called: its name is a part of its URL."""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", re.ASCII)
NAME_RULE = "Use letters, digits, dots, dashes and underscores, and begin with a letter or a digit."
