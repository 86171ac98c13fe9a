"""The commands, by name: where each is found, and its line in the help. A new command is a row."""

from __future__ import annotations

from typing import Final

from ..core.values import valueclass


@valueclass(frozen=True, slots=True)
class Entry:
    """A command that is not loaded yet."""

    target: str
    """`module:attribute`; a module that begins with a dot is one of this package."""
    help: str


GROUP: Final = "sagetape.commands"
"""Entry points of this group are commands too: the client's `invoke` is one."""

COMMANDS: Final = {
    "replay": Entry(".replay:replay", "Serve recorded answers; the network is never touched."),
    "record": Entry(".record:record", "Forward to an upstream, answer, and keep."),
    "serve": Entry(".serve:serve", "Serve the endpoints that a file describes."),
    "exec": Entry(".exec:exec_", "Run a command against a server of its own."),
    "verify": Entry(".verify:verify", "Ask an upstream whether recorded answers still hold."),
    "cassette": Entry(".cassette:cassette", "Look into cassette files and work on them."),
    "env": Entry(".env:env", "Print the lines that point AWS SDKs at a server."),
    "doctor": Entry(".doctor:doctor", "Say which endpoint boto3 would call now, and why."),
    "faults": Entry(".faults:faults", "List the faults that can be injected."),
    "completion": Entry(".completion:completion", "Print the completion script of a shell."),
}

ENTRY_POINT_HELP: Final = {"invoke": "Invoke an endpoint: of AWS, of an emulator, or of a cassette file."}
"""Lines for commands of other packages that are known; any other is described by its package's name."""

CASSETTE_COMMANDS: Final = {
    "ls": Entry(".cassette.ls:ls", "List what cassettes hold."),
    "show": Entry(".cassette.show:show", "Print the interactions of a cassette."),
    "verify": Entry(".cassette.verify:verify", "Check every byte of cassettes against its checksums."),
    "scan": Entry(".cassette.scan:scan", "Look for secrets in cassettes."),
    "scrub": Entry(".cassette.scrub:scrub", "Take secrets and personal data out of a cassette."),
    "diff": Entry(".cassette.diff:diff", "Compare two cassettes by meaning."),
    "merge": Entry(".cassette.merge:merge", "Merge what was recorded on two sides; git's merge driver."),
    "edit": Entry(".cassette.edit:edit", "Edit interactions as JSON or YAML in your editor."),
    "compact": Entry(".cassette.compact:compact", "Write a cassette anew, in canonical order."),
    "import": Entry(".cassette.import_:import_", "Take in recordings of vcrpy, HAR, data capture and moto."),
    "export": Entry(".cassette.export:export", "Write interactions as HAR or JSON Lines."),
    "init-git": Entry(".cassette.init_git:init_git", "Teach a git repository to diff and merge cassettes."),
}
