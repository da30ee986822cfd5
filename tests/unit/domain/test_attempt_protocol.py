"""What a worker tells an attempt: one of four jobs, each with what it needs and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from app.domain.attempt_protocol import AttemptJob, Backfill, Check, CopyJob, Discover, Sync
from app.domain.collection import CollectionJob
from app.domain.interval import Interval

COLLECTION = CollectionJob(name="c", type="c", table_name="t", start_date="2024-01-01")
SOURCE: dict[str, Any] = {"source": "s", "source_type": "singer", "source_config": {}, "data_dir": "d"}
COPY: dict[str, Any] = {"task": "t", "task_id": "t", "attempt": 1, "claim": 2, "destinations": {}}
YEAR = Interval(datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))

JOBS = [
    Sync(**SOURCE, **COPY, collection=COLLECTION),
    Backfill(**SOURCE, **COPY, collection=COLLECTION, interval=YEAR),
    Check(**SOURCE, collections=[COLLECTION]),
    Discover(**SOURCE, collections=[COLLECTION]),
]


@pytest.mark.parametrize("job", JOBS)
def test_a_job_arrives_as_what_it_is(job: AttemptJob) -> None:
    text = msgspec.json.encode(job)
    assert msgspec.json.decode(text, type=AttemptJob) == job
    assert msgspec.json.decode(text)["mode"] == type(job).__name__.lower()


@pytest.mark.parametrize(
    ("mode", "lacks"), [("sync", "task"), ("backfill", "interval"), ("check", "collections"), ("discover", "data_dir")]
)
def test_a_job_without_something_that_it_needs_is_refused(mode: str, lacks: str) -> None:
    (job,) = (job for job in JOBS if type(job).__name__.lower() == mode)
    told = msgspec.json.decode(msgspec.json.encode(job))
    del told[lacks]
    with pytest.raises(msgspec.ValidationError, match=f"missing required field `{lacks}`"):
        msgspec.convert(told, AttemptJob)


@pytest.mark.parametrize("more", ["interval", "destinations"])
def test_a_job_with_something_of_another_one_is_refused(more: str) -> None:
    job = JOBS[0] if more == "interval" else JOBS[2]
    told = msgspec.json.decode(msgspec.json.encode(job)) | {more: {}}
    with pytest.raises(msgspec.ValidationError, match=f"unknown field `{more}`"):
        msgspec.convert(told, AttemptJob)


def test_a_question_is_asked_for_each_of_its_collections() -> None:
    other = msgspec.structs.replace(COLLECTION, name="other")
    asked = list(Check(**SOURCE, collections=[COLLECTION, other]).each())
    assert [each.collection.name for each in asked] == ["c", "other"]
    assert not any(isinstance(each, CopyJob) for each in asked)
