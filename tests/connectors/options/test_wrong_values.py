"""A wrong value of any option is one problem: at the key that was written, in a sentence without pydantic's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from app.connectors.destinations.dlt.options import DltDestinationOptions
from app.connectors.destinations.postgres.options import PostgresDestinationOptions as PostgresOptions
from app.connectors.options.complaints import complaints
from app.connectors.options.types import Options
from app.connectors.sources.airbyte.options import AirbyteOptions
from app.connectors.sources.files.options import FilesParameters
from app.connectors.sources.redis.options import RedisOptions, RedisParameters
from app.connectors.sources.rest.options import RestOptions
from app.connectors.sources.singer.options import SingerOptions
from app.domain.keys import Section
from tests.connectors.options.test_defaults import LEAST, below

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from app.connectors.options.complaints import KeyPath

VALUES: tuple[Any, ...] = (
    *(5, -1, 1.5, 10**30, True, None, "", "x", "x" * 300, "\ud800", [], {}),
    *([5], [None], ["x"], [[]], [{}], {"a": 5}, {"a": None}, {"a": []}, {"str": 1}, {"bool": {"a": 1}}),
)
PYDANTIC = (
    "Input should",
    "String should",
    "should ",
    "match pattern",
    "str]",
    "any]",
    "function-",
    "class ",
    "<",
    "ValueError",
)
MODELS = [*below(Options), *below(Section)]


def found(model: type[BaseModel], given: dict[str, Any]) -> list[tuple[KeyPath, str]]:
    try:
        model.model_validate(given)
    except ValidationError as error:
        return list(complaints(error, model, given))
    return []


def keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield str(field.validation_alias or field.alias or name)


def exists(path: KeyPath, value: Any) -> bool:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_wrong_value_is_one_problem_in_plain_words_at_its_key(model: type[BaseModel]) -> None:
    for key in keys(model):
        if key == "type" and model.__name__.endswith("DestinationOptions"):
            continue  # no user's: what is written there decides which model it is
        for value in VALUES:
            given = LEAST.get(model, {}) | {key: value}
            problems = found(model, given)
            paths = [path for path, _ in problems]
            assert len(set(paths)) == len(paths), (given, problems)
            for path, message in problems:
                assert exists(path if message != "is missing" else path[:-1], given), (given, path)
                assert not message[:1].isupper() or "OAuth" in message, (given, message)
                assert not [words for words in PYDANTIC if words in message], (given, message)
                assert len(message) < 1000, (given, message)


@pytest.mark.parametrize(
    ("model", "given", "path", "message"),
    [
        (FilesParameters, {"header": 5}, ("header",), "must be true, false or a list, not 5"),
        (FilesParameters, {"header": "yes please"}, ("header",), "must be true, false or a list, not 'yes please'"),
        (FilesParameters, {"header": {"bool": 1}}, ("header",), "must be true, false or a list, not a mapping"),
        (FilesParameters, {"header": ["a", True]}, ("header", 1), "must be a string, not true; put it in quotes"),
        (FilesParameters, {"header": []}, ("header",), "must not be empty"),
        (FilesParameters, {"nulls": "-"}, ("nulls",), "must be a list, not a string"),
        (FilesParameters, {"path": 5}, ("path",), "must be a string or a list, not 5"),
        (FilesParameters, {"encoding": None}, ("encoding",), "must be a string, not empty"),
        (FilesParameters, {"format": "XML"}, ("format",), "unknown value 'XML'; choose one of csv, jsonl, parquet"),
        (FilesParameters, {"format": ["csv"]}, ("format",), "must be one of csv, jsonl, parquet, not a list"),
        (SingerOptions, {"state": 5}, ("state",), "must be a mapping or a string, not 5"),
        (SingerOptions, {"command": {}}, ("command",), "must be a list or a string, not a mapping"),
        (RestOptions, {"resources": ["a", 5]}, ("resources", 1), "must be a string or a mapping, not 5"),
        (RedisOptions, {"port": 0}, ("port",), "must be at least 1, not 0"),
        (
            RedisOptions,
            {"database": "7" * 99 + "x"},
            ("database",),
            "must be an integer, not a string of 100 characters",
        ),
        (RedisOptions, {"host": True}, ("host",), "must be a string, not true; put it in quotes"),
        (RedisParameters, {"rediskey": "a"}, ("rediskey",), "unknown key; did you mean 'redis_key'?"),
        (PostgresOptions, {"schema": "x" * 64}, ("schema",), "must have at most 63 characters, not 64"),
        (AirbyteOptions, {"selected_streams": [5]}, ("selected_streams", 0), "must be a name or a mapping, not 5"),
        (
            AirbyteOptions,
            {"network": "a b"},
            ("network",),
            "'a b' is not valid; write the name of a Docker network, such as bridge",
        ),
    ],
)
def test_each_kind_of_mistake_has_its_sentence(
    model: type[BaseModel], given: dict[str, Any], path: KeyPath, message: str
) -> None:
    # A required key that is misspelled is not missing as well.
    least = {} if model is RedisParameters else LEAST.get(model, {})
    assert found(model, least | given) == [(path, message)]


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"credentials": ["hunter22"]}, ("credentials",), "must be a string or a mapping"),
        ({"staging": "hunter22"}, ("staging",), "must be a mapping (key: value), not a string"),
        (
            {"staging": "key:hunter22"},
            ("staging",),
            "must be a mapping (key: value), not a string; write a space after the colon of each key",
        ),
    ],
)
def test_what_may_be_a_secret_is_not_shown(given: dict[str, Any], path: KeyPath, message: str) -> None:
    least = LEAST[DltDestinationOptions]
    assert found(DltDestinationOptions, least | given) == [(path, message)]
