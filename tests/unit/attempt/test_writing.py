from __future__ import annotations

import dataclasses
import re
from dataclasses import replace

import pytest

from app.attempt.writing import Writing
from app.connectors.contract.passes import Position, Reload
from app.connectors.contract.schema import Kind, Table
from app.domain.errors import ConfigurationError
from app.domain.writing import Deletes, SchemaPolicy, WriteMode
from tests.deploy_files import ROOT

APPEND, UPSERT, REPLACE, HISTORY = WriteMode
IGNORE, MARK, REMOVE = Deletes
FIRST, LATER, VOID = Position(), Position(bookmark="5", loaded=True), Position(loaded=True, reload=Reload.RESET)
FORGOTTEN = Position(loaded=True)
"""Loaded, but the source has left no bookmark."""


def table(*, full_refresh: bool, keyed: bool) -> Table:
    return Table("t", {"id": Kind.INTEGER}, key=("id",) if keyed else (), full_refresh=full_refresh)


def arriving(
    mode: WriteMode | None, position: Position = LATER, *, full_refresh: bool = False, keyed: bool = True
) -> Table:
    writing = Writing(mode, SchemaPolicy.DISCARD, subject="source 's', collection 'c'")
    return writing.arriving(table(full_refresh=full_refresh, keyed=keyed), position)


@pytest.mark.parametrize("position", [FIRST, LATER, FORGOTTEN])
def test_without_a_word_rows_arrive_as_the_source_reads(position: Position) -> None:
    assert arriving(None, position, full_refresh=True, keyed=True).mode is REPLACE
    assert arriving(None, position, full_refresh=True, keyed=False).mode is REPLACE
    assert arriving(None, position, full_refresh=False, keyed=True).mode is UPSERT
    lost = position is FORGOTTEN
    assert arriving(None, position, full_refresh=False, keyed=False).mode is (REPLACE if lost else APPEND)


@pytest.mark.parametrize("full_refresh", [True, False])
@pytest.mark.parametrize("position", [FIRST, LATER])
def test_a_mode_that_is_said_counts_whatever_the_source_reads(position: Position, full_refresh: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    for mode in WriteMode:
        if mode is not REPLACE or full_refresh:
            assert arriving(mode, position, full_refresh=full_refresh).mode is mode


@pytest.mark.parametrize(
    ("mode", "full_refresh", "taken", "whole"),
    [
        (APPEND, True, APPEND, True),
        (APPEND, False, REPLACE, False),
        (UPSERT, True, REPLACE, True),
        (UPSERT, False, REPLACE, False),
        (REPLACE, True, REPLACE, True),
        (HISTORY, True, HISTORY, True),
        (HISTORY, False, HISTORY, True),
    ],
)
def test_a_reload_keeps_snapshots_and_histories_and_replaces_the_rest(
    mode: WriteMode,
    full_refresh: bool,  # noqa: FBT001 -- a parameter of the test
    taken: WriteMode,
    whole: bool,  # noqa: FBT001 -- likewise
) -> None:
    made = arriving(mode, VOID, full_refresh=full_refresh)
    assert (made.mode, made.full_refresh, made.comes_at_once) == (taken, whole, True)


def test_without_a_bookmark_only_what_was_appended_is_replaced() -> None:
    assert arriving(APPEND, FORGOTTEN).mode is REPLACE
    assert arriving(APPEND, FORGOTTEN, full_refresh=True).mode is APPEND
    assert arriving(UPSERT, FORGOTTEN).mode is UPSERT
    history = arriving(HISTORY, FORGOTTEN)
    assert (history.mode, history.full_refresh) == (HISTORY, False)


@pytest.mark.parametrize("position", [FIRST, LATER, FORGOTTEN])
def test_the_collection_says_how_far_a_table_may_shrink_and_its_source_whether_it_may_be_empty(
    position: Position,
) -> None:
    writing = Writing(None, SchemaPolicy.EVOLVE, "source 's'", empty="refuse", max_shrink=80)
    told = table(full_refresh=True, keyed=False)
    arrived = [writing.arriving(replace(told, empty=empty), position) for empty in (None, "allow")]
    assert [(each.empty, each.max_shrink) for each in arrived] == [("refuse", 80), ("allow", 80)]


def test_a_reload_that_was_asked_for_may_shrink_a_table_to_nothing() -> None:
    writing = Writing(None, SchemaPolicy.EVOLVE, "source 's'", empty="refuse", max_shrink=80)
    arrived = writing.arriving(replace(table(full_refresh=True, keyed=False), empty="refuse"), VOID)
    assert (arrived.empty, arrived.max_shrink) == (None, None)


@pytest.mark.parametrize("mode", [UPSERT, HISTORY])
def test_a_reading_of_no_rows_needs_no_key(mode: WriteMode) -> None:
    writing = Writing(mode, SchemaPolicy.EVOLVE, "source 's'")
    assert writing.arriving(Table("t", {}, full_refresh=True), LATER).mode is mode


@pytest.mark.parametrize("mode", [UPSERT, HISTORY])
def test_a_mode_that_needs_a_key_is_refused_without_one(mode: WriteMode) -> None:
    complaint = f"source 's', collection 'c': write_mode '{mode}' needs a key, and the source has none for table 't'"
    with pytest.raises(ConfigurationError, match=re.escape(complaint)):
        arriving(mode, keyed=False)


@pytest.mark.parametrize("position", [FIRST, LATER, VOID])
def test_what_is_new_cannot_replace_everything(position: Position) -> None:
    with pytest.raises(ConfigurationError, match="write_mode 'replace' needs all rows each time"):
        arriving(REPLACE, position)


def test_rows_wait_for_the_end_where_a_part_of_them_would_mean_something_else() -> None:
    waiting = {(mode, whole) for mode in WriteMode for whole in (True, False) if _waits(mode, whole=whole)}
    assert waiting == {(REPLACE, True), (APPEND, True), (HISTORY, True)}


def _waits(mode: WriteMode, *, whole: bool) -> bool:
    return (mode is not REPLACE or whole) and arriving(mode, full_refresh=whole).comes_at_once


@pytest.mark.parametrize("position", [FIRST, LATER, VOID, FORGOTTEN])
def test_a_record_of_part_of_a_row_or_of_a_deleted_one_is_a_row_like_any_other_where_rows_are_added(
    position: Position,
) -> None:
    said = dataclasses.replace(table(full_refresh=False, keyed=True), partial=True, delete_marker="gone")
    for mode, is_a_row in ((APPEND, True), (UPSERT, False), (HISTORY, False)):
        taken = Writing(mode, SchemaPolicy.EVOLVE, subject="").arriving(said, position)
        assert (taken.partial, taken.delete_marker) == ((False, None) if is_a_row else (True, "gone"))


@pytest.mark.parametrize(
    ("mode", "deletes", "taken", "gone"),
    [
        (UPSERT, None, UPSERT, IGNORE),
        (UPSERT, IGNORE, UPSERT, IGNORE),
        (UPSERT, MARK, UPSERT, MARK),
        (UPSERT, REMOVE, UPSERT, REMOVE),
        (REPLACE, MARK, UPSERT, MARK),
        (None, MARK, UPSERT, MARK),
        (REPLACE, REMOVE, REPLACE, IGNORE),
        (HISTORY, MARK, HISTORY, IGNORE),
        (APPEND, REMOVE, APPEND, IGNORE),
    ],
)
def test_rows_that_a_full_refresh_does_not_bring_are_settled_only_if_the_user_says_how(
    mode: WriteMode | None, deletes: Deletes | None, taken: WriteMode, gone: Deletes
) -> None:
    writing = Writing(mode, SchemaPolicy.EVOLVE, subject="", deletes=deletes)
    arrived = writing.arriving(table(full_refresh=True, keyed=True), LATER)
    assert (arrived.mode, arrived.gone) == (taken, gone)
    assert arrived.comes_at_once or gone is IGNORE
    if mode is not REPLACE:
        assert writing.arriving(table(full_refresh=False, keyed=True), LATER).gone is IGNORE
    assert writing.arriving(table(full_refresh=True, keyed=True), VOID).mode is (REPLACE if taken is UPSERT else taken)


def test_rows_without_a_key_cannot_be_marked_as_gone() -> None:
    writing = Writing(None, SchemaPolicy.EVOLVE, subject="source 's', collection 'c'", deletes=MARK)
    with pytest.raises(
        ConfigurationError, match=r"collection 'c': 'deletes: mark' needs a key .* set 'primary_key', or"
    ):
        writing.arriving(table(full_refresh=True, keyed=False), LATER)


def test_only_a_frozen_pass_is_all_or_nothing() -> None:
    strict = {policy for policy in SchemaPolicy if Writing(None, policy, subject="").all_or_nothing}
    assert strict == {SchemaPolicy.FREEZE}


def test_the_page_shows_every_mode_and_every_policy() -> None:
    page = (ROOT / "docs" / "loading.md").read_text()
    for shown in (WriteMode, SchemaPolicy):
        cells = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
        assert set(shown) <= set(cells)


@pytest.mark.parametrize("mode", [None, *WriteMode])
@pytest.mark.parametrize(
    ("position", "full_refresh", "taken"),
    [
        (FIRST, False, APPEND),
        (LATER, False, APPEND),
        (VOID, False, REPLACE),
        (FORGOTTEN, False, REPLACE),
        (Position(reload=Reload.MISSING), False, REPLACE),
        (LATER, True, REPLACE),
    ],
)
def test_what_is_put_aside_is_written_in_its_own_way(
    mode: WriteMode | None,
    position: Position,
    full_refresh: bool,  # noqa: FBT001 -- a parameter of the test
    taken: WriteMode,
) -> None:
    writing = Writing(mode, SchemaPolicy.FREEZE, subject="c", empty="refuse", max_shrink=0.0, deletes=MARK)
    given = replace(table(full_refresh=full_refresh, keyed=False), aside=True)
    writing.check_rows(given, [{}])
    assert writing.arriving(given, position) == replace(given, mode=taken)


@pytest.mark.parametrize(
    ("mode", "described", "fields", "fine"),
    [
        (None, Table("t", {"id": Kind.INTEGER}, cursor_field="nope"), {"id"}, False),
        (APPEND, Table("t", {"id": Kind.INTEGER}, key=("id",), cursor_field="nope"), {"id"}, False),
        (None, Table("t", {"id": Kind.INTEGER}, cursor_field="at"), {"id", "at"}, True),
        (None, Table("t", {"at": Kind.DATE}, cursor_field="at"), {"id"}, True),
        (None, Table("t", {"id": Kind.INTEGER}, key=("id",), cursor_field="nope"), {"id"}, True),
        (None, Table("t", {"id": Kind.INTEGER}, full_refresh=True, cursor_field="nope"), {"id"}, True),
    ],
)
def test_appended_rows_need_the_cursor_field_by_which_they_are_recognised(
    mode: WriteMode | None,
    described: Table,
    fields: set[str],
    fine: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    writing = Writing(mode, SchemaPolicy.EVOLVE, subject="source 's', collection 'c'")
    if fine:
        writing.check_rows(described, [dict.fromkeys(fields)])
        return
    with pytest.raises(ConfigurationError) as refused:
        writing.check_rows(described, [dict.fromkeys(fields)])
    assert str(refused.value) == (
        "source 's', collection 'c': 'cursor_field' names 'nope', which the rows of table 't' do not have, so rows "
        "that are read again would be loaded twice; choose from 'id'"
    )
