"""Worker processes of different pools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.acceptance.cluster import TOKEN, Cluster

if TYPE_CHECKING:
    from pathlib import Path

USUAL = {"type": "synthetic", "destinations": ["nowhere"], "collections": ["a", "b"]}
CONFIG = json.dumps(
    {
        "server": {"admin_token": TOKEN, "drain_seconds": 1},
        "sources": {"near": USUAL} | {name: USUAL | {"pool": name} for name in ("eu", "us", "asia")},
        "destinations": {"nowhere": {"type": "none"}},
    }
)


def test_the_command_line_and_the_environment_say_which_pools_a_worker_serves(
    tmp_path: Path, database_url: str
) -> None:
    with Cluster(tmp_path, CONFIG, database_url) as cluster:
        api = cluster.api()
        waiting = [api.run("near", "a"), api.run("asia", "a")]
        # The command line comes first.
        cluster.start("worker", "--pool", "eu", "--pool", "us", environment={"SYNCLINE_POOLS": "default,asia"})
        for source in ("eu", "us"):
            assert api.ended(api.run(source, "a"))["status"] == "SUCCESS"
        assert [api.task(task)["status"] for task in waiting] == ["SCHEDULED", "SCHEDULED"]
        cluster.start("worker", environment={"SYNCLINE_POOLS": "default, asia"})
        assert [api.ended(task)["status"] for task in waiting] == ["SUCCESS", "SUCCESS"]
