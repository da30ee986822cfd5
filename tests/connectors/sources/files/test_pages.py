"""Pages and error messages that stand where a file should be."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.connectors.sources.files.filing import Filing, csv_of, jsonl_of, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Duckdb


@pytest.fixture
def shelf(tmp_path: Path) -> Filing:
    return Filing(tmp_path)


PAGE = "\n<!DOCTYPE html><html><body>Log in</body></html>\n"


@pytest.mark.parametrize("validators", ["modified", "none"])
@pytest.mark.parametrize(
    "answer",
    [
        ("a.csv", PAGE, "text/html; charset=utf-8", "a page of HTML or XML"),
        ("a.jsonl", PAGE, "application/octet-stream", "a page of HTML or XML"),
        ("a.csv", "Please log in\n", "text/html", "labelled as a page of HTML"),
        ("a.csv", '<?xml version="1.0"?><Error/>', "application/xml", "a page of HTML or XML"),
        ("a.csv", '{"error": "expired link"}', "application/json", "the message 'error'"),
        ("a.jsonl", '{"error": "expired link", "code": 7}\n', "application/json", "the message 'error'"),
    ],
)
def test_a_page_or_an_error_where_rows_should_be_does_not_replace_the_table(
    shelf: Filing, duckdb: Duckdb, validators: str, answer: tuple[str, str, str, str]
) -> None:
    name, content, content_type, what = answer
    shelf.destinations["warehouse"] = duckdb.options()
    shelf.write(name, csv_of(range(3)) if name == "a.csv" else jsonl_of(range(3)))
    with serving(shelf.inbox) as server:
        server.validators = validators
        shelf.parameters["path"] = f"{server.url}/{name}?token=hunter2"
        shelf.collection["sync_mode"] = "full_refresh"
        assert shelf.run().finished.rows_written == 3
        server.content_type = content_type
        os.utime(shelf.write(name, content), (2_000_000_000, 2_000_000_000))
        failed = shelf.run().failed
    assert f"{server.url}/{name}?token=*** came as 200 {content_type} and is {what}" in failed.error
    assert duckdb.execute("SELECT count(*) FROM loaded.made") == [(3,)]


def test_a_local_page_is_no_csv_and_a_label_does_not_matter_if_the_format_is_set(shelf: Filing) -> None:
    shelf.write("a.csv", PAGE)
    assert "a.csv is a page of HTML or XML, not csv" in str(shelf.failure())
    shelf.write("a.csv", csv_of(range(3)))
    with serving(shelf.inbox) as server:
        server.content_type = "text/html"
        assert len(shelf.read(path=f"{server.url}/a.csv", format="csv")[0]) == 3
    shelf.write("a.csv", "error\n{1}\n")
    assert shelf.read()[0] == [{"error": "{1}"}]
    (shelf.inbox / "a.csv").unlink()
    shelf.write("b.jsonl", '{"error": "told by a local program"}\n')
    assert len(shelf.read()[0]) == 1
