"""The JSON Schema of catalogues agrees with `syncline check`, which it is made for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from click.testing import CliRunner

from app.cli.main import cli
from app.config.catalogue_schema import catalogue_schema
from app.config.documents import parse_document
from app.config.problems import CatalogueError
from app.config.reader import load_catalogue
from app.connectors.kinds import DESTINATIONS, SOURCES
from tests.deploy_files import DEPLOY
from tests.unit.test_readme import ENVIRONMENT, FENCE, PAGES, path_of

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = catalogue_schema()
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)
HEAD = "destinations: {d: {type: none}}\n"
SINGER = f"{HEAD}sources: {{s: {{type: singer, destinations: d, "
SQL = f"{HEAD}sources: {{s: {{type: sql, destinations: d, config: {{url: 'sqlite:////a'}}, "


def complaints(text: str) -> list[str]:
    """What an editor would say about a catalogue."""
    value = json.loads(json.dumps(parse_document(text, "syncline.yaml").value))
    return [error.message for error in VALIDATOR.iter_errors(value)]


def has_problems(text: str) -> bool:
    try:
        return bool(load_catalogue(text, ENVIRONMENT).problems)
    except CatalogueError:  # outside of single sources and destinations
        return True


def test_it_is_a_valid_schema() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("syncline.yaml")), ids=path_of)
def test_the_catalogues_in_the_repository_are_right(path: Path) -> None:
    assert complaints(path.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=path_of)
def test_the_catalogues_in_the_documentation_are_right(page: Path) -> None:
    for language, text in FENCE.findall(page.read_text()):
        if language == "yaml":
            assert complaints(text) == [], text


RIGHT = {
    "names and mappings": SQL + "collections: [a, 1, {name: b}]}}",
    "no collections where none are needed": SQL + "}}",
    "the id as the type": f"{HEAD}sources: {{sql: {{destinations: [d], config: {{url: 'sqlite:////a'}}}}}}",
    "the id of a destination as its type": "destinations: {none: {}}",
    "keys without a value": f"server:\n{SQL}schedule: , pool: , collections: [{{name: a, columns: }}]}}}}",
    "numbers where text is wanted": SQL + "collections: [{name: 007, table_name: 1.50}]}}",
    "one name instead of a list": SQL + "collections: [{name: a, primary_key: id}]}}",
    "numbers and Booleans as text": "server: {port: '80', drain_seconds: '1.5', ui: {enabled: 'no'}}",
    "durations": SQL + "timeout: ' 1h30m', misfire_window: none, max_shrink: 5 %, lookback: 0s}}",
    "retention without end": "server: {retention: {days: none, statistics_days: 0}}",
    "placeholders": (
        "server: {port: '${env.A|8001}', retention: {days: '${env.B|1}'}, ui: {enabled: '${env.C|yes}'}}\n"
        + SQL
        + "misfire: '${env.D|skip}', timeout: '${env.E|1h}', max_shrink: '${env.F|5%}', "
        + "write_mode: '${env.G|append}', collections: '${env.H:json|[\"a\"]}'}}"
    ),
    "Classic's sections": "log.path: /tmp\ngeo: {a: 1}\nnode: {}",
    "Classic's keys": (
        "server: {name: x, log.level: info}\n"
        "destinations: {d: {type: postgres, mode: batch, datasource: {host: h, db: x, username: u, parameters: {}}}}\n"
        "sources: {s: {type: synthetic, project_name: p, destinations: [d], collections: [{name: a, mode: b}]}}"
    ),
    "a constraint as text": (f'{SINGER}config: {{package: a==1, constraints: "a==1\\nb==2"}}}}}}'),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_what_check_accepts_is_right(text: str) -> None:
    assert not has_problems(text)
    assert complaints(text) == []


def test_a_path_or_a_url_may_stand_for_the_sources() -> None:
    assert complaints(HEAD + "sources: sources.yaml") == []


WRONG = {
    "a section": "serverr: {}",
    "a key of the server": "server: {prot: 1}",
    "a key of a section in the server": "server: {ui: {enabeld: true}}",
    "a key of a source": SQL + "shedule: '@daily'}}",
    "a key of the connector": SINGER + "config: {package: a==1, chunks: 1}}}",
    "another connector's key": SINGER + "config: {package: a==1, chunk_rows: 1}}}",
    "a key of a collection": SQL + "collections: [{name: a, sync_modus: x}]}}",
    "a key of a collection's columns": SQL + "collections: [{name: a, columns: {hide: x}}]}}",
    "a parameter": SQL + "collections: [{name: a, parameters: {tabel: x}}]}}",
    "a key of a connector whose type is the id": HEAD + "sources: {sql: {destinations: d, config: {urll: x}}}",
    "a key of a destination": "destinations: {d: {type: duckdb, path: x, shema: y}}",
    "a key of Classic's datasource": "destinations: {d: {type: postgres, datasource: {host: x, dbb: y}}}",
    "a type": f"{HEAD}sources: {{s: {{type: sqll, destinations: d}}}}",
    "a destination's type": "destinations: {d: {type: postgress}}",
    "no type": f"{HEAD}sources: {{s: {{destinations: d, config: {{}}}}}}",
    "a missing key of the connector": f"{HEAD}sources: {{s: {{type: sql, destinations: d, config: {{}}}}}}",
    "no configuration": f"{HEAD}sources: {{s: {{type: sql, destinations: d}}}}",
    "no parameters": f"{HEAD}sources: {{s: {{type: redis, destinations: d, config: {{host: h}}, collections: [a]}}}}",
    "no destinations": "sources: {s: {type: synthetic, collections: [a]}}",
    "no collections": f"{HEAD}sources: {{s: {{type: synthetic, destinations: d}}}}",
    "a value": SQL + "misfire: sometimes}}",
    "a number": "server: {port: many}",
    "a number that is too large": "server: {port: 70000}",
    "a duration": SQL + "timeout: 5}}",
    "a percentage": SQL + "max_shrink: 50}}",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_check_refuses_is_wrong_in_an_editor_too(text: str) -> None:
    assert has_problems(text)
    assert complaints(text) != []


def test_an_editor_names_the_key_that_is_wrong() -> None:
    assert complaints(SQL + "collections: [{name: a, parameters: {tabel: x}}]}}") == [
        "Additional properties are not allowed ('tabel' was unexpected)"
    ]


def models() -> dict[str, dict[str, Any]]:
    used = [kind.options for kind in SOURCES.values()] + [kind.options for kind in DESTINATIONS.values()]
    used += [kind.parameters for kind in SOURCES.values() if kind.parameters]
    return {model.__name__: SCHEMA["$defs"][model.__name__] for model in used}


@pytest.mark.parametrize("model", models())
def test_every_value_may_be_a_placeholder(model: str) -> None:
    for key, schema in models()[model].get("properties", {}).items():
        if key not in ("type", "datasource", "config"):
            found = jsonschema_rs.validator_for({**schema, "$defs": SCHEMA["$defs"]})
            assert found.is_valid("${env.SOMETHING:json}"), key


def test_it_says_what_the_documentation_says_about_a_key() -> None:
    sql, collection = SCHEMA["$defs"]["SqlOptions"]["properties"], SCHEMA["$defs"]["Collection"]["properties"]
    assert sql["chunk_rows"]["description"] == "Most rows to fetch at once; fewer if rows are long (about 4 MiB)"
    assert sql["chunk_rows"]["default"] == 10_000
    assert collection["schedule"]["description"] == "When it runs; `none`: only on request"
    assert collection["timeout"]["default"] == "2d"


def test_the_command_prints_it() -> None:
    result = CliRunner().invoke(cli, ["schema"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == SCHEMA
