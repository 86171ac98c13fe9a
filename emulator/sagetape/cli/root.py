"""The root of the command line, and the one place where an error becomes a message and an exit code.

0 clean, 1 unexpected, 2 usage, 3 a miss or a failed check, 4 the service answered an error, 5 cannot connect, 6
cassette damaged or of another version, 7 credentials or a secret found, 8 configuration, 9 time-out, 130 Ctrl-C.
"""

from __future__ import annotations

import errno
import sys
import traceback
from typing import Any, Final

import click

from ..core.errors import CassetteError, SagetapeError
from ..shell.ready import close_output, unwritten_output
from ..version import __version__
from .commands import COMMANDS, GROUP
from .descriptors import fill_closed_descriptors
from .lazy import LazyGroup
from .terminal import complain

UNEXPECTED: Final = 1
TIMED_OUT: Final = 9
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
BROKEN_PIPE: Final = 141  # 128 + SIGPIPE: the reader, `head` perhaps, has seen enough
NO_ROOM: Final = frozenset((errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)))
"""Why standard output takes no more; what fails on a file names it."""


class RootGroup(LazyGroup):
    """Runs a command and translates what it raises."""

    def main(self, *args: Any, **options: Any) -> Any:
        """As click's, with a standard input, output and error to rely on."""
        fill_closed_descriptors()
        try:
            return super().main(*args, **options)
        except OSError as error:  # of click's own output: help, version, completion
            sys.exit(explained(error))

    def invoke(self, ctx: click.Context) -> Any:
        """As click's, but no exception of ours leaves it."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise  # click's own: usage errors, `--help`, and a command's exit code
        except KeyboardInterrupt:
            complain("Stopped by Ctrl-C before the end. What was not finished changed nothing: run it again.")
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            close_output()
            ctx.exit(BROKEN_PIPE)
        except Exception as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            ctx.exit(explained(error))


def explained(error: Exception) -> int:
    """Says on standard error what went wrong; returns the exit code."""
    if isinstance(error, SagetapeError):
        complain(str(error))
        return error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        complain(f"{error.filename}: a name in this path is longer than its file system takes. Shorten it.")
        return CassetteError.exit_code
    if isinstance(error, OSError) and error.errno in NO_ROOM and error.filename is None:
        close_output()
        return explained(unwritten_output(error))
    if isinstance(error, TimeoutError):
        complain(f"{error or 'Timed out'}. Nothing answered in time. Is the server still running? Try sagetape doctor.")
        return TIMED_OUT
    complain(
        f"Unexpected {type(error).__name__}: {error}. This is a defect. "
        "Run it again with --debug (sagetape --debug ...) and report what it prints."
    )
    return UNEXPECTED


@click.group(
    cls=RootGroup,
    table=COMMANDS,
    entry_points=GROUP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Every flag can be given as a variable (SAGETAPE_...) or in sagetape.toml; a flag beats a variable, "
    "a variable the file.",
)
@click.version_option(__version__, prog_name="sagetape", message="%(prog)s %(version)s")
@click.option(
    "--debug/--no-debug", default=False, envvar="SAGETAPE_DEBUG", show_envvar=True, help="Show tracebacks of errors."
)
def main(debug: bool) -> None:
    """Record, replay and emulate Amazon SageMaker Runtime endpoints."""
