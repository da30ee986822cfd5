"""What somebody's data become in a first catalogue: names, groups of files, addresses without secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import yaml

from app.config.yaml_scalars import scalar
from app.domain.attempt_protocol import Offered
from app.domain.errors import ConfigurationError
from app.starter.folders import collections_in
from app.starter.origins import needs_password, read_origin, with_password, without_secrets_in
from app.starter.proposals import can_be_named, of_tables
from app.starter.targets import read_target
from app.starter.text import catalogue_text

if TYPE_CHECKING:
    from pathlib import Path


def groups(directory: Path, *names: str) -> dict[str, str | list[str]]:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text("")
    found, _ = collections_in(directory)
    prefix = f"{directory}/"
    paths = {each["name"]: each["parameters"]["path"] for each in found}
    return {
        name: path.removeprefix(prefix) if isinstance(path, str) else [each.removeprefix(prefix) for each in path]
        for name, path in paths.items()
    }


def test_files_whose_names_differ_only_in_numbers_are_one_collection(tmp_path: Path) -> None:
    assert groups(
        tmp_path, "orders-2024-01.csv", "orders-2024-02.csv", "users.csv.gz", "users.jsonl", ".hidden.csv"
    ) == {
        "orders": "orders-[0-9]*-[0-9]*.csv",
        "users": "users.csv.gz",
        "users_2": "users.jsonl",
    }


def test_a_pattern_never_takes_files_of_another_collection(tmp_path: Path) -> None:
    assert groups(tmp_path, "a1.csv", "a2.csv", "a2 old.csv") == {"a": ["a1.csv", "a2.csv"], "a2 old": "a2 old.csv"}


def test_directories_below_are_collections_by_format(tmp_path: Path) -> None:
    assert groups(tmp_path, "in/2024/a.parquet", "in/2025/b.parquet", "in/c.csv", "empty/x.txt") == {
        "in": "in/**/*.csv",
        "in_2": "in/**/*.parquet",
    }


def test_a_path_through_the_directory_above_is_written_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("here/data/a.csv", "other/work/b.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("")
    (tmp_path / "here" / "link").symlink_to(tmp_path / "other" / "work")
    (tmp_path / "here" / "alias").symlink_to("data")
    monkeypatch.chdir(tmp_path / "here" / "data")
    for given, name, path in (
        (".", "data", "here/data/a.csv"),
        ("../data", "data", "here/data/a.csv"),
        ("../alias", "alias", "here/alias/a.csv"),
        ("../link/../work", "work", "other/work/b.csv"),
        ("../link/../work/b.csv", "work", "other/work/b.csv"),
    ):
        origin = read_origin(given)
        [collection] = origin.collections
        assert (origin.name, collection["parameters"]["path"]) == (name, str(tmp_path.resolve() / path))


def test_names_that_no_catalogue_can_have_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "${env.HOME}.csv").write_text("")
    os.close(os.open(os.fsencode(tmp_path) + b"/\xff.csv", os.O_CREAT))
    found, skipped = collections_in(tmp_path)
    assert [each["name"] for each in found] == ["a"]
    assert skipped == (
        f"1 file in '{tmp_path}': not CSV, JSONL or Parquet by name",
        f"2 names in '{tmp_path}': a catalogue cannot have them",
    )


@pytest.mark.parametrize(
    ("url", "written", "variables"),
    [
        ("postgresql://host/shop", "postgresql://host/shop", {}),
        ("postgresql://me@host/shop", "postgresql://me@host/shop", {}),
        ("postgresql://me:a%40b@h/s", "postgresql://me:${env.SHOP_PASSWORD}@h/s", {"SHOP_PASSWORD": "a%40b"}),
        (
            "postgresql://me:abcd@h/s?password=efgh",
            "${env.SHOP_URL}",
            {"SHOP_URL": "postgresql://me:abcd@h/s?password=efgh"},
        ),
    ],
)
def test_secrets_of_a_url_become_variables(url: str, written: str, variables: dict[str, str]) -> None:
    found = without_secrets_in(url, "shop")
    assert (found.url, found.variables) == (written, variables)


def test_a_password_is_asked_for_only_where_a_user_has_none() -> None:
    assert needs_password("postgresql://me@host/shop") == "me"
    assert needs_password("postgresql://me:secret@host/shop") is None
    assert needs_password("postgresql://host/shop") is None
    assert needs_password("/srv/me@home") is None
    assert with_password("postgresql://me@host/shop", "a@b/c") == "postgresql://me:a%40b%2Fc@host/shop"


def test_what_cannot_be_read_is_refused_without_its_secrets() -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_origin("https://me:very-secret@host/x.pdf")
    assert "very-secret" not in str(refused.value)


def test_tables_keep_their_names_apart_from_what_ids_cannot_have() -> None:
    offered = [Offered("a/b", {}), Offered("a_b", {}), Offered("A_B", {}), Offered("sales.orders", {}, key=["id"])]
    assert [each.entry for each in of_tables(offered)] == [
        {"name": "a_b", "type": "a/b"},
        {"name": "a_b_2", "type": "a_b"},
        {"name": "A_B_3", "type": "A_B"},
        {"name": "sales_orders", "type": "sales.orders", "primary_key": ["id"]},
    ]
    unusable = ["all", "a*", "${env.HOME}", "a\x1b[31m", " a"]
    assert [name for name in unusable if can_be_named(Offered(name, {}))] == []


@pytest.mark.parametrize(
    "value", ["a: b", "#", "no", "it's", 'say "x"', "\x1b[31m\u202e", "ü", ["a, b", "]"], {"p": "{x}"}]
)
def test_every_value_is_one_harmless_line_that_yaml_reads_back(value: object) -> None:
    text = scalar(value)
    assert text.isprintable()
    assert yaml.safe_load(f"key: {text}") == {"key": value}


def test_a_file_with_odd_names_reads_back_as_it_was_meant() -> None:
    offered = [Offered('it\'s "odd": #1', {}, cursor_fields=["at: x", "b"])]
    text = catalogue_text("shop", "sql", {"url": "sqlite:///x"}, of_tables(offered), {"lake": {"type": "none"}})
    assert yaml.safe_load(text)["sources"]["shop"]["collections"] == [{"name": 'it\'s "odd": #1'}]
    assert "# cursor_field: 'at: x'" in text
    assert "# or: b" in text


def test_a_source_and_the_destination_never_share_a_variable() -> None:
    assert read_origin("postgresql://me:secret@host/Warehouse").variables == {"WAREHOUSE_SOURCE_PASSWORD": "secret"}
    assert read_target("postgresql://me:other@host/dw").variables == {"WAREHOUSE_PASSWORD": "other"}


def test_a_password_that_cannot_be_told_from_the_rest_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="%2F") as refused:
        read_origin("mysql+pymysql://app:ab/cdEF99@db/shop")
    assert "cdEF99" not in str(refused.value)
