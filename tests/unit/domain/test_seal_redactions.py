"""Redactions, and the events that tell of them."""

from __future__ import annotations

from uuid import UUID

import pytest

from app.domain.seal_redactions import RedactedField, list_unexplained, told_redactions

TASK = UUID("01930a6e-7c00-7000-8000-2b7d1c0f2e11")
FACT = UUID("01930a6e-7c01-7000-8000-2b7d1c0f2e11")
DATA = f'{{"task": "{TASK}", "version": 4, "fields": ["error", "note"]}}'
REDACTED = RedactedField(TASK, 4, "error", 10)


def test_an_event_tells_of_each_of_its_fields() -> None:
    told = told_redactions(FACT, 11, DATA)
    assert [each.field for each in told] == ["error", "note"]
    assert list_unexplained([REDACTED, REDACTED._replace(field="note")], told) == []


@pytest.mark.parametrize(
    "redacted",
    [REDACTED._replace(version=5), REDACTED._replace(field="who"), REDACTED._replace(task=UUID(int=TASK.int + 1))],
)
def test_it_tells_of_no_other(redacted: RedactedField) -> None:
    assert list_unexplained([redacted], told_redactions(FACT, 11, DATA)) == [redacted]


def test_it_tells_only_of_what_was_there_before() -> None:
    assert list_unexplained([REDACTED], told_redactions(FACT, 10, DATA)) == [REDACTED]
    assert list_unexplained([REDACTED], told_redactions(UUID(int=TASK.int - 1), 11, DATA)) == [REDACTED]


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"task": 1, "version": 4, "fields": ["error"]}', "[" * 100_000])
def test_data_that_syncline_does_not_write_tells_nothing(data: str) -> None:
    assert told_redactions(FACT, 11, data) == []
