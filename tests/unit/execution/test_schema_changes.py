"""What has changed between the columns that are known of a table and those that a load found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.attempt_protocol import TableDescribed
from app.domain.table_columns import ColumnChange, SchemaRevision, TableColumn
from app.execution.schema_changes import describe_changes, revise

if TYPE_CHECKING:
    from app.domain.attempt_protocol import Level


def column(
    field: str, field_type: str = "text", column_type: str = "VARCHAR", *, inferred: bool = False
) -> TableColumn:
    return TableColumn(
        field=field, field_type=field_type, column=field.lower(), column_type=column_type, inferred=inferred
    )


def found(*columns: TableColumn, whole: bool = False) -> TableDescribed:
    return TableDescribed("lake", "users", list(columns), whole=whole)


def known(*columns: TableColumn) -> SchemaRevision:
    first = revise(None, found(*columns))
    assert first is not None
    return first


def changes(before: SchemaRevision, after: TableDescribed) -> list[ColumnChange]:
    revision = revise(before, after)
    return [] if revision is None else list(revision.changes)


def line(before: SchemaRevision, after: TableDescribed) -> tuple[Level, str] | None:
    revision = revise(before, after)
    assert revision is not None
    return describe_changes(revision)


ID, EMAIL = column("id", "integer", "BIGINT"), column("email")
BEFORE = known(ID, EMAIL)


def test_the_first_load_of_a_table_has_columns_and_no_changes() -> None:
    assert SchemaRevision(destination="lake", table="users", revision=1, columns=(ID, EMAIL)) == BEFORE
    assert describe_changes(BEFORE) is None


def test_equal_columns_in_any_order_are_no_change() -> None:
    assert revise(BEFORE, found(EMAIL, ID, whole=True)) is None


def test_a_new_column_is_told() -> None:
    phone = column("phone")
    revision = revise(BEFORE, found(phone, ID, EMAIL))
    assert revision is not None
    assert (revision.revision, revision.columns) == (2, (ID, EMAIL, phone))
    assert revision.changes == (
        ColumnChange(change="added", field="phone", column="phone", to_field_type="text", to_column_type="VARCHAR"),
    )
    text = "table 'users' of destination 'lake': columns have changed: new: 'phone' (text)"
    assert describe_changes(revision) == ("info", text)


def test_a_field_that_is_no_longer_sent_is_told() -> None:
    assert changes(BEFORE, found(ID)) == [
        ColumnChange(
            change="removed", field="email", column="email", from_field_type="text", from_column_type="VARCHAR"
        )
    ]
    text = "table 'users' of destination 'lake': columns have changed: no longer sent: 'email' (text)"
    assert line(BEFORE, found(ID)) == ("warn", text)


def test_one_new_and_one_vanished_field_of_a_type_were_perhaps_renamed() -> None:
    after = found(ID, column("mail"))
    assert [(each.change, each.field, each.perhaps_renamed) for each in changes(BEFORE, after)] == [
        ("added", "mail", "email"),
        ("removed", "email", "mail"),
    ]
    told = line(BEFORE, after)
    assert told is not None
    assert told[1].endswith("; perhaps 'email' was renamed to 'mail'")


def test_fields_of_different_types_or_several_are_not_taken_for_renamed() -> None:
    for others in ([column("mail", "json")], [column("mail"), column("phone")]):
        assert {each.perhaps_renamed for each in changes(BEFORE, found(ID, *others))} == {None}


def test_a_new_type_at_the_source_is_told() -> None:
    after = found(column("id", "decimal(10,2)", "BIGINT"), EMAIL)
    [change] = changes(BEFORE, after)
    assert (change.change, change.from_field_type, change.to_field_type) == ("retyped", "integer", "decimal(10,2)")
    told = line(BEFORE, after)
    assert told is not None
    assert told[0] == "warn"
    assert told[1].endswith("columns have changed: 'id' was integer, is decimal(10,2)")


def test_a_new_type_in_the_destination_is_told() -> None:
    after = found(column("id", "integer", "HUGEINT"), EMAIL)
    [change] = changes(BEFORE, after)
    assert (change.change, change.from_column_type, change.to_column_type) == ("retyped", "BIGINT", "HUGEINT")
    told = line(BEFORE, after)
    assert told is not None
    assert told[1].endswith("'id' was BIGINT in the destination, is HUGEINT")


def test_a_field_that_gets_a_column_at_last_is_told() -> None:
    before = known(ID, TableColumn(field="email", field_type="text"))
    [change] = changes(before, found(ID, EMAIL))
    assert (change.change, change.column, change.from_column_type) == ("retyped", "email", None)


def test_many_names_are_shortened() -> None:
    told = line(BEFORE, found(ID, EMAIL, *(column(f"c{number}") for number in range(25))))
    assert told is not None
    assert told[1].endswith("'c19' (text) and 5 more")


def test_an_inferred_field_that_no_new_row_has_is_still_known() -> None:
    note = column("note", inferred=True)
    before = known(ID, note)
    assert revise(before, found(ID)) is None
    assert [each.field for each in changes(before, found(ID, whole=True))] == ["note"]


def test_a_declared_field_that_a_load_of_values_alone_does_not_show_is_still_known() -> None:
    seen = column("id", "integer", "BIGINT", inferred=True)
    assert revise(BEFORE, found(seen)) is None


def test_values_that_fit_the_known_type_are_no_change() -> None:
    before = known(column("price", "number", inferred=True), column("cost", "decimal(10,2)", inferred=True))
    for price, cost in (("integer", "decimal(5,1)"), ("number", "integer")):
        after = found(column("price", price, inferred=True), column("cost", cost, inferred=True))
        assert revise(before, after) is None


def test_values_that_need_a_wider_type_are_a_change() -> None:
    before = known(column("price", "integer", inferred=True), column("cost", "decimal(10,2)", inferred=True))
    after = found(column("price", "number", inferred=True), column("cost", "decimal(11,2)", inferred=True))
    assert [each.to_field_type for each in changes(before, after)] == ["number", "decimal(11,2)"]


def test_values_of_another_sort_are_a_change() -> None:
    before = known(column("price", "text", inferred=True))
    [change] = changes(before, found(column("price", "integer", inferred=True)))
    assert (change.from_field_type, change.to_field_type) == ("text", "integer")


def test_a_type_of_another_release_is_a_change() -> None:
    before = known(column("place", "geography", inferred=True))
    [change] = changes(before, found(column("place", "text", inferred=True)))
    assert change.from_field_type == "geography"


def test_a_field_that_is_declared_later_is_no_change_to_tell() -> None:
    revision = revise(known(column("note", inferred=True)), found(column("note")))
    assert revision is not None
    assert (revision.changes, revision.columns) == ((), (column("note"),))
    assert describe_changes(revision) is None
    assert revise(revision, found(column("note", inferred=True))) is None
