"""Completion scripts for bash, zsh, fish and PowerShell.

Click brings the first three; PowerShell's is here: `Register-ArgumentCompleter -Native` asks the command itself, with
the words so far in `COMP_WORDS`. Loading this module costs nothing until a script is asked for.
"""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

SHELLS = ("bash", "zsh", "fish", "powershell")

_SOURCE = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = $commandAst.ToString()
    if ($cursorPosition -gt $words.Length) { $words += ' ' }
    $env:COMP_WORDS = $words
    $env:COMP_LINE_WORD = $wordToComplete
    $env:%(complete_var)s = 'powershell_complete'
    try {
        & %(prog_name)s | ForEach-Object {
            $type, $value, $help = $_ -split "`t", 3
            if ($type -eq 'file' -or $type -eq 'dir') {
                [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete)
            } else {
                [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue',
                    $(if ($help) { $help } else { $value }))
            }
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_LINE_WORD, Env:%(complete_var)s
    }
}
"""


class PowerShellComplete(ShellComplete):
    """Completion for Windows PowerShell 5 and PowerShell 7."""

    name = "powershell"
    source_template = _SOURCE

    def get_completion_args(self) -> tuple[list[str], str]:
        words = split_arg_string(os.environ["COMP_WORDS"])
        incomplete = os.environ.get("COMP_LINE_WORD", "")
        given = words[1:]
        if incomplete and given and given[-1] == incomplete:
            given.pop()
        return given, incomplete

    def format_completion(self, item: CompletionItem[str]) -> str:
        return f"{item.type}\t{item.value}\t{item.help or ''}"


def enable() -> None:
    """Teach click the fourth shell."""
    add_completion_class(PowerShellComplete)


def variable_of(program: str) -> str:
    """The environment variable click looks at for a program."""
    return f"_{program}_COMPLETE".replace("-", "_").replace(".", "_").upper()


def script(command: click.Command, *, program: str, shell: str) -> str:
    """What a shell evaluates, for a command as it is called."""
    enable()
    kind: Any = get_completion_class(shell)
    if kind is None:
        raise click.BadParameter(f"{shell!r} is no shell we know. Use one of {', '.join(SHELLS)}.")
    complete: ShellComplete = kind(command, {}, program, variable_of(program))
    return complete.source()
