"""`syncline status`: how every collection is, those that need somebody first."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from app.cli.remote import WHERE_THE_API_IS, catalogue_problems, find_source, open_api
from app.cli.running import align, compact_json, reports_errors, tell
from app.cli.values import NAME, SOURCE
from app.domain.condition import RANKS, Condition, Facts, condition_of, describe
from app.domain.counts import count
from app.domain.elapsed import ago_in_words
from app.domain.task import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from app.client.api import Api

_PAUSE = ("paused_since", "paused_until", "paused_by", "pause_note")
_TIMES = {"last_success_at", "last_failure_at", "paused_since", "paused_until", "started_at"}


@click.command(short_help="Show how every collection is.", epilog=WHERE_THE_API_IS)
@click.argument("source", required=False, type=SOURCE)
@click.option("--owner", metavar="NAME", type=NAME, help="Only collections with this owner.")
@click.option(
    "--label",
    "labels",
    metavar="LABEL",
    type=NAME,
    multiple=True,
    help="Only collections with this label; repeat it for those that have several.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each collection.")
@reports_errors
def status(source: str | None, owner: str | None, labels: tuple[str, ...], *, as_json: bool) -> None:
    """Show how every collection is, or every one of SOURCE: those that fail first."""
    with open_api() as api:
        if source is not None:
            find_source(api, source)
        document = api.get("/sources")
        active = _active_tasks(api, source)
    now = dt.datetime.now(dt.UTC)
    known = sorted(_collections(document, active, source), key=lambda each: (RANKS[each[2]], each[0]))
    found = [each for each in known if _is_wanted(each[1], owner, labels)]
    if as_json:
        for _, collection, condition, facts in found:
            click.echo(compact_json({**collection, "condition": condition, "summary": describe(facts, now)}))
        return
    for line in catalogue_problems(document, source):
        tell(line)
    if not found:
        click.echo("No collection has this owner and these labels." if known else "No collections.", err=True)
        return
    failing = sum(condition is Condition.FAILING for _, _, condition, _ in found)
    summary = f"{failing} of {count(len(found), 'collection')} failing" if failing else "No collection is failing"
    click.echo(f"{summary}.", err=True)
    rows = [
        (name, condition.value, _next(collection, now), describe(facts, now))
        for name, collection, condition, facts in found
    ]
    head, *lines = align([("COLLECTION", "STATE", "NEXT", "DESCRIPTION"), *rows])
    click.echo(head)
    for line, (_, _, condition, _) in zip(lines, found, strict=True):
        click.echo(click.style(line, fg="red") if condition is Condition.FAILING else line)


def _active_tasks(api: Api, source: str | None) -> dict[tuple[str, str], dict[str, Any]]:
    """The running tasks, by source and collection."""
    page = api.get("/tasks/recent", source=source, status="running", limit=1000)
    return {(task["source"], task["collection"]): task for task in page["tasks"]}


def _collections(
    document: Mapping[str, Any], active: Mapping[tuple[str, str], dict[str, Any]], only: str | None
) -> Iterator[tuple[str, dict[str, Any], Condition, Facts]]:
    for source in document["sources"]:
        if only not in {None, source["id"]}:
            continue
        for collection in source["collections"]:
            known = {**collection, **active.get((source["id"], collection["name"]), {})}
            # A collection of a source that is paused is paused as well.
            pause = collection if "paused_since" in collection else source
            known |= {name: pause.get(name) for name in _PAUSE}
            facts = _facts(known)
            shown = {"source": source["id"], "collection": collection["name"], **collection}
            del shown["name"]
            yield f"{source['id']}.{collection['name']}", shown, condition_of(facts), facts


def _is_wanted(collection: Mapping[str, Any], owner: str | None, labels: Collection[str]) -> bool:
    return owner in {None, collection.get("owner")} and set(labels) <= set(collection.get("labels", ()))


def _facts(known: Mapping[str, Any]) -> Facts:
    values: dict[str, Any] = {name: known[name] for name in Facts.__slots__ if known.get(name) is not None}
    for name in values.keys() & _TIMES:
        values[name] = dt.datetime.fromisoformat(values[name])
    if "last_status" in values:
        values["last_status"] = Status(values["last_status"])
    return Facts(**values)


def _next(collection: Mapping[str, Any], now: dt.datetime) -> str:
    if "next_fire_at" not in collection:
        return "-" if "schedule" in collection else "on request"
    starts = collection.get("next_start_at", collection["next_fire_at"])
    return ago_in_words(dt.datetime.fromisoformat(starts), now)
