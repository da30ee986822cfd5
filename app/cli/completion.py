"""`syncline completion`: lets a shell complete commands, options, and the names in the catalogue."""

from __future__ import annotations

from typing import Final

import click

VARIABLE: Final = "_SYNCLINE_COMPLETE"
"""The environment variable with which the script asks what could stand in the line."""


@click.command(short_help="Print a script for completion in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script with which SHELL completes commands, options, and names of sources and collections.

    bash: add 'source <(syncline completion bash)' to ~/.bashrc. zsh: add 'source <(syncline completion zsh)' to
    ~/.zshrc, after compinit. fish: run 'syncline completion fish > ~/.config/fish/completions/syncline.fish'.
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    complete = {"bash": BashComplete, "fish": FishComplete, "zsh": ZshComplete}[shell]
    root = click.get_current_context().find_root()
    click.echo(complete(root.command, {}, "syncline", VARIABLE).source())
