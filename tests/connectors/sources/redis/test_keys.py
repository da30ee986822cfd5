"""How keys become records, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.connectors.making import make_source
from app.connectors.options.validation import validated
from app.connectors.sources.redis.keys import _records, _scan_pages
from app.connectors.sources.redis.options import RedisOptions, RedisParameters
from app.domain.attempt_protocol import SourceJob
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMES = st.binary(min_size=1, max_size=3)


@given(st.lists(st.lists(NAMES, max_size=5), min_size=1, max_size=6))
def test_whatever_a_scan_returns_twice_comes_once(pages: list[list[bytes]]) -> None:
    def scan(cursor: int) -> tuple[int, Iterable[tuple[bytes, Any]]]:
        return (cursor + 1) % len(pages), [(name, cursor) for name in pages[cursor]]

    found = [name for page in _scan_pages(scan) for name, _ in page]
    assert len(found) == len(set(found))
    assert set(found) == {name for page in pages for name in page}


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: not text.startswith(("{", "["))))
def test_text_that_is_no_object_and_no_array_stays_as_it_is(text: str) -> None:
    assert [record for record, _ in _records(b"k", text.encode(), {})] == [{"redis_key": "k", "value": text}]


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "redis_key"]), st.integers())))
def test_each_object_is_a_record_under_its_own_key(objects: list[dict[str, int]]) -> None:
    records = [record for record, _ in _records(b"k", json.dumps(objects).encode(), {"redis_index": 1})]
    assert records == [each | {"redis_key": "k", "redis_index": 1} for each in objects]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "set 'url', or 'host'"),
        ({"host": ""}, "here.host"),
        ({"host": "a", "prot": 1}, "here.prot"),
        ({"host": "a", "port": 0}, "here.port"),
        ({"url": "http://user:hunter22@a"}, "not a Redis URL"),
        ({"url": "redis://:hunter22@a", "host": "b", "tls": True}, "'url' cannot be combined with 'host', 'tls'"),
    ],
)
def test_wrong_options_are_refused_and_not_shown(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        validated(RedisOptions, given, key_path="here")
    assert complaint in str(refused.value)
    assert "hunter22" not in str(refused.value)


def test_the_options_of_classic_are_understood() -> None:
    given = {"host": "a", "port": "6380", "password": "p", "tls_skip_verify": "false"}
    assert validated(RedisOptions, given, key_path="here").port == 6380
    with pytest.raises(ConfigurationError, match="redis_key: is missing"):
        validated(RedisParameters, {}, key_path="here")


def made(**collection: Any) -> None:
    job = SourceJob(
        source="cache",
        source_type="redis",
        source_config={"url": "redis://a:port"} if collection.pop("broken", None) else {"host": "a"},
        collection=CollectionJob(
            name="c", type="c", table_name="t", start_date="2024-01-01", parameters={"redis_key": "*"}, **collection
        ),
        data_dir="",
    )
    make_source(job, work_dir=Path(), log=lambda _level, _line: None).close()


def test_what_cannot_be_is_told_with_its_collection() -> None:
    with pytest.raises(ConfigurationError, match=r"^source 'cache', collection 'c': sync_mode: Redis cannot tell"):
        made(sync_mode="incremental")
    with pytest.raises(ConfigurationError, match=r"^source 'cache', collection 'c': config.url: not a Redis URL"):
        made(broken=True)
