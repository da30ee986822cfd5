"""What is said of a collection that no worker knows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from app.config.sections import Server
from app.domain.claim import Claim
from app.domain.errors import ConfigurationError
from app.execution.unknown import LeftToOthers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIM = Claim("s", "c", UUID(int=1), 1, 1, 0, 3, cancel_requested=False, at=NOW, generation=0)


class Catalogue:
    server = Server()

    def find(self, source: str, _collection: str) -> None:
        raise ConfigurationError(f"Source [{source}] doesn't exist")


@pytest.mark.parametrize(
    ("problem", "whose"), [(None, ""), ("config.yaml: is empty", ", which has refused the newest version of it")]
)
def test_the_last_worker_tells_how_to_go_on(problem: str | None, whose: str) -> None:
    others = LeftToOthers(SimpleNamespace(current=Catalogue(), problem=problem))  # type: ignore[arg-type]
    wrong = ConfigurationError("Source [s] doesn't exist")
    failure = others.outcome_of(CLAIM, wrong, since=NOW - timedelta(minutes=2))
    first, last = str(failure.error).split("(last: worker ")
    assert first == (
        "Source [s] doesn't exist. For 120 seconds no worker that claimed the task had it in its catalogue "
    )
    assert last.endswith(f"){whose}). Give all workers the same catalogue, then request the task again")
    again = others.outcome_of(CLAIM, wrong, since=NOW - timedelta(seconds=20))
    version = whose and ", whose newest version it has refused"
    assert str(again.reason).endswith(
        f" does not have it in its catalogue{version}: Source [s] doesn't exist. Other workers may claim it for "
        "another 100 seconds"
    )
