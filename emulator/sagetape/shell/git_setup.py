"""Teaches a git repository about cassettes: attributes in the tree, a textconv and a merge driver in its configuration.

The attributes are committed and serve everybody; the configuration is each clone's own, because git never runs
commands that a repository brings along. Running it again changes nothing. Refuses to write through a symbolic link.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from ..core.errors import ConfigError
from ..core.values import valueclass

# No end-of-line conversion; `-diff` and `-merge`, which `binary` stands for, would switch off what is set here.
ATTRIBUTES: Final = "*.tape -text diff=sagetape merge=sagetape"


@valueclass(frozen=True, slots=True)
class GitReport:
    """What was set."""

    repository: Path
    attributes: Path
    is_attribute_new: bool
    configured: dict[str, str]


def init_git(folder: Path) -> GitReport:
    """Sets up the repository that holds a folder. Raises ConfigError."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    attributes = top / ".gitattributes"
    is_new = _add_line(attributes, ATTRIBUTES)
    command = own_command()
    configured = {
        "diff.sagetape.textconv": f"{command} cassette show --textconv",
        "merge.sagetape.name": "Sagetape cassettes: interactions merged by meaning",
        "merge.sagetape.driver": f"{command} cassette merge --label %P %O %A %B",
    }
    for name, value in configured.items():
        _git(top, "config", "--local", name, value)
    return GitReport(top, attributes, is_new, configured)


def own_command() -> str:
    """How a shell starts this program: by its name where that is on the path, else by this interpreter."""
    if shutil.which("sagetape"):
        return "sagetape"
    return f"{shlex.quote(sys.executable.replace(os.sep, '/'))} -m sagetape"


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"git cannot be started ({error}). Install git, or run this where it is.") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise ConfigError(f"git {words[0]} failed in {folder}: {said[-1]}. Run this inside a repository (git init).")
    return done.stdout


def _add_line(path: Path, line: str) -> bool:
    """Adds a line to a file that lacks it; whether it did."""
    if path.is_symlink():
        raise ConfigError(f"{path} is a symbolic link, which git does not follow. Make it a file, then run this again.")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if line in text.splitlines():
        return False
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(("" if not text or text.endswith("\n") else "\n") + line + "\n")
    return True
