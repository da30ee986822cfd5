"""The running API against its own OpenAPI document, with requests that nobody would think of."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from tests.integration.api.serving import TOKEN
from tests.properties import examples

if TYPE_CHECKING:
    from schemathesis import Case

    from tests.integration.api.serving import ServerProcess

HEADERS = {"X-Admin-Token": TOKEN}
BOUNDED = settings(
    examples(12), database=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
# What names a source, a collection or a task.
ABOUT_SOMETHING = {
    "GET /api/v1/tasks",
    "POST /api/v1/tasks",
    "GET /api/v1/tasks/{task_id}",
    "GET /api/v1/tasks/recent",
    "GET /api/v1/tasks/{task_id}/logs",
    "POST /api/v1/tasks/{task_id}/cancel",
    "POST /api/v1/sources/test",
    "POST /api/v1/sources/clear_cache",
    "POST /api/v1/sources/discover",
    "POST /api/v1/sources/backfill",
    "POST /api/v1/sources/pause",
    "POST /api/v1/sources/resume",
    "GET /api/v1/sources/bookmarks",
    "GET /api/v1/statistics/detailed",
}

# `make fuzz` looks longer, and each time elsewhere.
FUZZ_SECONDS = os.environ.get("FUZZ_SECONDS")
EFFORT = ["--max-time", FUZZ_SECONDS] if FUZZ_SECONDS else ["--max-examples", "6", "--seed", "1"]
# So that tasks are made, whose ids then lead to the other operations. No schema can say that an end is after a start,
# or that a time is in the future, or in the past.
KNOWN = """
[[operations]]
include-name = "POST /api/v1/tasks"
parameters = {source = "load", collection = "quick"}

[[operations]]
include-name = [
  "POST /api/v1/sources/backfill", "POST /api/v1/sources/pause", "POST /api/v1/sources/bookmark",
  "GET /api/v1/tasks", "GET /api/v1/tasks/{task_id}", "GET /api/v1/tasks/{task_id}/logs",
  "GET /api/v1/statistics/detailed"
]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "5xx"]

[[operations]]
include-name = "GET /api/v1/events"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "410", "5xx"]
"""
# No schema can say which places the store has, or which bookmarks a source understands.
OF_PLACES = {"GET /api/v1/events", "POST /api/v1/sources/bookmark"}


def put_known_names(case: Case[Any], known: dict[str, str]) -> bool:
    """Let the request be about what there is, as generated names never are: whether it names something."""
    places = [place for place in (case.query, case.body, case.path_parameters) if isinstance(place, dict)]
    for place in places:
        place.update({name: value for name, value in known.items() if name in place})
    return any(known.keys() & place.keys() for place in places)


@pytest.mark.hypothesis
def test_answers_about_what_there_is_are_such_as_the_document_describes(server: ServerProcess) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    known = {"source": "load", "collection": "quick", "from": "2024-01-01T00:00:00Z", "to": "2024-02-01T00:00:00Z"}
    known |= {"start": "2024-01-01T00:00:00Z", "end": "2124-01-01T00:00:00Z", "until": "2124-01-01T00:00:00Z"}
    # By hour, no more than a month can be asked for.
    known["granularity"] = "day"
    known["as_of"] = "2024-06-01T00:00:00Z"
    known["task_id"] = httpx.post(f"{server.url}/api/v1/tasks", params=known, headers=HEADERS).json()["task_id"]
    asked: set[str] = set()
    for operation in (result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)):

        @BOUNDED
        @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
        def conforms(case: Case[Any]) -> None:
            if case.operation.label not in OF_PLACES and put_known_names(case, known):
                asked.add(case.operation.label)
                case.call_and_validate(headers=HEADERS)

        conforms()
    assert asked == ABOUT_SOMETHING


@pytest.mark.hypothesis
def test_every_check_of_schemathesis_passes_in_every_phase(server: ServerProcess, tmp_path: Path) -> None:
    """Wrong values by design and by chance, missing and unknown methods, and ways from one operation to the next."""
    (tmp_path / "schemathesis.toml").write_text(KNOWN)
    ended = subprocess.run(
        [
            Path(sysconfig.get_path("scripts"), "schemathesis"),
            *("run", f"{server.url}/openapi.json", "--header", f"X-Admin-Token: {TOKEN}", "--no-color"),
            *("--checks", "all", "--mode", "all", "--phases", "examples,coverage,fuzzing,stateful"),
            *("--continue-on-failure", "--suppress-health-check", "all", "--max-response-time", "10", *EFFORT),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=None if FUZZ_SECONDS else 120,
    )
    assert ended.returncode == 0, ended.stdout[-20_000:] + ended.stderr
    assert re.search(r"Tested: +25\n", ended.stdout), ended.stdout
    assert re.search(r"API Links: +[1-9]\d* covered", ended.stdout), ended.stdout
