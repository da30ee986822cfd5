"""Rows against those that Jitsu Classic's own code has made of the same records.

`classic_vectors.json` is the output of a program that calls `uuid.GetKeysHash`, `uuid.GetHash`, `base.ParseProperties`
and `schema.Processor.ProcessPulledEvents` of Classic v1.44.8 as its Postgres destination does, with a source called
`quick`. Texts of values are those of Go's `fmt.Sprint`.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.connectors.contract.json_schema import columns_of, nested_of
from app.connectors.contract.schema import Kind, Table
from app.connectors.destinations.postgres.columns import TYPES
from app.connectors.values import jsontext
from app.connectors.values.classic_tables import ClassicTables
from app.connectors.values.go_text import sprint
from app.domain.writing import WriteMode

VECTORS = json.loads((Path(__file__).parent / "classic_vectors.json").read_text())


def shaped(vector: dict[str, Any]) -> tuple[Table, dict[str, Any]]:
    described = {"properties": vector["schema"]}
    key = tuple(vector["key"] or ())
    table = Table("t", columns_of(described), key, nested=nested_of(described), mode=WriteMode.UPSERT)
    classic = ClassicTables("quick")
    classic.announce(table)
    wider, rows = classic.shape("t", [jsontext.decode(vector["record"])])
    assert wider is not None
    assert isinstance(rows, list)
    return wider, rows[0]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_columns_types_and_hashes_are_those_of_classic(vector: dict[str, Any]) -> None:
    table, row = shaped(vector)
    assert {name: TYPES.new_type(kind, None) for name, kind in table.columns.items()} == vector["columns"]
    assert row["eventn_ctx_event_id"] == vector["event_id"]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_values_are_those_of_classic(vector: dict[str, Any]) -> None:
    table, row = shaped(vector)
    for name, text in vector["values"].items():
        if table.columns[name] is Kind.FLOAT:
            assert Decimal(str(row[name])) == Decimal(text), name
        elif table.columns[name] is not Kind.LOCAL_TIMESTAMP:  # Go shows those in another form
            assert sprint(row[name]) == text, name
