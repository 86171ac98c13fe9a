"""`sagetape completion`: the script that makes a shell complete our commands and flags."""

from __future__ import annotations

from importlib.metadata import version

import click
from click.shell_completion import get_completion_class

from ..core.errors import ConfigError
from .terminal import emit

SHELLS = ("bash", "zsh", "fish", "powershell")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash        eval "$(sagetape completion bash)"           in ~/.bashrc
    zsh         eval "$(sagetape completion zsh)"            in ~/.zshrc
    fish        sagetape completion fish | source            in ~/.config/fish/config.fish
    powershell  sagetape completion powershell | Out-String | Invoke-Expression    in $PROFILE
    """
    found = get_completion_class(shell)
    if found is None:
        raise ConfigError(
            f"The installed click {version('click')} completes for other shells, not for {shell}. "
            "Update it: pip install --upgrade click"
        )
    emit(found(ctx.find_root().command, {}, "sagetape", "_SAGETAPE_COMPLETE").source())
