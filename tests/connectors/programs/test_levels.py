"""The levels that lines of programs tell, in the formats of real ones."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.programs.levels import LevelReader, told_level
from app.domain.flood import BURST_BYTES, Allowance, Bounded

if TYPE_CHECKING:
    from app.domain.attempt_protocol import Level

TOLD: Final[list[tuple[str, Level]]] = [
    # singer-python's logging.conf
    ("INFO Starting sync", "info"),
    ("WARNING Removed 1 paths during transforms:", "warn"),
    ("CRITICAL 401 Client Error: Unauthorized for url: https://api.example.com/v3/user", "error"),
    ('DEBUG https://api.example.com:443 "GET /v3/user HTTP/1.1" 200 None', "debug"),
    ('INFO METRIC: {"type": "counter", "metric": "record_count", "value": 5, "tags": {"stream": "orders"}}', "info"),
    ("ERROR", "error"),
    # PipelineWise
    (
        "time=2024-05-01 10:00:00 name=tap_snowflake level=INFO message=Getting catalog objects",
        "info",
    ),
    ("time=2024-05-01 10:00:00 name=target_postgres level=WARNING message=No schema", "warn"),
    ("name=tap level=INFO", "info"),
    ("level=ERROR message=level=INFO is what it was", "error"),
    ("2024-05-01 10:00:00,123 level=ERROR message=no", "error"),
    # Meltano's Singer SDK, and loguru
    (
        "2022-12-05 19:46:46,744 | INFO     | my_tap               | Added 'child' as child stream to 'my_stream'",
        "info",
    ),
    ("2022-12-05 19:46:46,744 | WARNING  | singer_sdk.configuration | ERROR is a word here", "warn"),
    ("2022-12-05 19:46:46,744 | CRITICAL | tap-github | gone", "error"),
    ("2024-01-01 12:00:00.123 | ERROR    | tap.client:get:17 - no answer", "error"),
    # logging.basicConfig, and what is copied from its documentation
    ("INFO:root:Syncing orders", "info"),
    ("WARNING:tap_shop.client:again in 2 s", "warn"),
    ("2024-05-01 10:00:00,123 - tap_shop - ERROR - no answer", "error"),
    ("2024-05-01 10:00:00,123 INFO tap_shop: 10 rows", "info"),
    ("2024-05-01 10:00:00,123 tap_shop INFO 10 rows", "info"),
    ("2024-05-01 10:00:00,123 [MainThread] WARNING tap_shop: slow", "warn"),
    ("tap_shop - WARNING - slow", "warn"),
    ("[2024-05-01T10:00:00.000+0000] {taskinstance.py:1157} INFO - Dependencies all met", "info"),
    ("2024-05-01 10:00:00 [info     ] 10 rows                       stream=orders", "info"),
    ("\x1b[2m2024-05-01T10:00:00Z\x1b[0m [\x1b[32m\x1b[1minfo     \x1b[0m] \x1b[1mhello\x1b[0m", "info"),
    # Java, Go, Node
    ("2024-05-01 10:00:00 INFO  i.a.i.s.p.PostgresSource(main):687 - starting source", "info"),
    ("10:00:00.123 [main] ERROR io.airbyte.Source - failed", "error"),
    ('time="2024-05-01T10:00:00Z" level=warning msg="level=error was yesterday"', "warn"),
    ("2024-05-01T10:00:00.000Z\tERROR\tsync/sync.go:12\tno answer", "error"),
    ("2024/05/01 10:00:00 INFO started", "info"),
    ("[WARN] slow", "warn"),
    ("[error] no answer", "error"),
    ("TypeError: Failed to fetch", "error"),
    ('Exception in thread "main" java.lang.IllegalStateException: no answer', "error"),
    # pip, uv, docker and warnings of Python
    ("ERROR: Could not find a version that satisfies the requirement tap-x==9", "error"),
    ("WARNING: Retrying (Retry(total=4)) after connection broken", "warn"),
    ("error: Failed to fetch: `https://packages.example.com/simple/tap-x/`", "error"),
    ("warning: `VIRTUAL_ENV` does not match", "warn"),
    ("/opt/tap/client.py:12: DeprecationWarning: datetime.utcnow() is deprecated", "warn"),
    # JSON
    ('{"level": "INFO", "message": "10 rows"}', "info"),
    ('{"event": "slow", "level": "warning", "timestamp": "2024-05-01T10:00:00Z"}', "warn"),
    ('{"levelname": "CRITICAL", "name": "tap", "message": "no"}', "error"),
    ('{"severity":"ERROR","message":"no"}', "error"),
    ('{"log.level":"debug","message":"no"}', "debug"),
    ('{"log": {"level": "error"}, "message": "no"}', "error"),
    ('{"level":50,"time":1714557600000,"pid":7,"msg":"no"}', "error"),
    ('{"type":"LOG","log":{"level":"WARN","message":"slow"}}', "warn"),
    ("requests.exceptions.ConnectionError: no answer", "error"),
]

UNTOLD: Final = [
    "",
    "10 rows",
    "no ERROR here",
    "Found ERROR in the file",
    "INFORMATION_SCHEMA has 10 tables",
    "ERROR_CODE=12",
    "error messages are collected",
    "an error: none",
    "(a footnote)",
    "the password is ***",
    "message=level=ERROR",
    'msg="it said level=error"',
    '{"rows": 10}',
    '{"level": "high"}',
    '{"level": true}',
    '{"level": {"a": 1}}',
    "{not JSON} ERROR",
    "[1, 2]",
    "Errors: 0",
]

TRACEBACK: Final = """\
INFO Starting
Traceback (most recent call last):
  File "/opt/tap.py", line 2, in <module>
    logger.error("INFO")
    ^^^^^^^^^^^^^^^^^^^^
KeyError: 'id'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/opt/tap.py", line 4, in <module>
    raise Refused
tap.Refused: 2 problems
orders
  Input should be a number
WARNING going on
a footnote
"""


@pytest.mark.parametrize(("line", "level"), TOLD)
def test_a_line_that_tells_its_level_has_it(line: str, level: Level) -> None:
    assert LevelReader().level(line) == level


@pytest.mark.parametrize("line", UNTOLD)
def test_any_other_line_is_for_debugging(line: str) -> None:
    assert told_level(line) is None
    assert LevelReader().level(line) == "debug"


def test_a_traceback_is_an_error_up_to_and_with_its_message() -> None:
    reader = LevelReader()
    levels = [(reader.level(line), line) for line in TRACEBACK.splitlines()]
    assert [line for level, line in levels if level != "error"] == [
        "INFO Starting",
        "",
        "",
        "WARNING going on",
        "a footnote",
    ]
    assert [level for level, line in levels if line in ("INFO Starting", "WARNING going on", "a footnote")] == [
        "info",
        "warn",
        "debug",
    ]


def test_an_empty_line_ends_the_message_of_an_exception() -> None:
    reader = LevelReader()
    lines = ["Traceback (most recent call last):", '  File "x"', "KeyboardInterrupt", "", "bye"]
    assert [reader.level(line) for line in lines] == ["error", "error", "error", "debug", "debug"]


def test_a_group_of_exceptions_is_an_error() -> None:
    reader = LevelReader()
    lines = [
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "/opt/tap.py", line 3, in <module>',
        "  | ExceptionGroup: two (1 sub-exception)",
        "  +-+---------------- 1 ----------------",
        "    | Traceback (most recent call last):",
        '    |   File "/opt/tap.py", line 3, in <module>',
        "    | ValueError: one",
        "    +------------------------------------",
    ]
    assert {reader.level(line) for line in lines} == {"error"}
    assert reader.level("INFO going on") == "info"


def test_what_was_dropped_of_a_flood_is_a_warning() -> None:
    bounded = Bounded(Allowance(0.0))
    bounded.feed(b"x" * (BURST_BYTES - 1) + b"\n", 0.0)
    bounded.feed(b"y\n" * 20_000, 0.0)
    report, *_ = bounded.rest().decode().splitlines()
    assert re.match(r"\[\d+ lines", report)
    assert LevelReader().level(report) == "warn"


@given(st.lists(st.text(max_size=40) | st.sampled_from([line for line, _ in TOLD]), max_size=6))
def test_every_text_has_a_level(lines: list[str]) -> None:
    reader = LevelReader()
    assert {reader.level(line) for line in lines} <= {"debug", "info", "warn", "error"}


@pytest.mark.parametrize("part", ["a=b ", "x ", "[", "2024-05-01 10:00:00 ", "a - ", "a.", '"', "level=", "a:", " "])
def test_no_line_takes_long(part: str) -> None:
    """Nothing goes back and forth over a long line: a line is read in less time than it is written."""
    began = time.process_time()
    for _ in range(20):
        told_level(part * 4000)
    assert time.process_time() - began < 1.0
