"""The columns of loaded tables: each change is one event and one row, and only the claim's owner may add it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec import structs

from app.domain.errors import LeaseLostError
from app.domain.table_columns import ColumnChange, SchemaRevision, TableColumn
from app.projections import rebuild, verify
from app.store.resets import reset_collection

if TYPE_CHECKING:
    from tests.harness import Store

EMAIL = TableColumn(field="Email", field_type="text", column="email", column_type="VARCHAR")
MAIL = TableColumn(field="mail", field_type="text", column="mail", column_type="VARCHAR")
FIRST = SchemaRevision(destination="lake", table="users", revision=1, columns=(EMAIL,))
RENAMED = structs.replace(
    FIRST,
    revision=2,
    columns=(MAIL,),
    changes=(
        ColumnChange(change="added", field="mail", column="mail", to_field_type="text", perhaps_renamed="Email"),
        ColumnChange(change="removed", field="Email", column="email", from_field_type="text", perhaps_renamed="mail"),
    ),
)


async def test_a_change_is_an_event_of_the_stream_and_a_row(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    for revision in (FIRST, RENAMED):
        await store.streams.revise_schema(worker, claim, revision)
    assert await store.types(claim.task) == ["TaskScheduled", "TaskStarted", "SchemaChanged", "SchemaChanged"]
    folded = await store.folded(claim.task)
    assert (folded.status, folded.version) == ("RUNNING", 4)
    assert await store.pool.fetchval("SELECT version FROM syncline.all_tasks") == 4
    assert await store.streams.list_schemas(claim) == [structs.replace(RENAMED, changes=())]
    assert await verify(store.pool) == []


async def test_a_revision_that_is_saved_again_is_one_event(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    for _ in range(2):
        await store.streams.revise_schema(worker, claim, FIRST)
    assert (await store.types(claim.task)).count("SchemaChanged") == 1


async def test_without_its_lease_a_worker_cannot_change_a_schema(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker(lease=timedelta(seconds=5)))
    await store.move_clock("1 minute")
    await store.pool.expire_connections()
    before = await store.everything()
    with pytest.raises(LeaseLostError):
        await store.streams.revise_schema(worker, claim, FIRST)
    assert await store.everything() == before


async def test_an_attempt_that_was_given_to_another_cannot_change_a_schema(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    before = await store.everything()
    for writer, number in ((await store.worker(), claim.number), (worker, claim.number - 1)):
        with pytest.raises(LeaseLostError):
            await store.streams.revise_schema(writer, structs.replace(claim, number=number), FIRST)
    assert await store.everything() == before


async def test_names_that_postgres_cannot_store_do_not_fail_the_task(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    odd = TableColumn(field="half \ud800", field_type="text")
    await store.streams.revise_schema(worker, claim, structs.replace(FIRST, columns=(odd,)))
    assert (await store.types(claim.task))[-1] == "SchemaChanged"


async def test_a_reset_forgets_no_columns(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    await store.streams.revise_schema(worker, claim, FIRST)
    await reset_collection(store.pool, claim.source, claim.collection)
    assert await store.streams.list_schemas(claim) == [FIRST]


async def test_the_rows_are_rebuilt_from_the_events(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    for revision in (FIRST, RENAMED):
        await store.streams.revise_schema(worker, claim, revision)
    await store.end(worker, claim)
    running = await store.claimed(worker, "other")
    await store.streams.revise_schema(worker, running, FIRST)
    rows = await _rows(store)
    await store.pool.execute(
        "UPDATE syncline.table_schemas SET columns = '[]' WHERE revision = 2;"
        "DELETE FROM syncline.table_schemas WHERE collection = 'other'"
    )
    assert {(drift.projection, drift.column) for drift in await verify(store.pool)} == {
        ("table_schemas", "columns"),
        ("table_schemas", "row"),
    }
    assert await rebuild(store.pool, "table_schemas") == len(rows) == 3
    assert await _rows(store) == rows
    assert await verify(store.pool) == []


async def test_reports_tell_the_columns_and_their_changes(store: Store) -> None:
    claim = await store.claimed(worker := await store.worker())
    await store.streams.revise_schema(worker, claim, FIRST)
    columns = (
        "SELECT destination, table_name, position, field, field_type, column_name, column_type FROM reporting.columns"
    )
    changes = "SELECT change, field, column_name, perhaps_renamed, task_id, attempt FROM reporting.schema_changes"
    assert [tuple(row) for row in await store.admin.fetch(columns)] == [
        ("lake", "users", 1, "Email", "text", "email", "VARCHAR")
    ]
    assert await store.admin.fetch(changes) == []
    await store.streams.revise_schema(worker, claim, RENAMED)
    assert [row["field"] for row in await store.admin.fetch(columns)] == ["mail"]
    assert [tuple(row) for row in await store.admin.fetch(f"{changes} ORDER BY change")] == [
        ("added", "mail", "mail", "Email", claim.task_id, 1),
        ("removed", "Email", "email", "mail", claim.task_id, 1),
    ]


async def _rows(store: Store) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await store.pool.fetch("SELECT * FROM syncline.table_schemas ORDER BY 1, 2, 3, 4, 5")]
