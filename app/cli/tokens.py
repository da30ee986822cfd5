"""`syncline token`: creates, lists and revokes the API's tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.running import align, reports_errors, run_loop, start
from app.cli.values import DURATION, TOKEN_ID, TOKEN_NAME
from app.domain.api_token import TokenScope

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Awaitable, Callable

    from app.store.tokens import TokenAdmin


@click.group()
def token() -> None:
    """Manage the API's tokens, stored as hashes. The catalogue's 'server.admin_token' is valid as well.

    The database is the one in DATABASE_URL or, if that is not set, that of the 'syncline dev' on SYNCLINE_DATA_DIR
    (default: .syncline).
    """


@token.command()
@click.option(
    "--scope",
    type=click.Choice([scope.value for scope in TokenScope]),
    required=True,
    help="read: view; run: also request and cancel tasks; admin: everything.",
)
@click.option("--name", type=TOKEN_NAME, default="", help="A name to show in the list.")
@click.option(
    "--expires", "lifetime", type=DURATION, help="How long it is valid, such as 12h or 90d.  [default: forever]"
)
@reports_errors
def create(scope: str, name: str, lifetime: dt.timedelta | None) -> None:
    """Create a token and print it once; only its hash is stored."""
    made = _administer(lambda admin: admin.create(name, TokenScope(scope), lifetime))
    click.echo(made.text)
    click.echo(f"Save it now: it will not be shown again. Revoke it with 'syncline token revoke {made.id}'.", err=True)


@token.command("list", short_help="List all tokens.")
@reports_errors
def list_() -> None:
    """List all tokens with their id, scope, state, times and name. LAST USED is exact to the hour."""
    rows = _administer(lambda admin: admin.list())
    head = ("ID", "SCOPE", "STATE", "CREATED", "LAST USED", "EXPIRES", "NAME")
    times = ("created_at", "last_used_at", "expires_at")
    lines = [
        (row["id"], row["scope"], row["state"], *(_format_time(row[key]) for key in times), row["name"]) for row in rows
    ]
    for line in align([head, *lines]):
        click.echo(line)


@token.command(short_help="Revoke a token.")
@click.argument("id_", metavar="ID", type=TOKEN_ID)
@reports_errors
def revoke(id_: str) -> None:
    """Revoke the token with this ID; every API rejects it within a second. The token itself is accepted as its ID."""
    _administer(lambda admin: admin.revoke(id_))
    click.echo(f"{id_} is revoked.")


def _administer(work: Callable[[TokenAdmin], Awaitable[Any]]) -> Any:
    from app.bootstrap.tokens import with_token_admin

    return run_loop(with_token_admin(start(), work))


def _format_time(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z" if at else "-"
