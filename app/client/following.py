"""Follows tasks until they have ended: their log, and how far they are."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.client.paths import path_of
from app.domain.errors import ApiUnreachableError
from app.domain.task import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.client.api import Api

LOG_PAGE: Final = 1000
_LOOK_SECONDS: Final = 0.5
# However many tasks are followed, the API gets no more requests than this allows.
_SECONDS_A_TASK: Final = 0.02
_ACTIVE: Final = frozenset({Status.SCHEDULED, Status.RUNNING})


class Step(NamedTuple):
    """What is new of a task: its document as it is now, and the next lines of its log, a page at most.

    After the last step, it has ended and there are no more lines.
    """

    task: dict[str, Any]
    lines: list[dict[str, Any]]
    is_last: bool = False


def follow(
    api: Api, task_ids: Iterable[str], *, with_log: bool, tell: Callable[[str], None], after: str | None = None
) -> Iterator[Step]:
    """Yield what is new of each task, until all have ended; the last step of each is its end.

    Logs are read from their beginnings, or `after` a line.

    While the API is away, it is tried again, and `tell` is told so once.

    Raises:
        ApiRefusalError: there is no such task.
        ConfigurationError: the token is not valid.
    """
    followed = [_Followed(task_id, with_log=with_log, after=after) for task_id in task_ids]
    is_away = False
    while followed:
        try:
            for each in [*followed]:
                for step in each.look(api):
                    yield step
                    if step.is_last:
                        followed.remove(each)
                is_away = False
        except ApiUnreachableError as error:
            if not is_away:
                tell(f"{error}; trying again")
            is_away = True
        if followed:
            time.sleep(max(_LOOK_SECONDS, _SECONDS_A_TASK * len(followed)))


def read_log(api: Api, task_id: str, after: str | None = None, **filters: Any) -> Iterator[dict[str, Any]]:
    """Yield the lines of a task's log, from its beginning or after a line; raises what `Api.request` raises."""
    for page in _read_pages(api, task_id, after, **filters):
        yield from page


def _read_pages(api: Api, task_id: str, after: str | None, **filters: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of lines, each as soon as it is read."""
    while page := api.get(f"/tasks{path_of(task_id)}/logs", after=after, limit=LOG_PAGE, **filters)["logs"]:
        yield page
        if len(page) < LOG_PAGE:
            return
        after = position_of(page[-1])


def position_of(line: dict[str, Any]) -> str:
    """Where a line is in its log, as the API reads it."""
    return f"{line['attempt']}.{line['line']}"


@dataclass(slots=True)
class _Followed:
    task_id: str
    with_log: bool
    after: str | None = None
    etag: str = ""
    task: dict[str, Any] = field(default_factory=dict)

    def look(self, api: Api) -> Iterator[Step]:
        """What is new, if anything is. The task is read first, so that the log of one that has ended is whole."""
        answer = api.request("GET", f"/tasks{path_of(self.task_id)}", etag=self.etag)
        task = self.task if answer.document is None else answer.document
        for page in _read_pages(api, self.task_id, self.after) if self.with_log else ():
            self.after = position_of(page[-1])
            yield Step(task, page)
        # Remembered only now: if a page has failed, the task is new again.
        self.task, self.etag = task, answer.etag
        if answer.document is not None:
            yield Step(task, [], is_last=task["status"] not in _ACTIVE)
