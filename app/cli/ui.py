"""`syncline ui`: the pages, in a browser."""

from __future__ import annotations

import click

from app.cli.remote import WHERE_THE_API_IS, open_api
from app.cli.running import reports_errors, tell
from app.domain.errors import SynclineError


@click.command(
    short_help="Open the pages in a browser.",
    help=f"""Print the address of the pages, and open it in a browser. They ask for a token there.

    {WHERE_THE_API_IS}
    """,
)
@click.option("--no-open", is_flag=True, help="Only print the address.")
@reports_errors
def ui(*, no_open: bool) -> None:
    import webbrowser

    with open_api() as api:
        address = api.find_pages()
        if address is None:
            raise SynclineError(
                f"{api.name} serves no pages: set 'server.ui.enabled' to true in its catalogue, and restart it"
            )
    click.echo(address)
    if not no_open and not webbrowser.open(address):
        tell("no browser can be opened here: open this address in one")
