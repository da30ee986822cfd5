"""A user's function as a source: found, read, and blamed where it goes wrong."""

from __future__ import annotations

import datetime as dt
import sys
import textwrap
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.options.validation import validated
from app.connectors.sources.python.options import PythonOptions
from app.connectors.sources.python.source import PythonSource
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Made = Callable[..., PythonSource]

PLACE = "source 'shop', collection 'orders': "


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Made]:
    """Makes a source of the module `shop`, which has this code; its log is printed."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def make(code: str = "", /, *, config: dict[str, Any] | None = None, **collection: Any) -> PythonSource:
        code = "from syncline import Bookmark, PermanentError, Schema\n" + textwrap.dedent(code)
        (tmp_path / "shop.py").write_text(code)
        given = {"function": "shop:orders", "path": str(tmp_path)} | (config or {})
        job = SourceJob(
            source="shop",
            source_type="python",
            source_config=given,
            collection=CollectionJob(
                **{"name": "orders", "type": "orders", "table_name": "t", "start_date": "2024-01-01"} | collection
            ),
            data_dir="",
        )
        options = validated(PythonOptions, given, key_path="sources.shop.config")
        return PythonSource(options, None, job, work_dir=tmp_path, log=print)

    yield make
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in {"shop", "parts"}:
            del sys.modules[name]


declared = partial(Table, declared_by_user=True)


def items(source: PythonSource, bookmark: str | None = None) -> list[Table | Rows | Checkpoint]:
    return list(source.read(bookmark))


def failure(source: PythonSource, bookmark: str | None = None) -> SynclineError:
    with pytest.raises(SynclineError) as failed:
        items(source, bookmark)
    return failed.value


def test_the_decorator_declares_the_table(made: Made) -> None:
    source = made("""
        @Schema(columns={"id": int, "at": "timestamp"}, key="id", mode="incremental", cursor_field="at")
        def orders(context):
            yield {"id": 1, "at": "2024-01-01"}
            yield Bookmark({"page": 1})
            yield {"id": 2}
    """)
    columns = {"id": Kind.INTEGER, "at": Kind.TIMESTAMP}
    assert items(source) == [
        declared("t", columns, key=("id",), cursor_field="at"),
        Rows("t", [{"id": 1, "at": "2024-01-01"}], size=46),
        Checkpoint('{"page": 1}'),
        Rows("t", [{"id": 2}], size=18),
    ]


def test_a_schema_that_comes_first_declares_it_too(made: Made) -> None:
    source = made("""
        def orders(context):
            yield Schema(columns={"id": int}, key="id", mode="incremental")
            yield {"id": 1}
    """)
    assert items(source)[0] == declared("t", {"id": Kind.INTEGER}, key=("id",))


def test_the_catalogue_has_the_last_word(made: Made) -> None:
    code = """
        @Schema(columns={"id": int, "no": int}, key="id", mode="incremental")
        def orders(context):
            assert context.bookmark is None
            yield {"id": 1, "no": 2}
            yield Bookmark(1)
    """
    source = made(code, sync_mode="full_refresh", primary_key=["no"])
    table, _, *checkpoints = items(source, "5")
    assert table == declared("t", {"id": Kind.INTEGER, "no": Kind.INTEGER}, key=("no",), full_refresh=True)
    assert checkpoints == [Checkpoint(None)]


def test_columns_that_nobody_declares_come_with_their_first_values(made: Made) -> None:
    source = made("""
        @Schema(mode="incremental", cursor_field="id")
        def orders(context):
            yield {"id": 1, "more": None}
            yield Bookmark(1)
            yield {"id": 2, "more": 1.5}
    """)
    first, rows, _, second, more = items(source)
    assert first == declared("t", {"id": Kind.INTEGER}, cursor_field="id", inferred=frozenset({"id"}))
    columns = {"id": Kind.INTEGER, "more": Kind.FLOAT}
    assert second == declared("t", columns, cursor_field="id", inferred=frozenset(columns))
    assert [each.records for each in (rows, more) if isinstance(each, Rows)] == [
        [{"id": 1, "more": None}],
        [{"id": 2, "more": 1.5}],
    ]


def test_a_record_that_is_filled_again_and_again_counts_each_time(made: Made) -> None:
    source = made("""
        def orders(context):
            row = {}
            for row["id"] in (1.5, 2):
                yield row
    """)
    table, rows, _ = items(source)
    assert isinstance(rows, Rows)
    assert table == declared("t", {"id": Kind.NUMBER}, full_refresh=True, inferred=frozenset({"id"}))
    assert rows.records == [{"id": 1.5}, {"id": 2}]


def test_everything_anew_is_read_without_the_bookmark_of_earlier_times(made: Made) -> None:
    """The function was incremental once: what is replaced has to be whole."""
    source = made("""
        def orders(context):
            yield from [{"id": n} for n in range(context.bookmark or 0, 3)]
    """)
    table, rows, end = items(source, "2")
    assert isinstance(table, Table)
    assert isinstance(rows, Rows)
    assert (table.full_refresh, len(rows.records), end) == (True, 3, Checkpoint(None))


def test_a_whole_table_without_rows_is_still_announced(made: Made) -> None:
    source = made("def orders(context):\n    return []")
    assert items(source) == [Table("t", {}, full_refresh=True), Checkpoint(None)]


def test_a_module_without_a_name_has_a_function_for_each_collection(made: Made) -> None:
    code = "def orders(context): yield {'id': 1}\ndef lines(context): yield {'id': 2}\n"
    assert isinstance(rows := items(made(code, config={"function": "shop"}, type="lines"))[1], Rows)
    assert rows.records == [{"id": 2}]


def test_the_function_gets_its_context(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    source = made(
        """
        def orders(context):
            context.log.warning("with %s", context.config["token"])
            context.config.clear()
            yield {"all": [context.source, context.collection, context.parameters, context.start_date]}
        """,
        config={"config": {"token": "hunter22"}},
        parameters={"size": 2},
    )
    for _ in range(2):
        assert isinstance(rows := items(source)[1], Rows)
        assert rows.records == [{"all": ["shop", "orders", {"size": 2}, "2024-01-01"]}]
    assert capsys.readouterr().out == "warn with ***\n" * 2


def test_many_records_come_in_pieces(made: Made) -> None:
    source = made("def orders(context):\n    yield from ({'id': n, 'text': 'x' * 4000} for n in range(2000))")
    pieces = [each for each in items(source) if isinstance(each, Rows)]
    assert sum(len(piece.records) for piece in pieces) == 2000
    assert max(piece.size for piece in pieces) < 2 << 20
    assert max(len(piece.records) for piece in pieces) < 300


@pytest.mark.parametrize(
    ("code", "complaint", "permanent"),
    [
        (
            "def orders(context):\n  yield {}\n  raise KeyError('id')",
            "shop.py, line 4, in orders: KeyError: 'id'",
            False,
        ),
        ("def orders(context):\n  raise PermanentError('no')\n  yield", "shop.py, line 3, in orders: no", True),
        (
            "def orders(context):\n  import sys\n  sys.exit(3)",
            "shop.py, line 4, in orders: the code called sys.exit(3)",
            False,
        ),
        ("def orders(context):\n  import json\n  json.loads('')", "shop.py, line 4, in orders: JSONDecodeError", False),
        (
            "def orders(context):\n  yield 3",
            "shop.py, line 3, in orders: the function yielded a value of type int; yield records",
            True,
        ),
        ("def orders(context):\n  yield None", "shop.py, line 3, in orders: the function yielded None", True),
        (
            "def part():\n  yield 3\ndef orders(c):\n  yield from part()",
            "shop.py, line 3, in part: the function yielded a value of",
            True,
        ),
        ("def orders(context):\n  yield {1: 2}", "line 3, in orders: a record has the field 1", True),
        (
            "def orders(context):\n  yield {'a': [b'']}",
            "line 3, in orders: field 'a' cannot be loaded: it is",
            True,
        ),
        (
            "def orders(context):\n  yield {'\\ud800': 1}",
            r"in orders: field '\ud800' cannot be loaded: it is a string with a lone surrogate",
            True,
        ),
        (
            "def orders(context):\n  yield {}\n  yield Schema()",
            "line 4, in orders: the function yielded a Schema after",
            True,
        ),
        ("def orders(context):\n  yield Schema(mode='x')", "line 3, in orders: ValueError: unknown mode 'x'", False),
        ("def orders(context):\n  yield Bookmark(1)", "line 3, in orders: the function yielded a Bookmark, but", True),
        (
            "@Schema(mode='incremental')\ndef orders(c):\n  yield Bookmark({1})",
            "line 4, in orders: a Bookmark cann",
            True,
        ),
        ("@Schema(key='a')\ndef orders(c):\n  yield {'a': None}", "line 4, in orders: a record has no value for", True),
        ("def orders(context): pass", "the function returned None; it must yield records", True),
        ("def orders(context): return 'text'", "the function returned a value of type str", True),
        ("def orders(): yield {}", "orders() takes 0 positional arguments but 1 was given", False),
        ("async def orders(context): yield {}", "shop:orders is asynchronous", True),
        ("orders = 3", "shop:orders is of type int, not a function", True),
        ("def other(context): yield {}", "has no function 'orders'; choose one of other", True),
        ("import nowhere", "shop.py, line 2, in <module>: importing 'shop' failed: ModuleNotFoundError: No modu", True),
        ("def orders(context)\n  pass", "shop.py, line 2: importing 'shop' failed: SyntaxError", True),
        (
            "raise SystemExit('enough')",
            "line 2, in <module>: importing 'shop' failed: the code called sys.exit('enough')",
            True,
        ),
        (
            "@Schema(columns={'a': set})\ndef orders(c): ...",
            "line 2, in <module>: importing 'shop' failed: Value",
            True,
        ),
    ],
)
def test_bad_code_fails_with_its_place(made: Made, code: str, complaint: str, permanent: bool) -> None:  # noqa: FBT001
    failed = failure(made(code))
    assert str(failed).startswith(PLACE)
    assert complaint in str(failed)
    assert isinstance(failed, ConfigurationError) == permanent


def test_a_check_finds_what_is_wrong_and_calls_nothing(made: Made) -> None:
    made("def orders(context): raise OSError").check()
    with pytest.raises(ConfigurationError, match="has no function 'lines'; choose one of orders"):
        made("def orders(context): raise OSError", config={"function": "shop:lines"}).check()


def test_records_after_the_last_bookmark_that_would_come_twice_are_refused(made: Made) -> None:
    code = "@Schema(mode='incremental')\ndef orders(context):\n  yield {'a': 1}\n  yield Bookmark(1)\n  yield {'a': 2}"
    assert "1 records come after the last Bookmark" in str(failure(made(code)))
    for told in ({"primary_key": ["a"]}, {"cursor_field": "a"}):
        assert isinstance(items(made(code, **told))[-1], Rows)


def test_the_function_gets_the_lookback_and_needs_a_key_or_a_cursor_for_it(made: Made) -> None:
    code = "@Schema(mode='incremental')\ndef orders(context):\n  yield {'a': context.lookback.total_seconds()}"
    lookback = dt.timedelta(minutes=10)
    refused = str(failure(made(code, lookback=lookback)))
    assert "'lookback' reads records again, and without a key or a cursor_field they would be loaded twice" in refused
    for told in ({"primary_key": ["a"]}, {"cursor_field": "a"}, {"sync_mode": "full_refresh"}):
        rows = items(made(code, lookback=lookback, **told))[1]
        assert isinstance(rows, Rows)
        assert rows.records == [{"a": 600.0}]


def test_missing_modules_and_directories_are_named(made: Made, tmp_path: Path) -> None:
    missing = str(failure(made(config={"function": "shop.parts:orders"})))
    assert f"config.function: there is no module 'shop.parts' in {tmp_path}" in missing
    missing = str(failure(made(config={"path": [str(tmp_path / "none")]})))
    assert f"config.path[0]: the directory '{tmp_path / 'none'}' does not exist" in missing


def test_a_secret_is_masked_and_a_message_is_cut(made: Made) -> None:
    code = "def orders(context):\n  raise OSError(context.config['password'] + '\\n' + 'x' * 9000)"
    said = str(failure(made(code, config={"config": {"password": "hunter22"}})))
    assert "OSError: *** xxx" in said
    assert "\n" not in said
    assert len(said) < 2500


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "config.function: is missing"),
        ({"function": "shop:"}, "is not an import path"),
        ({"function": "shop/orders.py"}, "is not an import path"),
        ({"function": "app.secret:orders"}, "the package 'app' is Syncline's own"),
        ({"function": "shop", "pth": "."}, "config.pth"),
        ({"function": "shop", "path": 3}, "config.path"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validated(PythonOptions, given, key_path="sources.shop.config")
    assert complaint in str(refused.value)
