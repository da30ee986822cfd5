"""Following a task: its log comes page by page, whole and in order, whatever the API does meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.client.address import ApiAddress
from app.client.api import Answer, Api
from app.client.following import LOG_PAGE, follow
from app.domain.errors import ApiUnreachableError

if TYPE_CHECKING:
    import pytest

LINES = [{"attempt": 1, "line": number} for number in range(2 * LOG_PAGE + 7)]


class OneTask(Api):
    """An API that has one task, which has ended."""

    def __init__(self, *, is_away_at: int | None = None) -> None:
        super().__init__(ApiAddress("http://127.0.0.1:1", "a-token"))
        self.pages: list[str | None] = []
        self.is_away_at = is_away_at

    def request(self, method: str, path: str, parameters: Any = None, *, body: Any = None, etag: str = "") -> Answer:
        assert (method, body) == ("GET", None)
        if not path.endswith("/logs"):
            return Answer(304, None, etag) if etag else Answer(200, {"id": "t", "status": "SUCCESS"}, "a-tag")
        after = parameters["after"]
        self.pages.append(after)
        if len(self.pages) == self.is_away_at:
            raise ApiUnreachableError("it does not answer")
        first = 0 if after is None else int(after.split(".")[1]) + 1
        return Answer(200, {"logs": LINES[first : first + parameters["limit"]]})


def test_lines_of_a_long_log_come_before_its_last_page_is_read() -> None:
    with OneTask() as api:
        steps = follow(api, ["t"], with_log=True, tell=print)
        first = next(steps)
        assert (first.lines, first.is_last, api.pages) == (LINES[:LOG_PAGE], False, [None])
        rest = [*steps]
    assert [line for step in rest for line in step.lines] == LINES[LOG_PAGE:]
    assert [step.is_last for step in rest] == [False, False, True]


def test_every_line_comes_once_though_the_api_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.client.following._LOOK_SECONDS", 0)
    told: list[str] = []
    with OneTask(is_away_at=2) as api:
        steps = [*follow(api, ["t"], with_log=True, tell=told.append)]
    assert [line for step in steps for line in step.lines] == LINES
    assert [step.is_last for step in steps].index(True) == len(steps) - 1
    assert told == ["it does not answer; trying again"]
    assert api.pages[1] == api.pages[2]
