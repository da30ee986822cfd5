"""Jitsu Classic's configuration as a catalogue: the same meaning, and a comment for everything that differs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from app.config.problems import CatalogueError
from app.config.reader import load_catalogue
from app.moving.configuration import read_classic
from app.moving.text import text_of
from app.moving.translation import translate
from tests.unit.config.test_classic import CLASSIC, SECTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOTHING: Mapping[str, str] = {}


def imported(directory: Path, text: str, environment: Mapping[str, str] = NOTHING) -> str:
    """The catalogue made from a file with this text."""
    file = directory / "eventnative.yaml"
    file.write_text(text)
    classic = read_classic(str(file), environment)
    return text_of(translate(classic), classic.name)


def comments(text: str) -> list[str]:
    return [line.strip().removeprefix("# ~ ") for line in text.splitlines() if line.lstrip().startswith("# ~ ")]


def meaning(text: str, environment: Mapping[str, str] = NOTHING) -> Any:
    catalogue = load_catalogue(text, environment)
    assert catalogue.problems == []
    # Not their secrets: keys that mean nothing had some, too.
    destinations = {each.id: (each.for_attempt(), each.home) for each in catalogue.destinations.values()}
    return catalogue.server, catalogue.notifications, catalogue.sources, destinations


@pytest.mark.parametrize("environment", [{}, {"SERVER_PORT": "9000", "SERVER_ADMIN_TOKEN": "t-1234"}])
def test_it_means_the_same_in_syncline_s_own_keys(tmp_path: Path, environment: dict[str, str]) -> None:
    text = imported(tmp_path, CLASSIC, environment)
    named = CLASSIC.replace("    mode: batch\n", "    mode: batch\n    naming: classic\n")
    assert meaning(text, environment) == meaning(named, environment)
    ignored = [warning for warning in load_catalogue(text, environment).warnings if "ignored" in warning.message]
    assert ignored == []
    assert "${env.CLUSTER_ADMIN_TOKEN|env.SERVER_ADMIN_TOKEN|}" in text
    assert "t-1234" not in text


def test_the_same_configuration_gives_the_same_text(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    assert imported(tmp_path, CLASSIC) == imported(tmp_path / "elsewhere", CLASSIC)


def test_everything_that_differs_is_a_comment_at_its_place(tmp_path: Path) -> None:
    ignored = "ignored: keys of Jitsu Classic that have no effect here: "
    text = imported(tmp_path, CLASSIC)
    assert comments(text) == [
        f"{ignored}{SECTIONS}",
        "sync_tasks.stalled.observe_stalled_every_seconds: is accepted but has no effect yet",
        f"{ignored}disable_welcome_page, log, metrics, name",
        "naming: loads on into Jitsu Classic's tables; remove it for the source's names, types and keys, in new tables",
        f"{ignored}mode, only_tokens",
        f"{ignored}post_handle_destinations, project_name",
        f"collections[0]: {ignored}mode",
    ]
    lines = text.splitlines()
    assert lines[lines.index("  github:") - 1].endswith("post_handle_destinations, project_name")


def test_no_secret_is_in_a_comment(tmp_path: Path) -> None:
    written = yaml.safe_load(CLASSIC)
    written["sources"]["github"]["config"]["wrong_key"] = "hunter22"
    written["sources"]["hunter22"] = {"type": "hunter22", "destinations": ["warehouse"]}
    assert not [line for line in comments(imported(tmp_path, yaml.safe_dump(written))) if "hunter22" in line]


def test_a_schedule_runs_only_what_jitsu_classic_ran_by_it(tmp_path: Path) -> None:
    sources = {
        "a": {
            "type": "synthetic",
            "destinations": ["none"],
            "schedule": "@daily",
            "collections": ["bare", {"name": "own", "schedule": "@hourly"}, {"name": "inherits"}],
        },
        "b": {"type": "synthetic", "destinations": ["none"], "schedule": "@daily", "collections": [{"name": "c"}]},
    }
    text = imported(tmp_path, yaml.safe_dump({"sources": sources, "destinations": {"none": {}}}))
    found = load_catalogue(text, {}).sources
    assert {name: each.schedule for name, each in found["a"].collections.items()} == {
        "bare": None,
        "own": "@hourly",
        "inherits": "@daily",
    }
    assert found["b"].collections["c"].schedule == "@daily"
    (comment,) = comments(text)
    assert comment == (
        "schedule: Jitsu Classic never runs collections that are only names by the schedule of their source, so these "
        "have none: bare"
    )


def test_collections_of_a_tap_are_left_out_as_jitsu_classic_ignores_them(tmp_path: Path) -> None:
    source = {"type": "singer", "destinations": ["none"], "config": {"tap": "tap-x"}, "collections": ["whatever"]}
    text = imported(tmp_path, yaml.safe_dump({"sources": {"Shop": source}, "destinations": {"none": {}}}))
    assert [*load_catalogue(text, {}).sources["Shop"].collections] == ["all"]
    left_out, other_id = comments(text)
    assert left_out == "collections: left out, because Jitsu Classic ignores them for this type"
    assert other_id.startswith("to Jitsu Classic the id of this source was 'shop': ")


def test_what_cannot_be_used_stays_with_its_reason_unless_no_source_needs_it(tmp_path: Path) -> None:
    written = {
        "sources": {"fire": {"type": "firebase", "destinations": ["used"], "collections": ["users"]}},
        "destinations": {"used": {"type": "nosuch"}, "unused": {"type": "webhook"}},
    }
    file = tmp_path / "eventnative.yaml"
    file.write_text(yaml.safe_dump(written))
    translated = translate(read_classic(str(file), {}))
    assert translated.sections["destinations"].keys() == {"used"}
    assert translated.sections["sources"].keys() == {"fire"}
    assert translated.unusable == 2
    (left_out,) = translated.notes["destinations",]
    assert left_out.startswith(
        "'unused' is left out, as no source loads into it, and it could not be used: type: 'webhook' of Jitsu Classic "
        "is not supported: "
    )
    (why,) = translated.notes["sources", "fire"]
    assert why.startswith("cannot be used yet: type: 'firebase' of Jitsu Classic is not supported: ")
    (why,) = translated.notes["destinations", "used"]
    assert why.startswith("cannot be used yet: type: unknown destination type 'nosuch'")


def test_a_variable_that_is_missing_on_this_machine_is_told_and_leaves_nothing_out(tmp_path: Path) -> None:
    written = {
        "server": {"admin_token": "${env.TOKEN_HERE}"},
        "meta": {"storage": {"redis": {"host": "${env.REDIS_HERE}"}}},
        "sources": {"a": {"type": "synthetic", "destinations": ["w"], "collections": ["c"]}},
        "destinations": {"w": {"type": "postgres", "datasource": {"host": "${env.HOST_HERE}", "mode": "batch"}}},
    }
    file = tmp_path / "eventnative.yaml"
    file.write_text(yaml.safe_dump(written))
    classic = read_classic(str(file), {})
    assert sorted(problem.message.partition(";")[0] for problem in classic.missing) == [
        "environment variable HOST_HERE is not set",
        "environment variable TOKEN_HERE is not set",
    ]
    translated = translate(classic)
    assert translated.unusable == 1  # `mode` in `datasource` is a mistake
    text = text_of(translated, classic.name)
    assert "environment variable" not in text
    assert "host: ${env.HOST_HERE}" in text
    assert "admin_token: ${env.TOKEN_HERE}" in text


def test_sources_in_another_file_are_written_into_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "sources.json").write_text(
        '{"sources": {"prj.shop": {"type": "synthetic", "destinations": ["none"], "project_name": "p", '
        '"collections": [{"name": "c", "mode": "full"}]}}}'
    )
    text = imported(tmp_path, yaml.safe_dump({"sources": "sources.json", "destinations": {"none": {}}}))
    assert [*load_catalogue(text, {}).sources] == ["prj.shop"]
    assert comments(text) == [
        "ignored: keys of Jitsu Classic that have no effect here: project_name",
        "collections[0]: ignored: keys of Jitsu Classic that have no effect here: mode",
    ]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "1e3",
            "0o17",
            "09",
            "-.5",
            "012",
            "-",
            "~",
            ".5",
            "no",
            "null",
            "True",
            "12:30",
            "2020-06-01",
            "",
            " x ",
            "a: b",
            "a, b",
        ),
        *("[x]", "{x}", "#x", "x #y", "*a", "&a", "!t", "'", '"', "\\", "two\nlines", "tab\t", "\x7f", "\u200b"),
        *("\U0001f600\u2028", "${env.A|{}}", "%", "@x", "`", "? x", "- x", "<<"),
    ],
)
def test_every_text_is_read_as_it_was(tmp_path: Path, value: str) -> None:
    config = {"name": value, "list": [value, {"deep": [value, [value]]}], "mapping": {f"k{value}": value}, "none": None}
    source = {"type": "singer", "destinations": ["none"], "config": {"tap": "tap-x", "config": config}}
    # As JSON, because PyYAML's own text is one of YAML 1.1.
    written = json.dumps({"sources": {"a": source}, "destinations": {"none": {}}})
    text = imported(tmp_path, written)
    environment = {"A": "a"}
    expected = load_catalogue(written, environment)
    assert expected.sources["a"].config["config"]["list"][0] == (value if "$" not in value else "a}")
    assert load_catalogue(text, environment).sources["a"] == expected.sources["a"]


def test_numbers_stay_as_they_are_written(tmp_path: Path) -> None:
    text = imported(
        tmp_path,
        "destinations: {none: {}}\nsources: {a: {type: singer, destinations: none, config: {tap: tap-x, config: "
        "{account_id: 0012, rate: 1.10, big: 1e3, small: 0.00001, yes: true, whole: 7}}}}\n",
    )
    config = text[text.index("      config:") :]
    assert "account_id: 0012\n" in config
    assert "rate: 1.10\n" in config
    assert "big: 1e3\n" in config
    assert "small: 0.00001\n" in config
    assert "whole: 7\n" in config


def test_what_is_wrong_with_the_whole_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="nosuch: unknown key"):
        imported(tmp_path, "nosuch: 1\nsources: {}\n")
    with pytest.raises(CatalogueError, match="cannot be read: no such file or directory"):
        read_classic(str(tmp_path / "missing.yaml"), {})


def test_comments_have_no_secrets_of_sections_that_are_ignored(tmp_path: Path) -> None:
    text = imported(
        tmp_path,
        """\
meta: {storage: {redis: {password: hunter22-hunter22}}}
sources:
  b: {type: hunter22-hunter22, destinations: [none]}
destinations:
  none: {type: none}
""",
    )
    told = "\n".join(comments(text))
    assert "cannot be used yet: type: unknown source type '***'" in told
    assert "hunter22" not in told
