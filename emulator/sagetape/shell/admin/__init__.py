"""The admin API under `/_sagetape/`: a table of routes, and the one place through which every request passes."""

from .dispatch import Admin
from .surroundings import Surroundings

__all__ = ["Admin", "Surroundings"]
