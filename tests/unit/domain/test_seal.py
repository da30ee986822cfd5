"""What is hashed is fixed for ever: a seal of today is to be verified in ten years."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.seal import (
    BLOCK,
    REDACTABLE,
    REDACTED,
    Comparison,
    Seal,
    SealedEvent,
    current,
    find_broken_links,
    first_id,
    redact,
)

TASK = UUID("01930a6e-7c00-7000-8000-2b7d1c0f2e11")
EVENT = SealedEvent(
    task=TASK,
    version=3,
    type="TaskFailed",
    v=1,
    at=1_732_960_707_123_456,
    status="FAILED",
    attempt=2,
    worker=UUID("01930a6d-0000-7000-8000-000000000001"),
    xid=4711,
    line=9,
    data='{"rows": 0, "error": "größer", "seconds": 1.20}',
)
BARE = EVENT._replace(at=None, status=None, worker=None, line=None, data="{}")


def test_the_text_of_an_event_is_as_it_is_documented() -> None:
    error = sha256('"größer"'.encode()).hexdigest()
    text = (
        f"{TASK} 3 10:TaskFailed 1 1732960707123456 6:FAILED 2 01930a6d-0000-7000-8000-000000000001 4711 9"
        f' 28:{{"rows": 0, "seconds": 1.20}} error={error}'
    )
    assert EVENT.digest == sha256(text.encode()).digest()
    assert BARE.digest == sha256(f"{TASK} 3 10:TaskFailed 1 - - 2 - 4711 - 2:{{}}".encode()).digest()


def test_the_digest_of_an_event_stays_the_same_for_ever() -> None:
    assert EVENT.digest.hex() == "01a189439e4f2c7c5865ea044dad29a781c2bfddf55777ed6c5d18e7700c38ac"


@pytest.mark.parametrize(
    ("data", "after", "values"),
    [
        ('{"error": "only"}', '{"error": "[redacted]"}', {"error": '"only"'}),
        ('{"n": 1.50, "error": null}', '{"n": 1.50, "error": "[redacted]"}', {"error": "null"}),
        ('{"note": [1, 2.0], "rows": 3}', '{"note": "[redacted]", "rows": 3}', {"note": "[1, 2.0]"}),
        (
            '{"a": {"error": "nested"}, "who": {"kind": "token", "name": "Ann"}}',
            '{"a": {"error": "nested"}, "who": {"kind": "token", "name": "[redacted]"}}',
            {"who": '{"kind": "token", "name": "Ann"}'},
        ),
        (
            '{"b": "\\"error\\": ", "error": "x", "reason": "y"}',
            '{"b": "\\"error\\": ", "error": "x", "reason": "[redacted]"}',
            {"reason": '"y"'},
        ),
    ],
)
def test_a_redacted_event_has_the_digest_that_it_had(data: str, after: str, values: dict[str, str]) -> None:
    kept = {key: sha256(value.encode()).digest() for key, value in values.items()}
    digest = EVENT._replace(data=data).digest
    assert EVENT._replace(data=after, redacted=kept).digest == digest
    assert EVENT._replace(data=after).digest != digest
    assert EVENT._replace(data=after.replace("[redacted]", "[redacted] "), redacted=kept).digest != digest
    assert EVENT._replace(data=after.replace("}", ', "x": 1}'), redacted=kept).digest != digest


@pytest.mark.parametrize(
    "data",
    [
        '{"rows": 5, "error": "boom"} and more',
        '{"rows": 9, "error": "fine", "rows": 5, "error": "boom"}',
        '{"error": "fine", "rows": 5, "error": "boom"}',
        '{"rows":_5;;"error":="boom"}',
        '{"error": "boom", "rows": 5}',
        '{"rows": 5, "\\u0065rror": "boom"}',
        '{ "rows": 5, "error": "boom"}',
    ],
)
def test_data_that_postgresql_would_not_print_has_another_digest(data: str) -> None:
    digest = EVENT._replace(data='{"rows": 5, "error": "boom"}').digest
    assert EVENT._replace(data=data).digest != digest
    redacted = {"error": sha256(b'"boom"').digest()}
    assert EVENT._replace(data=data.replace('"boom"', '"[redacted]"'), redacted=redacted).digest != digest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("error", '{"name": "[redacted]", "text": "Ann did it"}'),
        ("error", '{"kind": "token", "name": "[redacted]"}'),
        ("note", '["[redacted]"]'),
        ("problems", '[{"path": "[redacted]"}]'),
        ("who", '{"kind": "token", "name": "[redacted]", "was": "Ann"}'),
        ("who", '{"kind": "proxy", "name": "[redacted]"}'),
        ("who", '{"name": "[redacted]"}'),
        ("who", '"[redacted]"'),
    ],
)
def test_a_redacted_field_has_nothing_else_than_what_redaction_leaves(field: str, value: str) -> None:
    was = '{"kind": "token", "name": "Ann"}' if field == "who" else '"Ann did it"'
    digest = EVENT._replace(data=f'{{"{field}": {was}}}').digest
    kept = {field: sha256(was.encode()).digest()}
    right = '{"kind": "token", "name": "[redacted]"}' if field == "who" else '"[redacted]"'
    assert EVENT._replace(data=f'{{"{field}": {right}}}', redacted=kept).digest == digest
    assert EVENT._replace(data=f'{{"{field}": {value}}}', redacted=kept).digest != digest


def test_the_kind_of_who_is_hashed_by_itself() -> None:
    who = '{"kind": "token", "name": "Ann"}'
    kind, whole = sha256(b'"token"').hexdigest(), sha256(who.encode()).hexdigest()
    text = f"{TASK} 3 10:TaskFailed 1 - - 2 - 4711 - 2:{{}} who.kind={kind} who={whole}"
    assert BARE._replace(data=f'{{"who": {who}}}').digest == sha256(text.encode()).digest()


def test_who_stays_readable_when_redacted() -> None:
    assert redact("who", {"kind": "token", "name": "Ann", "more": "Ann"}) == {"kind": "token", "name": REDACTED}
    assert redact("error", "text") == redact("who", None) == redact("error", {"name": "Ann"}) == REDACTED


@given(
    st.dictionaries(st.sampled_from([*REDACTABLE, "a", "errors", ""]), st.text() | st.integers() | st.lists(st.text()))
)
def test_any_change_of_the_data_changes_the_digest(fields: dict[str, object]) -> None:
    data = json.dumps(fields, ensure_ascii=False)
    for key, value in fields.items():
        other = json.dumps(fields | {key: [value]}, ensure_ascii=False)
        less = json.dumps({name: each for name, each in fields.items() if name != key}, ensure_ascii=False)
        digests = {EVENT._replace(data=text).digest for text in (data, other, less)}
        assert len(digests) == 3


@given(st.text())
def test_whatever_stands_there_can_be_hashed(data: str) -> None:
    assert len(EVENT._replace(data=data).digest) == len(EVENT._replace(data='{"error": ' + data).digest) == 32


def _chain(*weeks: date) -> list[Seal]:
    seals: list[Seal] = []
    for number, week in enumerate(weeks, 1):
        previous = seals[-1].seal if seals else sha256(b"").digest()
        at = datetime(2026, 12, 1, tzinfo=UTC)
        seal = Seal(number, week, week, 1, 1, bytes(32), (), archived=False, sealed_at=at, previous=previous, seal=b"")
        seals.append(seal._replace(seal=seal.computed))
    return seals


def test_the_text_of_a_seal_is_as_it_is_documented() -> None:
    [seal] = _chain(date(2026, 11, 23))
    previous = sha256(b"").hexdigest()
    text = f"syncline seal 1 1 2026-11-23 2026-11-23 1 1 {'00' * 32} - f 1796083200000000 {previous}"
    assert seal.seal == sha256(text.encode()).digest()
    text = text.replace(" - f ", " 3,4 t ")
    assert seal._replace(replaces=[3, 4], archived=True).computed == sha256(text.encode()).digest()


def test_a_chain_is_broken_where_it_was_changed() -> None:
    chain = _chain(date(2026, 11, 9), date(2026, 11, 16), date(2026, 11, 23))
    assert list(find_broken_links(chain)) == []
    first, second, third = chain
    assert [number for number, _ in find_broken_links([first, second._replace(events=2), third])] == [2]
    assert [number for number, _ in find_broken_links([second, third])] == [1]
    assert [number for number, _ in find_broken_links([first, third])] == [2]
    forged = second._replace(events=2)
    forged = forged._replace(seal=forged.computed)
    assert [number for number, _ in find_broken_links([first, forged, third])] == [3]


def test_what_was_replaced_does_not_count_and_nothing_is_replaced_by_an_earlier_seal() -> None:
    first, second, third = _chain(date(2026, 11, 9), date(2026, 11, 16), date(2026, 11, 23))
    assert current([first, second, third._replace(replaces=[1])]) == [second, third._replace(replaces=[1])]
    assert current([first._replace(replaces=[2]), second]) == [first._replace(replaces=[2]), second]


def test_the_root_is_over_blocks_of_streams() -> None:
    [seal] = _chain(date(2026, 11, 23))
    events = [BARE._replace(task=UUID(int=number), version=1) for number in range(BLOCK + 1)]
    hashes = [sha256(event.digest).digest() for event in events]
    blocks = [sha256(b"".join(hashes[:BLOCK])).digest(), sha256(hashes[BLOCK]).digest()]
    root = sha256(b"".join(blocks)).digest()
    named = [event.task.bytes + found[:8] for event, found in zip(events, hashes, strict=True)]
    comparison = Comparison(seal._replace(events=len(events), streams=len(events), root=root), named)
    for event in events:
        comparison.take(event)
    assert comparison.finish() == []
    assert comparison.differences == []


def test_the_first_id_of_a_day_is_that_of_the_database() -> None:
    assert first_id(date(2026, 11, 23)) == UUID("01a205b3-d000-7000-8000-000000000000")
    assert first_id(date(1970, 1, 5)) == first_id(date.min) == UUID(int=0)
