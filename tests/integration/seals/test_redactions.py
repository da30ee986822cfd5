"""What was redacted is gone everywhere, and the week still has its seal; nothing else can be changed this way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.domain.catalogue_parts import Kind, Part, PartKey, Parts
from app.domain.cause import Actor, Cause
from app.domain.errors import ConfigurationError
from app.domain.task import Status
from app.projections import verify as verify_projections
from app.store.catalogue_parts import CatalogueParts
from app.store.database import connect
from app.store.pauses import Pauses
from app.store.redactions import LogLine, Redactions
from app.store.seals import list_seals
from tests.harness import until
from tests.integration.retention.lives import KEEP
from tests.integration.seals.weeks import SEALED_AFTER, WEEK, findings, live_weeks, tamper, wrong

if TYPE_CHECKING:
    from uuid import UUID

    from app.store.redactions import Redaction
    from tests.integration.retention.lives import Era

CAUSE = Cause(Actor("command", "ops"), "a customer's address")
SECRET = "it did not work"
VERSION = 4
"""That of the event which ended a task of a week, with the error."""


async def redact(era: Era, given: UUID | str, version: int = VERSION, *fields: str) -> Redaction:
    return await Redactions(era.admin).redact(str(given), version, fields or ("error",), CAUSE)


async def test_a_redacted_week_has_the_seal_that_it_had(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    before = await list_seals(era.pool)
    done = await redact(era, task)
    assert done[:4] == ("TaskFailed", "shop", "users", False)
    assert await list_seals(era.pool) == before
    assert await wrong(era) == []
    assert f"{before[0].week}: ok: 12 events of 3 streams, seal 1; 1 field redacted" in await findings(era)


async def test_the_value_is_gone_from_every_table(era: Era) -> None:
    weeks = await live_weeks(era)
    for _, task, _ in weeks:
        await redact(era, f"shop_users_{task}")
    assert await verify_projections(era.pool) == []
    tables = await era.admin.fetch(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname IN ('syncline', 'reporting') AND c.relkind IN ('r', 'v')"
    )
    for (table,) in tables:
        assert SECRET not in str(await era.admin.fetch(f"SELECT t::text FROM {table} t")), table
    errors = await era.admin.fetch("SELECT error FROM syncline.tasks WHERE status = 'FAILED'")
    assert [row["error"] for row in errors] == ["[redacted]"] * 2
    assert await era.admin.fetchval("SELECT error FROM syncline.collections WHERE collection = 'users'") == "[redacted]"
    await era.is_sound()


async def test_only_the_last_error_of_a_task_is_that_of_its_row(era: Era) -> None:
    claim = await era.claimed("orders")
    assert await era.service.end(claim, status=Status.SCHEDULED) == []
    await redact(era, claim.task, 3)
    [row] = await era.admin.fetch("SELECT error, version FROM syncline.collections WHERE task = $1", claim.task)
    assert tuple(row) == ("[redacted]", 3)
    await era.go(WEEK)
    [again] = await era.service.claim()
    assert await era.service.end(again, status=Status.FAILED) == []
    [also] = [claim] if again.task == claim.task else []
    assert await era.admin.fetchval("SELECT error FROM syncline.tasks WHERE task = $1", also.task) == SECRET
    await redact(era, claim.task, 5)
    assert await era.admin.fetchval("SELECT error FROM syncline.tasks WHERE task = $1", claim.task) == "[redacted]"
    await era.is_sound()


async def test_an_event_tells_who_has_redacted_what_and_why(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    await redact(era, task)
    [row] = await era.admin.fetch(
        "SELECT version, status, attempt, data::text FROM syncline.events WHERE type = 'EventRedacted'"
    )
    assert tuple(row)[:3] == (1, None, 0)
    for part in (f'"task": "{task}"', '"version": 4', '"fields": ["error"]', '"name": "ops"', '"collection": "users"'):
        assert part in row["data"]
    assert SECRET not in row["data"]
    await era.go(WEEK + SEALED_AFTER)
    assert len(await era.seal()) == 1
    assert await wrong(era) == []


@pytest.mark.parametrize(
    "change",
    [
        """data = '{"error": "it worked"}'""",
        """data = data || '{"more": 1}'""",
        "at = at + '1 us'",
        "status = 'SUCCESS'",
        """data = '{"error": null}'""",
        "data = '{}'",
    ],
)
async def test_a_redacted_event_that_is_changed_is_found(era: Era, change: str) -> None:
    (_, task, _), _ = await live_weeks(era)
    await redact(era, task)
    await tamper(era, f"UPDATE syncline.events SET {change} WHERE task = $1 AND version = $2", task, VERSION)
    [found] = await wrong(era)
    assert f"task {task} (shop/users): its events were changed" in found


async def test_a_digest_that_is_changed_or_lost_is_found(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    await redact(era, task)
    await tamper(era, "UPDATE syncline.redactions SET digest = sha256('x')")
    assert "its events were changed" in (await wrong(era))[0]
    await tamper(era, "DELETE FROM syncline.redactions")
    assert "its events were changed" in (await wrong(era))[0]


async def test_the_kind_of_who_is_sealed_although_the_name_is_not(era: Era) -> None:
    task = await era.service.schedule("orders")
    who = """UPDATE syncline.events SET data = data || $2::jsonb WHERE task = $1 AND version = 1"""
    await tamper(era, who, task, '{"who": {"kind": "proxy", "name": "Ann"}}')
    await era.service.queue.cancel(task)
    await era.go(WEEK + SEALED_AFTER)
    await era.seal()
    await redact(era, task, 1, "who")
    assert await wrong(era) == []
    assert await era.admin.fetchval("SELECT syncline.is_as_sealed(1)")
    for value in ('{"kind": "token", "name": "[redacted]"}', '{"kind": "proxy", "name": "[redacted]", "was": "Bob"}'):
        await tamper(era, who, task, f'{{"who": {value}}}')
        [found] = await wrong(era)
        assert found.endswith(f"task {task} (shop/orders): its events were changed")
        assert not await era.admin.fetchval("SELECT syncline.is_as_sealed(1)")


async def test_a_redacted_text_is_nothing_but_that(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    await redact(era, task)
    change = """UPDATE syncline.events SET data = data || $2::jsonb WHERE task = $1 AND version = 4"""
    await tamper(era, change, task, '{"error": {"name": "[redacted]", "text": "nothing to see"}}')
    [found] = await wrong(era)
    assert "its events were changed" in found
    assert not await era.admin.fetchval("SELECT syncline.is_as_sealed(1)")


@pytest.mark.parametrize(
    "change",
    [
        "fact = (left(syncline.uuid7_floor('1990-01-03')::text, 24) || '000000000001')::uuid",
        "redacted_at = redacted_at - interval '1 hour'",
        "redacted_at = redacted_at + interval '1 hour'",
    ],
)
async def test_an_event_that_cannot_be_of_the_redaction_does_not_tell_of_it(era: Era, change: str) -> None:
    """Also after retention has removed events: it keeps those that tell of redactions."""
    *_, (_, task, _) = await live_weeks(era)
    await redact(era, task)
    await era.go(KEEP)
    assert await era.retire()
    assert await wrong(era) == []
    await tamper(era, f"UPDATE syncline.redactions SET {change}")
    assert await wrong(era) == [f"task {task}, event 4: WRONG: 'error' was redacted, and no event says who did it"]


async def test_an_event_that_is_older_than_the_redacted_one_does_not_tell_of_it(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    await redact(era, task)
    await tamper(era, "UPDATE syncline.events SET xid = '7' WHERE type = 'EventRedacted'")
    assert await wrong(era) == [f"task {task}, event 4: WRONG: 'error' was redacted, and no event says who did it"]


async def test_what_was_wrong_with_a_source_can_be_redacted(era: Era) -> None:
    problem = {"path": "config.url", "message": "unknown value 'Bob'"}
    parts = Parts("1", "k", {PartKey(Kind.REJECTED, "shop"): Part("1", {problem["path"]: problem["message"]})})
    assert [fact.type for fact in await CatalogueParts(era.pool).record(parts)] == ["SourceRejected"]
    fact = await era.admin.fetchval("SELECT task FROM syncline.events WHERE type = 'SourceRejected'")
    await era.go(SEALED_AFTER)
    assert len(await era.seal()) == 1
    done = await redact(era, fact, 1, "problems")
    assert done[:3] == ("SourceRejected", "shop", None)
    data = await era.admin.fetchval("SELECT data::text FROM syncline.events WHERE task = $1", fact)
    assert data == '{"source": "shop", "problems": "[redacted]"}'
    assert await era.admin.fetchval("SELECT keys::text FROM syncline.catalogue_parts") == "{}"
    assert await CatalogueParts(era.pool).record(parts) == []
    assert await wrong(era) == []
    assert await era.admin.fetchval("SELECT syncline.is_as_sealed(1)")


async def test_a_redaction_that_no_event_tells_of_is_found(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    await redact(era, task)
    await tamper(era, "DELETE FROM syncline.events WHERE type = 'EventRedacted'")
    assert await wrong(era) == [f"task {task}, event 4: WRONG: 'error' was redacted, and no event says who did it"]


@pytest.mark.parametrize(
    ("version", "field", "why"),
    [
        (1, "source", "'source' cannot be redacted: Syncline works with its value"),
        (3, "bookmark", "'bookmark' cannot be redacted"),
        (4, "note", "TaskFailed has no field 'note' here; it has error"),
        (9, "error", "with an event 9; 'syncline events --json' shows"),
    ],
)
async def test_what_cannot_be_redacted_says_why(era: Era, version: int, field: str, why: str) -> None:
    (_, task, _), _ = await live_weeks(era)
    with pytest.raises(ConfigurationError, match=why):
        await redact(era, task, version, field)
    assert await era.admin.fetch("SELECT FROM syncline.redactions") == []


async def test_a_wrong_id_and_a_second_time_are_refused(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    with pytest.raises(ConfigurationError, match=f"no task shop_orders_{task} with an event 4"):
        await redact(era, f"shop_orders_{task}")
    with pytest.raises(ConfigurationError, match="'nonsense' is not a task"):
        await redact(era, "nonsense")
    await redact(era, task)
    with pytest.raises(ConfigurationError, match="'error' is redacted already"):
        await redact(era, task)


async def test_two_who_redact_the_same_field_at_once_are_told_apart(era: Era, database_url: str) -> None:
    (_, task, _), _ = await live_weeks(era)
    await Pauses(era.pool).pause("shop", None, cause=Cause(Actor("token", "Ann"), "for Bob"))
    fact = await era.admin.fetchval("SELECT fact FROM syncline.pauses")
    for stream, version, field in ((task, VERSION, "error"), (fact, 1, "note")):
        with pytest.raises(ConfigurationError, match=f"'{field}' is redacted already"):
            await _redact_meanwhile(era, database_url, stream, (version, field), (version, field))
    assert await wrong(era) == []


async def test_two_who_redact_errors_of_one_task_at_once_leave_none_in_its_row(era: Era, database_url: str) -> None:
    claim = await era.claimed("orders")
    assert await era.service.end(claim, status=Status.SCHEDULED) == []
    await era.go(WEEK)
    [again] = await era.service.claim()
    assert await era.service.end(again, status=Status.FAILED) == []
    await era.lived("orders")
    await _redact_meanwhile(era, database_url, claim.task, (5, "error"), (3, "error"))
    assert await era.admin.fetchval("SELECT error FROM syncline.tasks WHERE task = $1", claim.task) == "[redacted]"
    assert await verify_projections(era.pool) == []


async def _redact_meanwhile(era: Era, url: str, task: UUID, first: tuple[int, str], second: tuple[int, str]) -> None:
    """Redact `first`, and begin with `second` before that is committed."""
    other = await connect(url)
    try:
        async with era.admin.transaction():
            await redact(era, task, *first)
            version, field = second
            waiting = asyncio.create_task(Redactions(other).redact(str(task), version, [field], CAUSE))
            await until(lambda: _is_blocked(era, other.get_server_pid()))
        await waiting
    finally:
        await other.close()


async def _is_blocked(era: Era, pid: int) -> bool:
    return bool(await era.admin.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", pid))


async def test_a_partition_is_made_if_there_is_none_for_the_event_that_tells_of_it(era: Era) -> None:
    (_, task, _), _ = await live_weeks(era)
    await era.admin.execute("SELECT set_config('syncline.clock_offset', '70000000 seconds', false)")
    assert (await redact(era, task)).type == "TaskFailed"


async def test_who_caused_an_event_loses_the_name_only(era: Era) -> None:
    task = await era.service.schedule("orders")
    await tamper(
        era,
        "UPDATE syncline.events SET data = data || $2::jsonb WHERE task = $1",
        task,
        '{"who": {"kind": "token", "name": "Ann"}, "note": "now"}',
    )
    await era.service.queue.cancel(task)
    await era.go(WEEK + SEALED_AFTER)
    await era.seal()
    await redact(era, task, 1, "who", "note")
    data = await era.admin.fetchval("SELECT data::text FROM syncline.events WHERE task = $1 AND version = 1", task)
    assert '"who": {"kind": "token", "name": "[redacted]"}' in data
    assert '"note": "[redacted]"' in data
    assert await wrong(era) == []
    assert await verify_projections(era.pool) == []


async def test_a_pause_loses_what_its_fact_loses(era: Era) -> None:
    await Pauses(era.pool).pause("shop", None, cause=Cause(Actor("token", "Ann"), "for Bob"))
    fact = await era.admin.fetchval("SELECT fact FROM syncline.pauses")
    done = await redact(era, fact, 1, "who", "note")
    assert done[:3] == ("CollectionPaused", "shop", None)
    [row] = await era.admin.fetch("SELECT who ->> 'name', note FROM syncline.pauses")
    assert tuple(row) == ("[redacted]", "[redacted]")
    assert await verify_projections(era.pool) == []
    with pytest.raises(ConfigurationError, match="no task shop_x_"):
        await redact(era, f"shop_x_{fact}", 1, "note")


async def test_a_request_for_the_next_task_loses_what_its_event_loses(era: Era) -> None:
    claim = await era.claimed("orders")
    await era.service.schedule("orders", again=True)
    noted = '{"note": "for Bob"}'
    await tamper(era, "UPDATE syncline.events SET data = data || $1::jsonb WHERE type = 'RunAgainRequested'", noted)
    await tamper(era, "UPDATE syncline.collections SET again = again || $1::jsonb", noted)
    await redact(era, claim.task, 3, "note")
    assert await era.admin.fetchval("SELECT again ->> 'note' FROM syncline.collections") == "[redacted]"
    assert await verify_projections(era.pool) == []


async def test_the_application_cannot_redact_and_the_owner_can_do_nothing_else(era: Era, database_url: str) -> None:
    (_, task, _), _ = await live_weeks(era)
    login = await connect(database_url, settings={"role": "syncline_app"})
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await Redactions(login).redact(str(task), VERSION, ["error"], CAUSE)
    finally:
        await login.close()
    await redact(era, task)
    for change in ("data = '{}'", "data = data", "type = 'x'", """data = data || '{"error": "[redacted]", "x": 1}'"""):
        with pytest.raises(asyncpg.RestrictViolationError):
            await era.admin.execute(f"UPDATE syncline.events SET {change} WHERE task = $1 AND version = 4", task)
    with pytest.raises(asyncpg.RestrictViolationError):
        await era.admin.execute(
            'UPDATE syncline.events SET data = data || \'{"rows": "[redacted]"}\' WHERE version = 3'
        )


async def test_copies_in_the_same_task_and_in_those_before_and_after_it_are_named(era: Era) -> None:
    noted = Cause(Actor("token", "Ann"), "for Bob")
    before = await era.lived("orders")
    claim = await era.claimed("orders")
    assert await era.service.end(claim, status=Status.SCHEDULED) == []
    await era.go(WEEK)
    [again] = await era.service.claim()
    await era.service.schedule("orders", again=True, cause=noted)
    assert await era.service.end(again, status=Status.FAILED) == []
    after = await era.admin.fetchval("SELECT task FROM syncline.collections WHERE collection = 'orders'")
    await era.service.schedule("users", cause=noted)

    async def copies(task: UUID, version: int, *fields: str) -> list[tuple[object, ...]]:
        return [tuple(copy) for copy in (await redact(era, task, version, *fields)).copies]

    assert await copies(claim.task, 6, "error") == [(claim.task, 3, "AttemptFailed", "error")]
    assert await copies(claim.task, 5, "note", "who") == [
        (after, 1, "TaskScheduled", "note"),
        (after, 1, "TaskScheduled", "who"),
    ]
    noting = """UPDATE syncline.events SET data = data || '{"note": "for Bob"}' WHERE task = $1 AND version = 1"""
    await tamper(era, noting, claim.task)
    await tamper(era, noting, before)
    assert await copies(after, 1, "note") == [(claim.task, 1, "TaskScheduled", "note")]
    assert await copies(claim.task, 1, "note") == [(before, 1, "TaskScheduled", "note")]


async def test_lines_of_the_log_are_redacted_with_the_event(era: Era) -> None:
    task = await era.lived("orders", Status.FAILED, lines=3)
    system = "UPDATE syncline.log_events SET system = 'tap-shop' WHERE task = $1"
    await tamper(era, system, task)
    redactions = Redactions(era.admin)
    with pytest.raises(ConfigurationError, match=f"the log of {task} has no line 1:9 to redact"):
        await redactions.redact(str(task), 3, ["error"], CAUSE, lines=[LogLine(1, 2), LogLine(1, 9)])
    await redactions.redact(str(task), 3, ["error"], CAUSE, lines=[LogLine(1, 2)])
    rows = await era.admin.fetch("SELECT * FROM reporting.task_logs WHERE task = $1 ORDER BY line", task)
    assert [row["system"] for row in rows] == ["Syncline", *["tap-shop"] * 3, "Syncline"], (
        "what is redacted is what it wrote"
    )
    messages = [row["message"] for row in rows]
    assert messages[1:4] == ["line 0", "[redacted]", "line 2"]
    assert messages[4].endswith("FINISHED WITH ERROR: [redacted]")
    data = await era.admin.fetchval("SELECT data::text FROM syncline.events WHERE type = 'EventRedacted'")
    assert '"lines": ["1:2"]' in data
    for change in ("message = 'x'", "level = 'debug'", "system = NULL", "message = '[redacted]', line = 99"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await era.admin.execute(f"UPDATE syncline.log_events SET {change} WHERE task = $1", task)


async def test_retention_keeps_the_event_that_says_who_redacted_as_long_as_the_redacted_event(era: Era) -> None:
    (*_, (_, task, _)) = await live_weeks(era)
    await redact(era, task)
    told = "SELECT data ->> 'task' FROM syncline.events WHERE type = 'EventRedacted'"
    await era.go(2 * KEEP)
    await era.lived("orders")
    assert await era.retire()
    await era.go(WEEK + SEALED_AFTER)
    assert await era.seal()
    assert await era.admin.fetchval(told) == str(task)
    assert len(await era.admin.fetch("SELECT FROM syncline.redactions")) == 1
    assert await wrong(era) == []
    await era.lived("users", Status.FAILED, save=True)
    for _ in range(2):
        await era.go(2 * KEEP)
        await era.lived("orders")
        assert await era.retire()
    assert await era.admin.fetch("SELECT FROM syncline.redactions") == []
    assert await era.admin.fetchval(told) is None
    assert await wrong(era) == []


async def test_digests_go_with_their_events(era: Era) -> None:
    (_, gone, _), (_, stays, _) = await live_weeks(era)
    for task in (gone, stays):
        await redact(era, task)
    await era.go(KEEP + WEEK)
    await era.lived("orders")
    assert await era.retire()
    left = await era.admin.fetch("SELECT task FROM syncline.redactions")
    assert [row["task"] for row in left] == [stays]
    assert await wrong(era) == []
