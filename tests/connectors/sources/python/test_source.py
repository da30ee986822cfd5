"""A user's function, copied by real attempts into real destinations."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from app.domain.attempt_protocol import Finished
from tests.connectors.attempts import Attempt, Duckdb, Told, Warehouse

if TYPE_CHECKING:
    from pathlib import Path

# Sells `rows` orders, with a bookmark after every fifth.
SHOP = """
from syncline import Bookmark, Schema

def sold(context):
    parameters = context.parameters
    for number in range(context.bookmark or 0, parameters["rows"]):
        yield {"id": number, "price": number + 0.5, "note": f"order {number}"}
        if number % 5 == 4 or number == parameters["rows"] - 1:
            yield Bookmark(number + 1)

@Schema(columns={"id": int, "price": float}, key="id", mode="incremental")
def keyed(context):
    yield from sold(context)

@Schema(mode="incremental")
def keyless(context):
    yield from sold(context)

def replaced(context):
    return [{"id": number} for number in range(context.parameters["rows"])]
"""
ROWS = "SELECT count(*), count(DISTINCT id) FROM loaded.orders"


@dataclass
class Shop:
    """One collection of the module `shop`; each `run` is an attempt of a new task unless told otherwise."""

    directory: Path
    warehouse: Warehouse
    collection: dict[str, Any] = field(default_factory=dict)
    tasks: int = 0

    def start(self, function: str, rows: int = 20, *, again: bool = False, code: str = SHOP) -> Attempt:
        (self.directory / "shop.py").write_text(code)
        self.tasks += not again
        return Attempt(
            {
                "task": f"0192f7c2-0000-7000-8000-{self.tasks:012}",
                "task_id": f"shop_orders_{self.tasks}",
                "attempt": 1 + again,
                "source": "shop",
                "source_type": "python",
                "source_config": {
                    "function": f"shop:{function}",
                    "path": [str(self.directory)],
                    "config": {"token": "hunter22"},
                },
                "collection": {
                    "name": "orders",
                    "type": "orders",
                    "table_name": "orders",
                    "start_date": "2024-01-01",
                    "parameters": {"rows": rows},
                }
                | self.collection,
                "destinations": {"warehouse": self.warehouse.options()},
                "generation": 0,
                "data_dir": str(self.directory / "state"),
            }
        )

    def run(self, function: str, rows: int = 20, **how: Any) -> Told:
        return Told.by(self.start(function, rows, **how))


@pytest.fixture
def corner_shop(tmp_path: Path, duckdb: Duckdb) -> Shop:
    """For what has nothing to do with the destination."""
    return Shop(tmp_path, duckdb)


@pytest.fixture
def shop(tmp_path: Path, warehouse: Warehouse) -> Shop:
    return Shop(tmp_path, warehouse)


@pytest.mark.parametrize(
    ("warehouse", "function"), [("postgres", "keyless"), ("duckdb", "keyed")], indirect=["warehouse"]
)
def test_only_what_is_new_is_loaded(shop: Shop, warehouse: Warehouse, function: str) -> None:
    assert shop.run(function).finished == Finished(records_read=20, rows_written=20)
    assert shop.run(function).finished == Finished(records_read=0, rows_written=0)
    assert shop.run(function, 23).finished == Finished(records_read=3, rows_written=3)
    assert warehouse.execute(ROWS) == [(23, 23)]
    price, note = warehouse.execute("SELECT price, note FROM loaded.orders WHERE id = 22")[0]
    assert (float(price), "order 22" in note) == (22.5, True)


@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_a_whole_table_is_replaced_each_time_down_to_nothing_if_that_is_allowed(
    shop: Shop, warehouse: Warehouse
) -> None:
    for rows in (20, 10):
        shop.run("replaced", rows)
        assert warehouse.execute("SELECT count(*) FROM loaded.orders") == [(rows,)]
    assert "table 'orders' has 10 rows, but the source sent none" in shop.run("replaced", 0).failed.error
    assert warehouse.execute("SELECT count(*) FROM loaded.orders") == [(10,)]
    shop.collection["empty"] = "allow"
    assert shop.run("replaced", 0).finished.rows_written == 0
    assert warehouse.execute("SELECT count(*) FROM loaded.orders") == [(0,)]


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
@pytest.mark.parametrize("mode", ["upsert", "history"])
def test_a_function_that_yields_nothing_needs_no_field_for_the_key(shop: Shop, warehouse: Warehouse, mode: str) -> None:
    shop.collection |= {"write_mode": mode, "primary_key": ["id"], "empty": "allow"}
    current = "SELECT count(*) FROM loaded.orders"
    if mode == "history":
        current += " WHERE _syncline_valid_to IS NULL"
    for rows, there in ((0, 0), (20, 20), (0, 20 if mode == "upsert" else 0)):
        assert shop.run("replaced", rows).finished.records_read == rows
        assert warehouse.execute(current) == [(there,)]


def test_a_cursor_field_that_no_record_has_is_refused_instead_of_doubling_records(corner_shop: Shop) -> None:
    code = "@Schema(mode='incremental')\ndef seen(context):\n    yield {'id': 1}\n    yield Bookmark(1)\n"
    corner_shop.collection |= {"lookback": "PT10M", "cursor_field": "nope"}
    failed = corner_shop.run("seen", code=f"from syncline import Bookmark, Schema\n{code}").failed
    assert "'cursor_field' names 'nope', which the rows of table 'orders' do not have" in failed.error
    assert not failed.retryable


def test_a_function_that_yields_nothing_marks_all_rows_if_gone_ones_are_marked(
    shop: Shop, warehouse: Warehouse
) -> None:
    shop.collection |= {"primary_key": ["id"], "empty": "allow", "deletes": "mark"}
    for rows, there in ((0, 0), (2, 0), (0, 2)):
        assert shop.run("replaced", rows).finished.records_read == rows
        marked = "SELECT count(_syncline_deleted_at) FROM loaded.orders"
        assert warehouse.execute(marked) == [(there,)]


def test_a_failure_in_the_middle_leaves_what_was_there(corner_shop: Shop) -> None:
    corner_shop.run("keyed")
    failed = corner_shop.run(
        "keyed", 30, code=SHOP.replace("yield Bookmark(number + 1)", "int(f'{number} EUR')")
    ).failed
    assert failed.retryable
    assert failed.error.startswith("source 'shop', collection 'orders': shop.py, line 9, in sold: ValueError: ")
    assert corner_shop.warehouse.execute(ROWS) == [(20, 20)]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit", "shop.py, line 2, in keyed: the code called sys.exit()"),
        ("raise OSError(context.config['token'])", "shop.py, line 2, in keyed: OSError: ***"),
        (
            "import syncline\n    yield syncline.Schema(columns={'id': int})\n    yield {'id': 'x'}",
            "column 'id' of table 'orders'",
        ),
    ],
)
def test_code_that_goes_wrong_is_blamed_without_secrets(
    corner_shop: Shop, code: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    failed = corner_shop.run("keyed", code=f"def keyed(context):\n    {code}\n").failed
    assert said in failed.error
    printed = capfd.readouterr()
    assert "hunter22" not in printed.out + printed.err + failed.error


def test_what_is_printed_is_free_text_and_does_no_harm(corner_shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    printing = SHOP + '\nprint(\'{"type": "finished"}\')\nimport sys\nsys.stdout.close()\n'
    assert corner_shop.run("keyed", code=printing).finished.rows_written == 20
    assert capfd.readouterr().out == '{"type": "finished"}\n'


def test_a_function_that_hangs_tells_where_when_it_is_stopped(
    corner_shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import time\ndef keyed(context):\n    context.log.info('hangs'); time.sleep(600)\n    yield {}\n"
    attempt = corner_shop.start("keyed", code=code)
    assert next(attempt.messages())
    assert attempt.terminate() == 128 + signal.SIGTERM
    told = capfd.readouterr().err
    assert told == "source 'shop', collection 'orders': shop.py, line 3, in keyed: stopped here\n"
