"""What the commands that ask the API have in common: where it is, which task is meant, and how they show it."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from app.domain.choices import choose_one, unknown_name
from app.domain.elapsed import span_in_words
from app.domain.errors import ApiRefusalError, ConfigurationError, SynclineError
from app.domain.task import log_prefix, uuid_in
from app.domain.timestamp import utc_millisecond
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.client.api import Api

WHERE_THE_API_IS: Final = (
    "The API is that in SYNCLINE_URL (with SYNCLINE_TOKEN) or, if that is not set, that of the 'syncline dev' on "
    "SYNCLINE_DATA_DIR (default: .syncline)."
)
"""Of the help of every command that asks the API."""

_USUAL_WIDTH: Final = 80
_NOT_FOUND: Final = 404
_COLORS: Final = {"error": "red", "warn": "yellow"}


def open_api() -> Api:
    """The API of SYNCLINE_URL, or of the `syncline dev` that runs here.

    Raises:
        ConfigurationError: there is neither.
    """
    from app.client.address import find_api
    from app.client.api import Api
    from app.config.settings import read_settings

    settings = read_settings()
    return Api(find_api(settings.url, settings.token, settings.data_dir))


def find_source(api: Api, source: str) -> dict[str, Any]:
    """The document of a source.

    Raises:
        ConfigurationError: the catalogue has none of this name, or it is left out.
    """
    document = api.get("/sources")
    sources: dict[str, dict[str, Any]] = {each["id"]: each for each in document["sources"]}
    if source in sources:
        return sources[source]
    for rejected in document["rejected"]:
        if rejected["id"] == source:
            problems = "; ".join(f"{each['path']}: {each['message']}" for each in rejected["problems"])
            raise ConfigurationError(f"the source {source!r} is left out: {problems}")
    raise ConfigurationError(unknown_name("source", source, sorted(sources)))


def catalogue_problems(document: Mapping[str, Any], only: str | None = None) -> Iterator[str]:
    """What is wrong with the catalogue that runs, or with one source of it; `document` is that of `/sources`."""
    if "config_problem" in document:
        yield f"the newest version of the catalogue is not in use: {document['config_problem']}"
    for rejected in document["rejected"]:
        if only in {None, rejected["id"]}:
            for problem in rejected["problems"]:
                where = f"{problem['place']}: " if "place" in problem else ""
                yield f"{where}{problem['path']}: {problem['message']}"


def explain_unknown(api: Api, error: ApiRefusalError, source: str, collection: str | None) -> SynclineError:
    """A better error than that of the API where a source or collection is unknown: what there is instead."""
    if error.status != _NOT_FOUND:
        return error
    try:
        known = [each["name"] for each in find_source(api, source)["collections"]]
    except SynclineError as better:
        return better
    if collection is None or collection in known:
        return error
    return _unknown_collection(source, collection, known)


def _unknown_collection(source: str, collection: str, known: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(f"source {source!r} has no collection {collection!r}; {choose_one(collection, known)}")


def find_task(api: Api, given: Sequence[str], *, active: bool = False) -> str:
    """The id of a task: the given one, or the last one of the source and collection that are given.

    With `active`, a collection's last task counts only while it waits or runs.

    Raises:
        SynclineError: the collection has none.
        ConfigurationError: the only word is not the id of a task.
        UsageError: neither one nor two words are given.
    """
    match [*given]:
        case [task_id]:
            return _checked(task_id)
        case [source, collection]:
            status = "scheduled,running" if active else None
            found = api.get("/tasks/recent", source=source, collection=collection, status=status, limit=1)["tasks"]
            if found:
                return str(found[0]["id"])
            known = [each["name"] for each in find_source(api, source)["collections"]]
            if collection not in known:
                raise _unknown_collection(source, collection, known)
            raise SynclineError(f"{source}.{collection} has no {'active ' if active else ''}task")
        case _:
            raise click.UsageError("give a task's id, or a source and a collection")


def _checked(task_id: str) -> str:
    try:
        uuid_in(task_id)
    except ValueError:
        why = f"{task_id!r} is not a task's id; give one, or a source and a collection with a space between"
        raise ConfigurationError(why) from None
    return task_id


def name_of(task: dict[str, Any]) -> str:
    return f"{task['source']}.{task['collection']}"


def log_text(line: dict[str, Any], task_id: str, *, label: str = "") -> str:
    """A line of a log as people read it; without the task's id, which every line begins with."""
    message = make_visible(str(line["message"]).removeprefix(log_prefix(task_id)))
    level = click.style(f"{line['level']:<5}", fg=_COLORS.get(line["level"]))
    return f"{make_visible(label)}{'  ' if label else ''}{clock_time(line['time'])}  {level}  {message}"


def clock_time(text: str) -> str:
    """A time of the API to the millisecond, in UTC."""
    return utc_millisecond(datetime.fromisoformat(text))


def seconds_of(task: dict[str, Any]) -> float | None:
    """How long a task that has ended took, from its first start; None if it never started."""
    if "started_at" not in task or "finished_at" not in task:
        return None
    return (datetime.fromisoformat(task["finished_at"]) - datetime.fromisoformat(task["started_at"])).total_seconds()


def end_text(task: dict[str, Any]) -> str:
    """How a task has ended, in a sentence."""
    seconds = seconds_of(task)
    span = "" if seconds is None else f" in {span_in_words(seconds)}"
    attempts = f" after {task['attempt']} attempts" if task["attempt"] > 1 else ""
    match task["status"]:
        case "SUCCESS":
            text = f"succeeded{span}{attempts}: {task['rows']:,} rows"
        case "FAILED":
            text = f"failed{span}{attempts}: {task.get('error', 'no error message')}"
        case _:
            text = f"was canceled{attempts}"
    return make_visible(f"{name_of(task)} {text}")


class ProgressLine:
    """A status line at the bottom of the terminal, redrawn in place; nothing if standard error is not a terminal."""

    def __init__(self) -> None:
        self._is_shown = False
        self._is_terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        if self._is_terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or _USUAL_WIDTH
            sys.stderr.write(f"\r\x1b[K{make_visible(text)[: width - 1]}")
            sys.stderr.flush()
            self._is_shown = True

    def clear(self) -> None:
        """Make room for other output."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._is_shown = False
