"""The sources of the database that each release leaves in the tests: for filling it, and for going on with it later.

What is here must stay, under the same names: the dumps of earlier releases have tasks of these collections. Add what a
new release can do, with the version of the schema since which it is possible.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.acceptance.cluster import TOKEN

if TYPE_CHECKING:
    from pathlib import Path

LEASE_SECONDS: Final = 3
RETENTION_DAYS: Final = 30
RENEWED_CONFIGS: Final = "0014"
POOLS: Final = "0017"
RUN_AGAIN: Final = "0020"
POOL: Final = "eu"
# Rewrites its configuration, as programs do whose refresh tokens are valid once.
_TAP: Final = """
import json, sys
path = sys.argv[sys.argv.index("--config") + 1]
with open(path) as file:
    config = json.load(file)
with open(path, "w") as file:
    json.dump(config | {"refresh_token": "renewed"}, file)
schema = {"properties": {"id": {"type": "integer"}}}
print(json.dumps({"type": "SCHEMA", "stream": "people", "key_properties": ["id"], "schema": schema}))
print(json.dumps({"type": "RECORD", "stream": "people", "record": {"id": 1}}))
print(json.dumps({"type": "STATE", "value": {"at": 1}}))
"""


def write_catalogue(
    directory: Path, *, schema: str, troubled: bool = False, overlapping: bool = False, days: int | str = "none"
) -> Path:
    """The catalogue of a release with this version of the schema, with all that its sources read.

    With `troubled`, some collections fail or take ten minutes; otherwise every task succeeds at once. With
    `overlapping`, the schedule of one is shorter than its tasks. `days` is how long ended tasks are kept.
    """
    (directory / "orders").mkdir(exist_ok=True)
    add_orders(directory, "1.csv", "id,total", "1,9.50", "2,12.00")
    server: dict[str, Any] = {
        "admin_token": TOKEN,
        "drain_seconds": 1,
        "retention": {"days": days},
        "sync_tasks": {"pool": {"size": 4}, "stalled": {"last_heartbeat_threshold_seconds": LEASE_SECONDS}},
    }
    sources: dict[str, Any] = {
        "shop": {
            "type": "files",
            "destinations": ["warehouse", "nowhere"],
            "collections": [
                {"name": "orders", "primary_key": ["id"], "parameters": {"path": str(directory / "orders" / "*.csv")}}
            ],
        },
        "mill": {
            "type": "synthetic",
            "destinations": ["warehouse"],
            "collections": [{"name": "records", "primary_key": ["id"], "parameters": {"records": 500}}],
        },
        "load": {
            "type": "synthetic",
            "destinations": ["nowhere"],
            "collections": [*_made(troubled=troubled), *_scheduled(overlapping=overlapping)],
        },
    }
    if schema >= RENEWED_CONFIGS:
        (directory / "tap.py").write_text(_TAP)
        server["secret_key"] = "the key of a store that nobody uses"
        sources["crm"] = {
            "type": "singer",
            "destinations": ["nowhere"],
            "config": {
                "command": ["python3", str(directory / "tap.py")],
                "config": {"refresh_token": "first"},
                "catalog": {"streams": [{"tap_stream_id": "people", "stream": "people", "schema": {}}]},
            },
            "collections": ["people"],
        }
    if schema >= POOLS:
        sources["abroad"] = {
            "type": "synthetic",
            "destinations": ["nowhere"],
            "pool": POOL,
            "collections": [{"name": "records", "parameters": {"records": 3}}],
        }
    destinations = {
        "warehouse": {"type": "duckdb", "path": str(directory / "warehouse.duckdb")},
        "nowhere": {"type": "none"},
    }
    file = directory / "syncline.yaml"
    # Replaced in one step: no process reads a half.
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"server": server, "sources": sources, "destinations": destinations}))
    return unfinished.rename(file)


def add_orders(directory: Path, name: str, *lines: str) -> None:
    (directory / "orders" / name).write_text("\n".join(lines) + "\n")


def _made(*, troubled: bool) -> list[dict[str, Any]]:
    failing, minutes = ({"fail_rate": 1}, 600) if troubled else ({}, 0)
    return [
        {"name": "quick", "parameters": {"log_lines": 3}},
        {"name": "flaky", "max_attempts": 2, "parameters": failing},
        {"name": "broken", "max_attempts": 1, "parameters": failing},
        {"name": "long", "parameters": {"seconds": minutes}},
        {"name": "steady", "parameters": {"seconds": 3 if troubled else 0}},
    ]


def _scheduled(*, overlapping: bool) -> list[dict[str, Any]]:
    often = {"name": "often", "parameters": {"seconds": 3 if overlapping else 0}}
    return [
        {"name": "daily", "schedule": "@daily"},
        {"name": "nightly", "schedule": "0 3 * * *", "timezone": "Europe/Berlin", "misfire": "skip"},
        {"name": "weekly", "schedule": "0 6 * * 1", "misfire": "all", "misfire_window": "15d"},
        # Not sooner: months of its fire times would be missed.
        often | ({"schedule": "@every 2s"} if overlapping else {}),
    ]
