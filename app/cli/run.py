"""`syncline run`: asks for tasks, and shows what becomes of them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from app.cli.causes import note_option
from app.cli.remote import (
    WHERE_THE_API_IS,
    ProgressLine,
    clock_time,
    end_text,
    explain_unknown,
    find_source,
    log_text,
    name_of,
    open_api,
)
from app.cli.running import compact_json, reports_errors, tell
from app.cli.values import COLLECTION, SOURCE
from app.domain.elapsed import span_in_words
from app.domain.errors import ApiRefusalError, SynclineError
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.client.api import Api
    from app.client.following import Step

_CREATED: Final = 201
_INTERRUPTED: Final = 130


@click.command(short_help="Run collections now.", epilog=WHERE_THE_API_IS)
@click.argument("source", type=SOURCE)
@click.argument("collections", metavar="[COLLECTION]...", nargs=-1, type=COLLECTION)
@click.option("--wait", is_flag=True, help="Wait until all tasks have ended; exit with 1 unless all have succeeded.")
@click.option("-f", "--follow", is_flag=True, help="Wait, and show logs and progress meanwhile.")
@click.option("--again", is_flag=True, help="Where a task runs already, run one more after it.")
@note_option
@click.option("--json", "as_json", is_flag=True, help="Print a line of JSON for each task, and for each line of a log.")
@reports_errors
def run(
    source: str, collections: tuple[str, ...], note: str | None, *, wait: bool, follow: bool, again: bool, as_json: bool
) -> None:
    """Run all collections of SOURCE, or only these, now.

    A collection whose task waits or runs already has no second one: that task is taken.
    """
    with open_api() as api:
        names = collections or [each["name"] for each in find_source(api, source)["collections"]]
        if not names:
            raise SynclineError(f"source {source!r} has no collections")
        requests = _Requests(api, source, again=again, note=note)
        watched = wait or follow
        tasks = []
        for name in dict.fromkeys(names):
            if (task := requests.ask(name)) is None:
                continue
            tasks.append(task)
            # At once: whoever interrupts this should know what there is by then.
            if not as_json:
                line = f"{name_of(task)} {_how(task)}: task {task['task_id']}"
                click.echo(make_visible(line), err=watched)
            elif not watched:
                click.echo(compact_json(task))
        succeeded = not requests.refused
        if watched and tasks:
            screen = _Screen(several=len(tasks) > 1, as_json=as_json)
            succeeded &= _watch(api, [task["task_id"] for task in tasks], screen, with_log=follow)
    if not succeeded:
        sys.exit(1)


def _how(task: dict[str, Any]) -> str:
    return "requested" if task["is_new"] else "already queued or running"


@dataclass(slots=True)
class _Requests:
    """Asks for tasks. What is refused is told, and the others are asked for all the same."""

    api: Api
    source: str
    again: bool
    note: str | None
    refused: bool = False

    def ask(self, collection: str) -> dict[str, Any] | None:
        """The new task, or the one that is active; None if the API refuses it."""
        try:
            answer = self.api.post(
                "/tasks", source=self.source, collection=collection, again=self.again or None, note=self.note
            )
        except ApiRefusalError as error:
            tell(str(explain_unknown(self.api, error, self.source, collection)))
            self.refused = True
            return None
        return {
            "source": self.source,
            "collection": collection,
            "task_id": answer.document["task_id"],
            "is_new": answer.status == _CREATED,
        }


def _watch(api: Api, task_ids: Sequence[str], screen: _Screen, *, with_log: bool) -> bool:
    """Follow the tasks to their ends; returns whether all have succeeded. Ctrl-C leaves them running."""
    from app.client.following import follow

    try:
        return screen.show_all(follow(api, task_ids, with_log=with_log, tell=screen.tell))
    except KeyboardInterrupt:
        screen.progress.clear()
        left = [task_id for task_id in task_ids if task_id not in screen.ended]
        goes, it = ("The task goes on", left[0]) if len(left) == 1 else (f"{len(left)} tasks go on", "TASK_ID")
        click.echo(f"{goes}: see 'syncline logs -f {it}', or end it with 'syncline cancel {it}'.", err=True)
        sys.exit(_INTERRUPTED)


class _Screen:
    """What a terminal shows of tasks while they are followed."""

    def __init__(self, *, several: bool, as_json: bool) -> None:
        self.progress = ProgressLine()
        self.ended: dict[str, bool] = {}
        self._several = several
        self._as_json = as_json
        self._running: dict[str, _Pace] = {}

    def tell(self, line: str) -> None:
        self.progress.clear()
        tell(line)

    def show_all(self, steps: Iterable[Step]) -> bool:
        """Show every step; returns whether all tasks have succeeded."""
        for step in steps:
            self.progress.clear()
            for line in step.lines:
                self._show_line(step.task, line)
            if step.is_last:
                self._show_end(step.task)
            else:
                pace = self._running.get(step.task["id"])
                if pace is None or pace.is_over(step.task):
                    pace = self._running[step.task["id"]] = _Pace(step.task)
                pace.task = step.task
            if self._running:
                self.progress.show(self._progress_text())
        self.progress.clear()
        return all(self.ended.values())

    def _show_line(self, task: dict[str, Any], line: dict[str, Any]) -> None:
        if self._as_json:
            click.echo(compact_json({"task_id": task["id"], **line}))
        else:
            label = task["collection"] if self._several else ""
            click.echo(log_text(line, task["id"], label=label))

    def _show_end(self, task: dict[str, Any]) -> None:
        self._running.pop(task["id"], None)
        self.ended[task["id"]] = task["status"] == "SUCCESS"
        click.echo(compact_json(task) if self._as_json else end_text(task))

    def _progress_text(self) -> str:
        if self._several:
            records = sum(pace.task.get("records_read", 0) for pace in self._running.values())
            return f"{len(self.ended)} ended, {len(self._running)} active, {records:,} rows read"
        [pace] = self._running.values()
        return pace.text()


class _Pace:
    """How fast a task reads, by this machine's clock: that of the server may be another."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self._began = time.monotonic()
        self._had = task.get("records_read", 0)

    def is_over(self, task: dict[str, Any]) -> bool:
        """Whether the task does something else now: it waited and runs, or this is another attempt."""
        return (task["status"], task["attempt"]) != (self.task["status"], self.task["attempt"])

    def text(self) -> str:
        task, seconds = self.task, time.monotonic() - self._began
        if task["status"] == "SCHEDULED":
            until = f" until {clock_time(task['waiting']['until'])}" if "waiting" in task else ""
            return f"{name_of(task)} waits{until}" + (f" for attempt {task['attempt'] + 1}" if task["attempt"] else "")
        parts = [f"{name_of(task)} running"]
        if "records_read" in task:
            parts.append(f"{task['records_read']:,} rows read")
            if seconds >= 1 and task["records_read"] > self._had:
                parts.append(f"{(task['records_read'] - self._had) / seconds:,.0f}/s")
        if "percent" in task:
            parts.append(f"{task['percent']:.0f} %")
        parts.append(span_in_words(seconds))
        return ", ".join(parts)
