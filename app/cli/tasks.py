"""`syncline tasks`, `logs` and `cancel`: what has run, what it has said, and its end."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from app.cli.causes import note_option
from app.cli.remote import (
    WHERE_THE_API_IS,
    clock_time,
    end_text,
    find_task,
    log_text,
    name_of,
    open_api,
    seconds_of,
)
from app.cli.running import align, compact_json, reports_errors, tell
from app.cli.values import COLLECTION, DURATION, NAME, SOURCE, TASK
from app.client.paths import path_of
from app.domain.elapsed import span_in_words
from app.domain.timestamp import utc_second
from app.domain.waiting import waiting_in_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.client.api import Api

_PAGE: Final = 1000
_EPOCH: Final = "1970-01-01T00:00:00Z"
_FAR: Final = "9000-01-01T00:00:00Z"
_MOST_TAIL: Final = 1000


@click.command(short_help="List the newest tasks.", epilog=WHERE_THE_API_IS)
@click.option("--source", type=SOURCE, help="Only tasks of this source.")
@click.option("--collection", type=COLLECTION, help="Only tasks of this collection of the source.")
@click.option("--failed", is_flag=True, help="Only tasks that failed.")
@click.option(
    "--status",
    type=click.Choice(["scheduled", "running", "success", "failed", "canceled"]),
    multiple=True,
    help="Only tasks with this status; repeat it for several.",
)
@click.option("--since", type=DURATION, help="Only tasks that were created within this time, such as 24h.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many tasks at most.")
@click.option(
    "--as-of", metavar="TIME", type=NAME, help="The tasks of --source as they were then: a time, or an event's id."
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each task.")
@reports_errors
def tasks(  # noqa: PLR0917 -- one for each option
    source: str | None,
    collection: str | None,
    status: tuple[str, ...],
    since: dt.timedelta | None,
    limit: int,
    as_of: str | None,
    *,
    failed: bool,
    as_json: bool,
) -> None:
    """List the newest tasks, newest first."""
    if collection and not source:
        raise click.UsageError("--collection needs --source.")
    if as_of and not source:
        raise click.UsageError("--as-of needs --source.")
    statuses = {*status, *(["failed"] if failed else [])}
    filters = {
        "source": source,
        "collection": collection,
        "since": since and _ago(since),
        "status": ",".join(sorted(statuses)) or None,
    }
    with open_api() as api:
        found = [*(_as_of(api, as_of, filters, limit) if as_of else _recent(api, filters, limit))]
    if as_json:
        for task in found:
            click.echo(compact_json(task))
        return
    if not found:
        click.echo("No tasks.", err=True)
        return
    head = ("CREATED", "COLLECTION", "STATUS", "TOOK", "ROWS", "TASK", "ERROR")
    for line in align([head, *map(_row, found)]):
        click.echo(line)


def _ago(span: dt.timedelta) -> str:
    return utc_second(dt.datetime.now(dt.UTC) - span)


def _recent(api: Api, filters: dict[str, Any], limit: int) -> Iterator[dict[str, Any]]:
    before = None
    while limit > 0:
        page = api.get("/tasks/recent", **filters, before=before, limit=min(limit, _PAGE))
        yield from page["tasks"]
        limit -= len(page["tasks"])
        if (before := page.get("next")) is None:
            return


def _as_of(api: Api, as_of: str, filters: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    """The list of the API knows one status at a time, and is of the newest of each collection."""
    statuses = (filters.pop("status") or "").split(",")
    start = filters.pop("since") or _EPOCH
    found = [
        task
        for status in statuses
        for task in api.get(
            "/tasks", **filters, status=status or None, start=start, end=_FAR, limit=limit, as_of=as_of
        )["tasks"]
    ]
    return sorted(found, key=lambda task: (task["created_at"], task["id"]), reverse=True)[:limit]


def _row(task: dict[str, Any]) -> tuple[str, ...]:
    seconds = seconds_of(task)
    return (
        clock_time(task["created_at"]),
        name_of(task),
        task["status"].lower(),
        "-" if seconds is None else span_in_words(seconds),
        f"{task['rows']:,}",
        task["id"],
        _trouble(task).split("\n")[0],
    )


def _trouble(task: dict[str, Any]) -> str:
    """Why the task failed, or what it waits for."""
    error, waiting = str(task.get("error", "")), task.get("waiting")
    if not waiting or waiting["reason"] == error:
        return error
    return waiting_in_words(dt.datetime.fromisoformat(waiting["until"]), waiting["reason"])


@click.command(short_help="Show the log of a task.", epilog=WHERE_THE_API_IS)
@click.argument("task", metavar="TASK | SOURCE COLLECTION", nargs=-1, type=TASK, required=True)
@click.option("-f", "--follow", is_flag=True, help="Keep printing until the task ends; exit with 1 unless it succeeds.")
@click.option(
    "-n", "--tail", type=click.IntRange(1, _MOST_TAIL), metavar="LINES", help="Show only the last LINES lines."
)
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each line.")
@reports_errors
def logs(task: tuple[str, ...], tail: int | None, *, follow: bool, as_json: bool) -> None:
    """Show the log of TASK, or of the last task of a SOURCE's COLLECTION."""
    with open_api() as api:
        task_id = find_task(api, task)
        if len(task) > 1:
            tell(f"task {task_id}")
        if follow:
            succeeded = _follow_log(api, task_id, tail, as_json=as_json)
        else:
            succeeded = True
            for line in _read_log(api, task_id, tail):
                _show_line(line, task_id, as_json=as_json)
    if not succeeded:
        sys.exit(1)


def _read_log(api: Api, task_id: str, tail: int | None) -> Iterable[dict[str, Any]]:
    """The log, or only its last lines."""
    from app.client.following import read_log

    return _read_tail(api, task_id, tail) if tail else read_log(api, task_id)


def _read_tail(api: Api, task_id: str, lines: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/tasks{path_of(task_id)}/logs", tail=lines)["logs"]
    return found


def _follow_log(api: Api, task_id: str, tail: int | None, *, as_json: bool) -> bool:
    """Show the log until the task has ended, or until Ctrl-C; returns True if it succeeded, or on Ctrl-C."""
    from app.client.following import follow, position_of

    last = _read_tail(api, task_id, tail) if tail else []
    for line in last:
        _show_line(line, task_id, as_json=as_json)
    after = position_of(last[-1]) if last else None
    succeeded = True
    try:
        for step in follow(api, [task_id], with_log=True, tell=tell, after=after):
            for line in step.lines:
                _show_line(line, task_id, as_json=as_json)
            if step.is_last:
                succeeded = step.task["status"] == "SUCCESS"
                click.echo(end_text(step.task), err=True)
    except KeyboardInterrupt:
        pass
    return succeeded


def _show_line(line: dict[str, Any], task_id: str, *, as_json: bool) -> None:
    click.echo(compact_json({"task_id": task_id, **line}) if as_json else log_text(line, task_id))


@click.command(short_help="Cancel a task.", epilog=WHERE_THE_API_IS)
@click.argument("task", metavar="TASK | SOURCE COLLECTION", nargs=-1, type=TASK, required=True)
@note_option
@reports_errors
def cancel(task: tuple[str, ...], note: str | None) -> None:
    """Cancel TASK, or the active task of a SOURCE's COLLECTION: one that runs ends within seconds."""
    with open_api() as api:
        task_id = find_task(api, task, active=True)
        path = f"/tasks{path_of(task_id)}"
        api.post(f"{path}/cancel", note=note)
        now = api.get(path)
    if now["status"] == "RUNNING":
        click.echo(f"{task_id} is running, and will be canceled within seconds.")
    elif now["status"] == "CANCELED":
        click.echo(f"{task_id} is canceled.")
    else:
        tell(f"{task_id} had ended before: {end_text(now)}")
        sys.exit(1)
