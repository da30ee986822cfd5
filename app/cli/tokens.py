"""`syncline token`: making, listing and revoking tokens of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.running import align, reports_errors, run_loop, start
from app.domain.api_token import TokenScope, id_in, name_problem
from app.domain.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.store.tokens import TokenAdmin


@click.group()
def token() -> None:
    """Manage the API's tokens, stored as hashes. The catalogue's `server.admin_token` is valid beside them.

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
@click.option("--name", default="", help="A name to show in the list.")
@click.option("--expires", help="How long it is valid, such as 12h or 90d.  [default: forever]")
@reports_errors
def create(scope: str, name: str, expires: str | None) -> None:
    """Create a token and print it once; only its hash is stored."""
    if problem := name_problem(name):
        raise click.BadParameter(problem, param_hint="--name")
    lifetime = None if expires is None else parse_duration(expires)
    if lifetime is not None and not lifetime:
        raise click.BadParameter("must be greater than zero", param_hint="--expires")
    made = _administer(lambda admin: admin.create(name, TokenScope(scope), lifetime))
    click.echo(made.text)
    click.echo(f"Save it now: it will not be shown again. Revoke it with 'syncline token revoke {made.id}'.", err=True)


@token.command("list", short_help="List all tokens.")
@reports_errors
def list_() -> None:
    """List all tokens: id, scope, state, when created, last used (to the hour) and expiring, name."""
    rows = _administer(lambda admin: admin.list())
    head = ("ID", "SCOPE", "STATE", "CREATED", "LAST USED", "EXPIRES", "NAME")
    moments = ("created_at", "last_used_at", "expires_at")
    lines = [
        (row["id"], row["scope"], row["state"], *(_moment(row[key]) for key in moments), row["name"]) for row in rows
    ]
    for line in align([head, *lines]):
        click.echo(line)


@token.command(short_help="Revoke a token.")
@click.argument("given", metavar="ID")
@reports_errors
def revoke(given: str) -> None:
    """Revoke the token ID; every API rejects it within a second. The token itself is accepted as its ID."""
    id_ = id_in(given)
    if id_ is None:
        # Not shown: it may be a secret that was pasted by mistake.
        raise click.BadParameter("16 hexadecimal digits, as 'syncline token list' shows them", param_hint="ID")
    _administer(lambda admin: admin.revoke(id_))
    click.echo(f"{id_} is revoked.")


def _administer(work: Callable[[TokenAdmin], Awaitable[Any]]) -> Any:
    from app.bootstrap.tokens import with_token_admin

    return run_loop(with_token_admin(start(), work))


def _moment(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z" if at else "-"
