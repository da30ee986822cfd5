"""What the system has to do meanwhile: some 200 collections with schedules, and callers who ask for more."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import httpx
import yaml

from tests.acceptance.cluster import TOKEN
from tests.history.record import ShownLine

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from random import Random

    from tests.history.record import Key

LEASE_SECONDS: Final = 3
TAP: Final = Path(__file__).parents[1] / "acceptance" / "tap.py"
TAP_RECORDS: Final = 1_000_000
TAPS: Final = ("orders", "users")
# Without a key no row replaces another: what two attempts load is there twice. They take some seconds, and as they log
# nothing meanwhile, no refused line stops them.
KEYLESS: Final = "events"
# A tap that has told all that it knows after a few seconds.
FINITE: Final = "countries"
FINITE_RECORDS: Final = 1_000
# A tap as users install it, and the table that it reads.
PACKAGE: Final = "meltanolabs-tap-postgres==0.10.0"
PACKAGED: Final = "weather"
# Attempts that a fault ends count as failed: with so many, a task fails only by a fault of ours.
_MANY: Final = 100
_PAUSE_SECONDS: Final = 0.1
_PATIENCE_SECONDS: Final = 5.0

ASKED: Final = [f"asked_{number:02}" for number in range(30)]
LONG: Final = [f"long_{number:02}" for number in range(10)]
FLAKY: Final = [f"flaky_{number:02}" for number in range(5)]
MOVING: Final = [f"moving_{number:02}" for number in range(5)]
# Clients pause these, for longer than a claim may wait.
PAUSED: Final = [f"paused_{number:02}" for number in range(5)]
CRON: Final = [f"cron_{number:02}" for number in range(5)]


def catalogue(data: Path, *, version: int = 0, packaged: bool = False, light: bool = False) -> str:
    """The configuration, with the packaged tap or without; *light*, with a third of the collections that are many.

    Every version gives other schedules to the moving collections, and leaves some of them out. The sources stand last,
    so that the beginning of the text is a configuration of fewer collections.
    """
    document = {
        "server": {
            "admin_token": TOKEN,
            "drain_seconds": 1,
            "sources_reload_sec": 0.5,
            "unknown_source_patience": "10s",
            "sync_tasks": {"pool": {"size": 24}, "stalled": {"last_heartbeat_threshold_seconds": LEASE_SECONDS}},
        },
        "destinations": {
            "nowhere": {"type": "none"},
            "warehouse": {"type": "postgres", "url": "${env.CHAOS_DESTINATION}", "schema": "warehouse"},
            "file": {"type": "duckdb", "path": str(data / "warehouse.duckdb")},
        },
        "sources": {
            "load": {"type": "synthetic", "destinations": ["nowhere"], "collections": _synthetic(version, light=light)},
            **{stream: _tap(stream, TAP_RECORDS, at_once=400) for stream in TAPS},
            KEYLESS: _tap(KEYLESS, TAP_RECORDS, at_once=1000, keyless=True, silent=True),
            FINITE: _tap(FINITE, FINITE_RECORDS, at_once=FINITE_RECORDS),
            **({PACKAGED: _packaged_tap()} if packaged else {}),
        },
    }
    return yaml.safe_dump(document, sort_keys=False)


def _synthetic(version: int, *, light: bool = False) -> list[dict[str, Any]]:
    many = 30 if light else 90
    collections = [
        *(_ticking(f"tick_{number:03}", 3 + number % 3, log_lines=3) for number in range(many)),
        *(_ticking(f"busy_{number:02}", 5, log_lines=5, seconds=2) for number in range(many // 3)),
        *(_ticking(f"all_{number:02}", 4, log_lines=1) | {"misfire": "all"} for number in range(5)),
        *(_ticking(f"skip_{number:02}", 4, log_lines=1) | {"misfire": "skip"} for number in range(5)),
        *(_ticking(f"window_{number:02}", 4, log_lines=1) | {"misfire_window": "15s"} for number in range(5)),
        *(_ticking(name, 6, log_lines=1, fail_rate=0.3) | {"max_attempts": 1} for name in FLAKY),
        *(_ticking(name, 3, log_lines=1) for name in PAUSED),
        *({"name": name, "schedule": "* * * * *", "parameters": {"log_lines": 1}} for name in CRON),
        *({"name": name, "parameters": {"log_lines": 2, "seconds": 0.2}} for name in ASKED),
        *({"name": name, "parameters": {"log_lines": 20, "seconds": 20}} for name in LONG),
        *(
            _ticking(name, 4 + (version + number) % 4, log_lines=1)
            for number, name in enumerate(MOVING)
            if (version + number) % 3
        ),
    ]
    return [{"max_attempts": _MANY} | collection for collection in collections]


def _ticking(name: str, period: int, **parameters: float) -> dict[str, Any]:
    return {"name": name, "schedule": f"@every {period}s", "parameters": {"records": 10} | parameters}


def _tap(stream: str, records: int, **config: int) -> dict[str, Any]:
    """A tap that tells 200 records a second; `config` is what else `tests/acceptance/tap.py` takes."""
    return {
        "type": "singer",
        "destinations": ["warehouse", "file"],
        "max_attempts": _MANY,
        "config": {
            "command": [sys.executable, str(TAP)],
            "config": {"stream": stream, "records": records, "seconds": records / 200} | config,
        },
        "collections": [{"name": stream, "sync_mode": "incremental", "cursor_field": "id", "schedule": "@every 5s"}],
    }


def _packaged_tap() -> dict[str, Any]:
    collection = {"name": PACKAGED, "sync_mode": "incremental", "cursor_field": "id", "schedule": "@every 8s"}
    config = {"sqlalchemy_url": "${env.CHAOS_DESTINATION}", "filter_schemas": ["public"]}
    return {
        "type": "singer",
        "destinations": ["warehouse", "file"],
        "max_attempts": _MANY,
        "config": {"package": PACKAGE, "config": config},
        "collections": [collection],
    }


def log_lines() -> dict[Key, int]:
    """How many lines each synthetic collection writes."""
    return {("load", c["name"]): int(c["parameters"]["log_lines"]) for c in _synthetic(1) + _synthetic(2)}


def unsteady() -> set[Key]:
    """The collections whose schedules a reload changes."""
    return {("load", name) for name in MOVING}


def may_fail() -> frozenset[Key]:
    """The collections that are made to fail, and those that a reload takes away while a task waits."""
    return frozenset(("load", name) for name in FLAKY + MOVING)


@dataclass
class Callers:
    """Clients of all replicas of the API: what they were promised and shown.

    `may_lack` tells whether a replica may not know a collection at the moment.
    """

    addresses: list[str]
    rng: Random
    may_lack: Callable[[], bool]
    posted: list[str] = field(default_factory=list)
    shown: set[ShownLine] = field(default_factory=set)
    unanswered: int = 0
    _wrong: list[str] = field(default_factory=list)
    _not_found: dict[UUID, str] = field(default_factory=dict)

    def wrong(self, forgotten: Container[UUID]) -> list[str]:
        """The wrong answers; that a task does not exist is right for one that a promoted standby has forgotten."""
        return [*self._wrong, *(told for task, told in self._not_found.items() if task not in forgotten)]

    async def call_on(self, clients: int = 4) -> None:
        """Until canceled."""
        async with httpx.AsyncClient(
            headers={"X-Admin-Token": TOKEN}, timeout=_PATIENCE_SECONDS, trust_env=False
        ) as client:
            await asyncio.gather(*(self._call(client) for _ in range(clients)))

    async def _call(self, client: httpx.AsyncClient) -> None:
        for number in count():
            address = f"{self.rng.choice(self.addresses)}/api/v1/tasks"
            with suppress(httpx.HTTPError, ValueError):  # a list that was cut short is no JSON
                await self._post(client, address)
                if number % 20 == 0:
                    await self._pause(client, address.removesuffix("tasks") + "sources")
                if number % 5 == 0 and self.posted:
                    await self._read_log(client, address, self.rng.choice(self.posted[-50:]))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _post(self, client: httpx.AsyncClient, address: str) -> None:
        collection = self.rng.choice(ASKED * 3 + LONG)
        asked = {"source": "load", "collection": collection, "again": self.rng.choice(["true", "false"])}
        answer = await self._answer(client, "POST", address, params=asked)
        if answer is None:
            return
        task_id: str = answer.json()["task_id"]
        self.posted.append(task_id)
        if collection in LONG and self.rng.random() < 1 / 4:
            await self._answer(client, "POST", f"{address}/{task_id}/cancel", task_id=task_id)

    async def _pause(self, client: httpx.AsyncClient, address: str) -> None:
        body: dict[str, Any] = {"source": "load", "collection": self.rng.choice(PAUSED)}
        if self.rng.random() < 1 / 3:
            await self._answer(client, "POST", f"{address}/resume", json=body)
            return
        if self.rng.random() < 1 / 2:
            body["until"] = (datetime.now(UTC) + timedelta(seconds=self.rng.randrange(5, 30))).isoformat()
        body["cancel"] = self.rng.random() < 1 / 4
        await self._answer(client, "POST", f"{address}/pause", json=body)

    async def _read_log(self, client: httpx.AsyncClient, address: str, task_id: str) -> None:
        answer = await self._answer(client, "GET", f"{address}/{task_id}/logs", task_id=task_id)
        if answer is not None:
            self.shown |= {ShownLine(UUID(task_id[-36:]), line["message"]) for line in answer.json()["logs"]}

    async def _answer(
        self, client: httpx.AsyncClient, method: str, address: str, *, task_id: str = "", **more: Any
    ) -> httpx.Response | None:
        """A good answer; None where there was none, or only the word that there cannot be one now."""
        try:
            answer = await client.request(method, address, **more)
        except httpx.HTTPError:
            self.unanswered += 1
            raise
        if answer.is_success:
            return answer
        told = f"{method} {address}: {answer.status_code} {answer.text}"
        is_unknown = answer.status_code == httpx.codes.NOT_FOUND
        if is_unknown and task_id:
            self._not_found[UUID(task_id[-36:])] = told
        elif answer.status_code != httpx.codes.SERVICE_UNAVAILABLE and not (is_unknown and self.may_lack()):
            self._wrong.append(told)
        self.unanswered += 1
        return None
