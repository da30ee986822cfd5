"""Answers of Jitsu Classic v1.44.8, recorded from its own server, beside those of the API.

`classic_answers.json` has what a client asked, one after the other, and what Classic answered. It was recorded and not
edited: Classic had a Redis, a PostgreSQL for the rows, and three taps that are as those below.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.config.reader import load_catalogue
from app.projections.runner import ProjectionRunner
from tests.harness import PATIENCE_SECONDS, running_worker, until
from tests.integration.api.serving import TOKEN, opened_api

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORDED = json.loads(Path(__file__).with_name("classic_answers.json").read_text())
STEPS: list[dict[str, Any]] = RECORDED["steps"]
EXCHANGES = {step["name"]: step for step in STEPS if "name" in step}

TAP = """
import json, sys, time

def say(**message):
    print(json.dumps(message), flush=True)

fields = {"id": {"type": "integer"}, "name": {"type": "string"}}
say(type="SCHEMA", stream="users", schema={"type": "object", "properties": fields}, key_properties=["id"])
if sys.argv[1] == "failing":
    print("CRITICAL the shop is closed", file=sys.stderr, flush=True)
    sys.exit(3)
for number in (1, 2, 3):
    say(type="RECORD", stream="users", record={"id": number, "name": f"user {number}"})
say(type="STATE", value={"done": 3})
if sys.argv[1] == "slow":
    time.sleep(600)
"""
FIELDS = {"id": {"type": "integer"}, "name": {"type": "string"}}
CATALOG = {
    "streams": [
        {
            "stream": "users",
            "tap_stream_id": "users",
            "schema": {"type": "object", "properties": FIELDS},
            "metadata": [{"breadcrumb": [], "metadata": {"selected": True}}],
        }
    ]
}
DAY = "%Y-%m-%dT00:00:00.000000Z"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True, slots=True)
class Difference:
    """Why the API answers something else, its status, and what its body has instead."""

    why: str
    status: int
    body: Any = None


_ERROR = "what is unknown is a 404, and 'error' has the reason"
_REASON = "'error' has the reason, and what is accepted"
_LOG = "the texts of a log are Syncline's own"
NOT_FOUND = {"message": "Error getting source", "error": "Source [nope] doesn't exist"}
NO_TASK = {"message": "Error getting task", "error": "Task [nope] doesn't exist"}
DIFFERENCES: Mapping[str, Difference] = {
    "a wrong token in the query beside a right header": Difference("either is enough", 200, {"tasks": []}),
    "the log of the task that has succeeded": Difference(_LOG, 200),
    "the log of the task that was canceled": Difference(_LOG, 200),
    "the log of the task that has failed": Difference(_LOG, 200),
    "a log with a wrong time": Difference(_REASON, 400, {"message": "Error parsing 'start' query parameter"}),
    "tasks from a wrong time": Difference(_REASON, 400, {"message": "Error parsing 'start' query parameter"}),
    "tasks to a wrong time": Difference(_REASON, 400, {"message": "Error parsing 'end' query parameter"}),
    "tasks of a wrong status": Difference(_REASON, 400, {"message": "Error parsing 'status' query parameter"}),
    "a limit that is no number": Difference(_REASON, 400, {"message": "Error parsing 'limit' query parameter"}),
    "a task of an unknown source": Difference(_ERROR, 404, NOT_FOUND),
    "tasks of an unknown source": Difference(_ERROR, 404, NOT_FOUND),
    "the caches of an unknown source": Difference(_ERROR, 404, NOT_FOUND),
    "an unknown task": Difference(_ERROR, 404, NO_TASK),
    "the log of an unknown task": Difference(_ERROR, 404, NO_TASK),
    "the task that had failed before its cancellation": Difference(
        "a task that has ended stays as it is", 200, {"id": "<failing>", "status": "FAILED"}
    ),
    "one task of a source": Difference(
        "the newest task is wanted, not the oldest", 200, {"tasks": [{"id": "<quick2>", "status": "SUCCESS"}]}
    ),
    "caches without a source": Difference("it may be in the body too", 400, {"message": "'source' is required field"}),
    "statistics without anything": Difference("as with tasks", 400, {"message": "'start' is required query parameter"}),
    "the servers": Difference("a server is known without an etcd or a cluster", 200),
    "options of tasks": Difference("there is no content", 204, ""),
    "the head of tasks": Difference("HEAD is answered wherever GET is", 200, ""),
    "a wrong method": Difference("the path is known", 405, {"message": "Method Not Allowed"}),
    "an unknown path": Difference("as any other error", 404, {"message": "Not Found"}),
    "a slash at the end": Difference("it is ignored, so that no request is sent twice", 200),
}


def catalogue(directory: Path) -> str:
    tap = directory / "tap.py"
    tap.write_text(TAP)
    sources = {
        name: {
            "type": "singer",
            "destinations": ["warehouse"],
            "max_attempts": 1,
            "config": {"command": [sys.executable, str(tap), name], "catalog": CATALOG},
        }
        for name in ("quick", "slow", "failing")
    }
    warehouse = {"type": "duckdb", "path": str(directory / "warehouse.duckdb")}
    server = {"admin_token": TOKEN}
    return json.dumps({"server": server, "sources": sources, "destinations": {"warehouse": warehouse}})


class Conversation:
    """The same requests to the API; `names` are the ids of its tasks."""

    def __init__(self, client: httpx.AsyncClient, projections: ProjectionRunner) -> None:
        self._client = client
        self._projections = projections
        today = datetime.now(UTC)
        day = timedelta(days=1)
        self.names: dict[str, str] = {"today": f"{today - day:{DAY}}", "tomorrow": f"{today + day:{DAY}}"}
        self.answers: dict[str, httpx.Response] = {}

    async def hold(self) -> None:
        for step in STEPS:
            if "wait" in step:
                await self._wait(step["wait"], step["until"])
                continue
            if step.get("query", {}).get("granularity") == "day":
                await until(partial(self._has_days, step))
            answer = self.answers[step["name"]] = await self._send(step)
            if "keep" in step:
                self.names[step["keep"]] = answer.json()["task_id"]

    async def _wait(self, task: str, statuses: list[str]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                path = f"/api/v1/tasks/{self.names[task]}"
                answer = await self._client.get(path, headers={"X-Admin-Token": TOKEN})
                if answer.json()["status"] in statuses:
                    return
                await asyncio.sleep(0.05)

    async def _has_days(self, step: dict[str, Any]) -> bool:
        """Whether the daily statistics have been made of the events; Classic counts at once."""
        await self._projections.run_once()
        return bool((await self._send(step)).json()["data"])

    async def _send(self, step: dict[str, Any]) -> httpx.Response:
        query = {key: value.format(**self.names) for key, value in step["query"].items()}
        body = {"json": step["body"]} if "body" in step else {}
        path = step["path"].format(**self.names)
        return await self._client.request(step["method"], path, params=query, headers=step["headers"], **body)


def plain(text: str, names: Mapping[str, str]) -> Any:
    """A body without what differs from run to run; an empty `error` of Classic's says nothing."""
    for name, value in names.items():
        text = text.replace(value, f"<{name}>")
    text = TIME.sub("<time>", text)
    text = re.sub(r'("priority": ?)\d+', r'\1"<priority>"', text).replace(',"error":""', "")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def covers(ours: Any, theirs: Any) -> bool:
    """Whether `ours` has all of `theirs`; objects may have more."""
    match ours, theirs:
        case dict(), dict():
            return all(key in ours and covers(ours[key], value) for key, value in theirs.items())
        case list(), list():
            return len(ours) == len(theirs) and all(map(covers, ours, theirs))
    return bool(ours == theirs)


async def test_every_answer_is_classics_or_differs_for_a_reason(database_url: str, tmp_path: Path) -> None:
    config = tmp_path / "syncline.yaml"
    config.write_text(catalogue(tmp_path))
    async with running_worker(database_url, config), opened_api(database_url) as api:
        api.surroundings.catalogue = load_catalogue(config, {})
        transport = httpx.ASGITransport(app=api.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://syncline") as client:
            conversation = Conversation(client, ProjectionRunner(api.pool))
            await conversation.hold()
    wrong = []
    for name, step in EXCHANGES.items():
        answer, expected = conversation.answers[name], DIFFERENCES.get(name)
        theirs = plain(step["answer"]["body"], RECORDED["ids"])
        status, body = (step["answer"]["status"], theirs) if expected is None else (expected.status, expected.body)
        ours = plain(answer.text, conversation.names)
        if answer.status_code != status or not (body is None or covers(ours, body)):
            wrong.append(f"{name}: {answer.status_code} {ours} instead of {status} {body}")
        elif expected is not None and (answer.status_code, ours) == (step["answer"]["status"], theirs):
            wrong.append(f"{name}: no difference any more")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences_are_about_recorded_answers(name: str) -> None:
    assert name in EXCHANGES
