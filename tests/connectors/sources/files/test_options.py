"""What a collection of files may say, and what it needs installed."""

from __future__ import annotations

from typing import Any

import pytest

from app.config.check import examine_config
from app.connectors.options.addresses import protocol_of
from app.connectors.options.validation import validated
from app.connectors.sources.files.options import FilesParameters
from app.domain.errors import ConfigurationError

CATALOGUE = """
sources:
  shelf:
    type: files
    destinations: [nothing]
    collections:
      - name: a
        parameters: {parameters}
destinations:
  nothing: {{type: none}}
"""


def refusal(**given: Any) -> str:
    with pytest.raises(ConfigurationError) as refused:
        validated(FilesParameters, {"path": "a.csv"} | given, key_path="here")
    return str(refused.value)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"path": []}, "here.path"),
        ({"path": " "}, "an address must not be empty"),
        (
            {"path": "ftp://host/a.csv"},
            "unsupported address ftp://; use a local path or one of file://, http://, https://, s3://",
        ),
        ({"path": "zip://a.csv::https://host/a.zip"}, "unsupported address zip://"),
        ({"path": "https://u:hunter2@[host/a.csv"}, "a URL has no host, or no port from 1 to 65535"),
        ({"path": "https://u:hunter2@host:x/a.csv"}, "a URL has no host, or no port from 1 to 65535"),
        ({"path": "https:///a.csv"}, "a URL has no host"),
        ({"format": "xml"}, "here.format"),
        ({"compression": "xz"}, "here.compression"),
        ({"delimiter": ";;"}, "here.delimiter: must be a single character"),
        ({"delimiter": "\n"}, "must be a single character, but not a line end"),
        ({"quote": ""}, "here.quote: must be a single character"),
        ({"delimiter": '"'}, """'delimiter' ("\\"") must differ from 'quote' ("\\"") and 'escape' (none)"""),
        ({"delimiter": '"', "dialect": "postgres_csv", "header": True}, "must differ from 'quote'"),
        ({"delimiter": "\\", "dialect": "mysql", "header": True}, "must differ from 'quote' (none) and 'escape'"),
        ({"quote": ","}, "'delimiter' (\",\" or \"\\t\") must differ from 'quote'"),
        ({"quote": "\t", "path": "a.tsv"}, "must differ from 'quote'"),
        ({"comment": "//"}, "here.comment: must be a single character"),
        ({"comment": ";", "delimiter": ";"}, "'comment' must differ from 'delimiter' (\";\"), 'quote'"),
        ({"comment": ","}, "'comment' must differ from 'delimiter' (\",\" or \"\\t\"), 'quote'"),
        ({"comment": "\\", "dialect": "postgres_text", "header": True}, "'comment' must differ from 'delimiter'"),
        ({"skip_lines": -1}, "here.skip_lines"),
        ({"skip_lines": True}, "here.skip_lines"),
        ({"order": "size"}, "here.order"),
        ({"dialect": "excel"}, "here.dialect"),
        ({"dialect": "mysql"}, "'dialect: mysql' needs 'header', as most exports of a database have no header"),
        ({"format": "jsonl", "skip_lines": 1}, "'skip_lines' cannot be used with format 'jsonl'"),
        ({"encoding": "utf-9"}, "unknown text encoding 'utf-9'"),
        ({"encoding": "base64"}, "unknown text encoding 'base64'"),
        ({"header": ["a", "a"]}, "names a column twice"),
        ({"types": {"a": "money"}}, "here.types.a"),
        ({"add_columns": ["_row"]}, "here.add_columns[0]"),
        ({"empty": "ignore"}, "here.empty"),
        ({"format": "parquet", "empty": "allow"}, "'empty' cannot be used with format 'parquet'"),
        ({"format": "jsonl", "delimiter": ";"}, "'delimiter' cannot be used with format 'jsonl'"),
        (
            {"format": "parquet", "encoding": "latin-1", "header": False},
            "'encoding', 'header' cannot be used with format 'parquet'",
        ),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], complaint: str) -> None:
    said = refusal(**given)
    assert complaint in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    "given",
    [
        {"path": ["a.csv", "https://host/b.jsonl.gz?x=*"], "header": False, "quote": "none", "escape": "\\"},
        {"path": "data/**/*.tsv", "header": ["a", "b"], "encoding": "windows-1252", "nulls": ["", "NA"]},
        {"path": "export.zip", "members": "*.csv", "types": {"a": "integer"}, "add_columns": ["_file", "_line"]},
        {"path": "C:\\data.parquet", "format": "parquet", "order": "modified"},
        {"path": "a.tsv", "dialect": "mysql", "header": True, "delimiter": ",", "quote": '"', "escape": "none"},
        {"path": "a.tsv", "delimiter": "\t", "comment": ",", "quote": "\\", "escape": "\\"},
        {"path": "a.csv", "dialect": "postgres_text", "header": ["a"], "skip_lines": 2, "comment": "#"},
    ],
)
def test_what_people_write_is_understood(given: dict[str, Any]) -> None:
    assert validated(FilesParameters, given, key_path="here")


@pytest.mark.parametrize(
    ("address", "protocol"), [("a.csv", "file"), ("/a:b.csv", "file"), ("S3://b/k", "s3"), ("file:///a", "file")]
)
def test_an_address_names_its_protocol(address: str, protocol: str) -> None:
    assert protocol_of(address) == protocol


def test_a_collection_without_a_path_is_found_by_the_check(tmp_path: Any) -> None:
    catalogue = tmp_path / "syncline.yaml"
    catalogue.write_text(CATALOGUE.replace("        parameters: {parameters}\n", "").format())
    (problem,) = examine_config(catalogue, {}).problems
    assert problem.path == "sources.shelf.collections[0].parameters.path"
