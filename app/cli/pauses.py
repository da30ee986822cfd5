"""`syncline pause` and `resume`: holds up a source or a collection, and lets it go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from app.cli.causes import note_option
from app.cli.remote import WHERE_THE_API_IS, explain_unknown, open_api
from app.cli.running import reports_errors
from app.cli.values import COLLECTION, SOURCE, TIME
from app.domain.errors import ApiRefusalError
from app.domain.timestamp import utc_second
from app.domain.visible import make_visible

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable


@click.command(short_help="Pause a source or a collection.", epilog=WHERE_THE_API_IS)
@click.argument("source", type=SOURCE)
@click.argument("collection", required=False, type=COLLECTION)
@click.option(
    "--until", type=TIME, help="When the pause ends by itself: a day, or a time such as 2024-01-31T12:00:00Z."
)
@click.option("--cancel", is_flag=True, help="Also cancel running tasks.")
@note_option
@reports_errors
def pause(source: str, collection: str | None, until: dt.datetime | None, note: str | None, *, cancel: bool) -> None:
    """Pause SOURCE's COLLECTION, or all of SOURCE.

    Running tasks go on, unless there is --cancel; others wait. Fire times of the schedule are skipped. 'syncline
    sources pause' does the same without an API, in the database itself.
    """
    paused = _post("pause", source, collection, until=until and utc_second(until), cancel=cancel, note=note)
    show_paused(source, collection, until, paused["canceled"])


@click.command(short_help="End a pause.", epilog=WHERE_THE_API_IS)
@click.argument("source", type=SOURCE)
@click.argument("collection", required=False, type=COLLECTION)
@note_option
@reports_errors
def resume(source: str, collection: str | None, note: str | None) -> None:
    """End the pause of SOURCE's COLLECTION, or that of all of SOURCE.

    A collection that was paused alone stays paused when its source is resumed.
    """
    resumed = _post("resume", source, collection, note=note)
    show_resumed(
        source,
        collection,
        was_paused=resumed["was_paused"],
        source_is_paused=resumed["source_is_paused"],
        still_paused=resumed["still_paused"],
    )


def _post(what: str, source: str, collection: str | None, **more: Any) -> dict[str, Any]:
    body = {"source": source, "collection": collection, **more}
    with open_api() as api:
        try:
            answer: dict[str, Any] = api.post(
                f"/sources/{what}", {name: value for name, value in body.items() if value is not None}
            ).document
        except ApiRefusalError as error:
            raise explain_unknown(api, error, source, collection) from error
    return answer


def show_paused(source: str, collection: str | None, until: dt.datetime | None, canceled: Iterable[str]) -> None:
    """Say what is paused now, and which tasks end because of it."""
    end = f"until {utc_second(until)}" if until else "until it is resumed"
    click.echo(f"{shown_name(source, collection)} is paused {end}.")
    for task in canceled:
        click.echo(f"{make_visible(task)} is being canceled.")


def show_resumed(
    source: str, collection: str | None, *, was_paused: bool, source_is_paused: bool, still_paused: Iterable[str]
) -> None:
    """Say what goes on, and what does not in spite of it."""
    name = shown_name(source, collection)
    if source_is_paused:
        click.echo(f"The pause of {name} is over, but all of {shown_name(source, None)} is paused.")
    else:
        click.echo(f"{name} {'goes on' if was_paused else 'was not paused'}.")
    for each in still_paused:
        click.echo(f"{shown_name(source, each)} is still paused: it was paused alone.")


def shown_name(source: str, collection: str | None) -> str:
    """The name of a source or a collection, as people read it."""
    return make_visible(f"{source}.{collection}" if collection else source)
