"""What a catalogue says, its defaults applied."""

from __future__ import annotations

import datetime as dt
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.config.catalogue import build_catalogue
from app.config.documents import parse_document
from app.config.problems import CatalogueError
from app.config.reader import load_catalogue
from app.config.texts import Texts
from app.domain.columns import ColumnRules
from app.domain.errors import UnknownCollectionError, UnknownSourceError
from app.domain.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.catalogue import Catalogue
    from app.config.sources import Source

DESTINATIONS = "\ndestinations: {nowhere: {type: none}}\n"
SECRET_KEY = "what-openssl-prints-for-32-bytes="


def one_source(keys: str, environment: Mapping[str, str] | None = None) -> Source:
    catalogue = load_catalogue(f"sources: {{s: {{destinations: [nowhere], {keys}}}}}{DESTINATIONS}", environment or {})
    assert catalogue.problems == []
    return catalogue.sources["s"]


def test_the_contract_s_example_loads() -> None:
    catalogue = load_catalogue(
        """
        sources:
          load:
            type: synthetic
            destinations: [nowhere]
            collections:
              - {name: quick}
              - {name: slow, parameters: {records: 1000, log_lines: 50, seconds: 5, fail_rate: 0.1}}
        destinations:
          nowhere: {type: none}
        """,
        {},
    )
    assert catalogue.problems == []
    assert catalogue.warnings == ()
    assert list(catalogue.sources["load"].collections) == ["quick", "slow"]
    assert catalogue.destinations["nowhere"].for_attempt() == {"type": "none"}
    assert catalogue.server.port == 8001
    assert catalogue.server.sync_tasks.pool.size == 16
    assert catalogue.server.sync_tasks.stalled.last_heartbeat_threshold_seconds == 60


def test_a_number_may_be_the_text_that_a_placeholder_makes_of_it() -> None:
    environment = {"PORT": "9000", "SECONDS": "1.5", "DAYS": "none"}
    text = "{port: '${env.PORT}', drain_seconds: '${env.SECONDS}', retention: {days: '${env.DAYS}'}}"
    server = load_catalogue(f"server: {text}", environment).server
    assert (server.port, server.drain_seconds, server.retention.days) == (9000, 1.5, 0)


def test_a_collection_has_all_defaults() -> None:
    quick = one_source("type: synthetic, collections: [quick]").collections["quick"]
    assert (quick.name, quick.type, quick.table_name) == ("quick", "quick", "s_quick")
    assert (quick.schedule, quick.timezone, quick.misfire, quick.misfire_window) == (None, "UTC", "latest", None)
    assert (quick.timeout, quick.max_attempts) == (dt.timedelta(hours=48), 3)
    job = quick.for_attempt(dt.datetime(2026, 3, 10, tzinfo=dt.UTC))
    assert job.start_date == "2025-03-10"
    assert (job.sync_mode, job.cursor_field, job.primary_key, job.parameters) == (None, None, None, {})


def test_a_collection_inherits_from_its_source_and_may_differ() -> None:
    source = one_source(
        "type: synthetic, schedule: '@daily', timezone: Europe/Berlin, misfire: all, misfire_window: 1h, timeout: 90m,"
        "max_attempts: 5, collections: [a, {name: b, schedule: '*/5 * * * *', timezone: UTC, misfire: skip,"
        "misfire_window: none, timeout: 1m, max_attempts: 1}, {name: c, schedule: none}, {name: d, schedule: ''}]",
    )
    a, b, c, d = source.collections.values()
    assert (a.schedule, a.timezone, a.misfire, a.misfire_window) == (
        "@daily",
        "Europe/Berlin",
        "all",
        dt.timedelta(hours=1),
    )
    assert (a.timeout, a.max_attempts) == (dt.timedelta(minutes=90), 5)
    assert (b.schedule, b.timezone, b.misfire, b.misfire_window) == ("*/5 * * * *", "UTC", "skip", None)
    assert (b.timeout, b.max_attempts) == (dt.timedelta(minutes=1), 1)
    assert c.schedule is None
    assert d.schedule == "@daily"


def test_a_source_is_in_the_default_pool_or_in_another() -> None:
    pools = [one_source(f"type: synthetic, collections: [a]{more}").pool for more in ("", ", pool: ", ", pool: eu 2")]
    assert pools == ["default", "default", "eu 2"]


def test_a_collection_s_own_keys_reach_the_attempt() -> None:
    source = one_source(
        "type: synthetic, collections: [{name: a, type: report, table_name: t, start_date: 2020-06-01,"
        "sync_mode: incremental, cursor_field: at, primary_key: id, parameters: {records: 7}}]",
    )
    job = source.collections["a"].for_attempt(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert (job.type, job.table_name, job.start_date) == ("report", "t", "2020-06-01")
    assert (job.sync_mode, job.cursor_field, job.primary_key, job.parameters) == (
        "incremental",
        "at",
        ["id"],
        {"records": 7},
    )


def test_a_write_mode_is_set_for_a_collection_or_for_its_source() -> None:
    source = one_source(
        "type: synthetic, write_mode: history, schema_policy: freeze,"
        "collections: [a, {name: b, write_mode: upsert, schema_policy: discard}]"
    )
    jobs = [
        collection.for_attempt(dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) for collection in source.collections.values()
    ]
    assert [(job.write_mode, job.schema_policy) for job in jobs] == [("history", "freeze"), ("upsert", "discard")]
    (without_mode,) = one_source("type: synthetic, collections: [a]").collections.values()
    job = without_mode.for_attempt(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    assert (job.write_mode, job.schema_policy) == (None, "evolve")


def test_a_replacement_by_what_is_new_is_refused() -> None:
    source = "{s: {type: synthetic, destinations: d, write_mode: replace, collections: [%s]}}"
    text = f"{{destinations: {{d: {{type: none}}}}, sources: {source}}}"
    (problem,) = load_catalogue(text % "a, {name: b, sync_mode: incremental}", {}).problems
    assert problem.path == "sources.s.collections[1]"
    assert "'write_mode: replace' would lose all others" in problem.message
    for possible in ("sync_mode: full_refresh", "sync_mode: incremental, write_mode: upsert"):
        assert load_catalogue(text % f"{{name: b, {possible}}}", {}).problems == []


def test_a_write_mode_that_a_destination_does_not_have_is_refused() -> None:
    text = "{destinations: {d: {type: parquet, path: lake}}, sources: {s: {destinations: d, %s}}}"
    for source, mode in (
        ("type: synthetic, collections: [{name: a, write_mode: history}]", "history"),
        ("type: synthetic, collections: [{name: a, sync_mode: incremental, primary_key: id}]", "upsert"),
        ("type: singer, config: {tap: tap-x}, write_mode: upsert", "upsert"),
    ):
        (problem,) = load_catalogue(text % source, {}).problems
        assert problem.message == (
            f"destination 'd' of type parquet does not support write_mode '{mode}'; choose one of append, replace"
        )
    possible = "type: synthetic, collections: [{name: a, write_mode: append}, {name: b, write_mode: replace}, c]"
    assert load_catalogue(text % possible, {}).problems == []


def test_a_singer_source_without_collections_has_the_one_collection_all() -> None:
    source = one_source("type: singer, schedule: '@hourly', config: {tap: tap-x}")
    assert list(source.collections) == ["all"]
    assert source.collections["all"].schedule == "@hourly"
    assert source.collections["all"].table_name == "s_all"


def test_the_type_of_a_source_is_its_id_by_default() -> None:
    catalogue = load_catalogue("sources: {synthetic: {destinations: nowhere, collections: [a]}}" + DESTINATIONS, {})
    assert catalogue.sources["synthetic"].type == "synthetic"


def test_names_may_hold_what_people_write() -> None:
    names = ["with space", "ümläut", "a_b", "2020", "NO", "x" * 255, "a.b-c:d"]
    source = one_source(f"type: synthetic, collections: [{', '.join(names)}]")
    assert list(source.collections) == names


def test_a_placeholder_alone_serves_for_a_number() -> None:
    text = "server: {port: '${env.PORT}', sync_tasks: {pool: {size: '${env.SIZE|0}'}}}"
    server = load_catalogue(text, {"PORT": "9000"}).server
    assert (server.port, server.sync_tasks.pool.size) == (9000, 0)


@pytest.mark.parametrize("token", ["", "~", "''", "'${env.NONE|}'"])
def test_the_admin_token_may_be_empty(token: str) -> None:
    assert load_catalogue(f"server: {{admin_token: {token}}}", {}).server.admin_token == ""


def test_a_token_of_digits_is_a_text() -> None:
    assert load_catalogue("server: {admin_token: 123456}", {}).server.admin_token == "123456"


@pytest.mark.parametrize(
    ("written", "keys"),
    [
        ("", ()),
        ("'${env.NONE|}'", ()),
        ("'${env.KEY}'", (SECRET_KEY,)),
        ("['${env.KEY}', '${env.OLD|}']", (SECRET_KEY,)),
        (f"['${{env.KEY}}', {SECRET_KEY[::-1]}]", (SECRET_KEY, SECRET_KEY[::-1])),
    ],
)
def test_the_secret_key_may_be_empty_one_or_several(written: str, keys: tuple[str, ...]) -> None:
    catalogue = load_catalogue(f"server: {{secret_key: {written}}}", {"KEY": SECRET_KEY})
    assert catalogue.server.secret_key == keys
    assert catalogue.secrets() >= set(keys)
    assert not [key for key in keys if key in repr(catalogue)]


@pytest.mark.parametrize(
    ("written", "networks"),
    [
        ("[10.0.0.0/8, 'fd00::/8']", ("10.0.0.0/8", "fd00::/8")),
        ("192.0.2.7", ("192.0.2.7/32",)),
        ("'::1'", ("::1/128",)),
        ("['${env.PROXY|}', 127.0.0.1]", ("127.0.0.1/32",)),
        ("''", ()),
        ("", ()),
    ],
)
def test_the_trusted_proxies_are_addresses_and_networks(written: str, networks: tuple[str, ...]) -> None:
    server = load_catalogue(f"server: {{trusted_proxies: {written}}}", {}).server
    assert tuple(map(str, server.trusted_proxies)) == networks
    assert server.user_header == ""


@pytest.mark.parametrize(
    ("written", "archive"),
    [
        ("", ""),
        ("'${env.NONE|}'", ""),
        ("/var/lib/history", "/var/lib/history"),
        ("FILE:///history", "file:///history"),
    ],
)
def test_the_archive_is_a_directory_or_absent(written: str, archive: str) -> None:
    assert load_catalogue(f"server: {{archive: {written}}}", {}).server.archive == archive


@pytest.mark.parametrize(
    ("written", "why"),
    [("ftp://host/history", "unsupported address ftp://"), ("s3:///history", "the address names no bucket")],
)
def test_an_archive_elsewhere_is_refused(written: str, why: str) -> None:
    with pytest.raises(CatalogueError, match=why):
        load_catalogue(f"server: {{archive: '{written}'}}", {})


def test_an_empty_section_is_an_absent_one() -> None:
    catalogue = load_catalogue("server:\n  sync_tasks:\n    pool:\nsources:\ndestinations:\nnotifications:\n", {})
    assert (catalogue.sources, catalogue.problems, catalogue.server.sync_tasks.pool.size) == ({}, [], 16)


def test_one_wrong_source_never_stops_the_others() -> None:
    catalogue = load_catalogue(
        "sources:\n  good: {type: synthetic, destinations: [nowhere], collections: [a]}\n"
        "  bad: {type: synthetic, destinations: [nowhere], collections: [a], schedule: often}\n"
        "  lost: {type: synthetic, destinations: [broken], collections: [a]}\n"
        "destinations: {nowhere: {type: none}, broken: {type: postgres}}",
        {},
    )
    assert list(catalogue.sources) == ["good"]
    assert list(catalogue.rejected) == ["bad", "lost"]
    assert list(catalogue.rejected_destinations) == ["broken"]


def test_accepted_keys_without_an_effect_say_so() -> None:
    text = "server: {sync_tasks: {stalled: {observe_stalled_every_seconds: 5}}}\nnotifications: {slack: {url: 'https://hooks/x'}}"
    assert [str(warning) for warning in load_catalogue(text, {}).warnings] == [
        "catalogue:1: server.sync_tasks.stalled.observe_stalled_every_seconds: is accepted but has no effect yet",
        "catalogue:2: notifications.slack.url: is accepted but has no effect yet",
    ]


def test_two_collections_that_write_to_one_table_are_warned_of() -> None:
    text = (
        "sources:\n  a: {type: synthetic, destinations: [nowhere], collections: [b_c]}\n"
        "  a_b: {type: synthetic, destinations: [nowhere], collections: [c]}" + DESTINATIONS
    )
    (warning,) = load_catalogue(text, {}).warnings
    assert (warning.place, warning.path) == ("catalogue:3", "sources.a_b.collections[0]")
    assert warning.message == "table 'a_b_c' of destination 'nowhere' is also written by sources.a.collections[0]"


@pytest.mark.parametrize(
    ("source", "collection", "naming", "path", "table"),
    [
        ("a", "{name: b, table_name: _syncline_bookmarks}", "as_is", ".table_name", "_syncline_bookmarks"),
        ("a", "{name: b, table_name: _Syncline_Bookmarks}", "as_is", ".table_name", "_Syncline_Bookmarks"),
        ("a", "{name: b, table_name: _syncline}", "as_is", ".table_name", "_syncline"),
        ("a", "{name: b, table_name: '_ Syncline  bookmarks'}", "snake_case", ".table_name", "_syncline_bookmarks"),
        ("_syncline", "bookmarks", "as_is", "", "_syncline_bookmarks"),
        ("_SYNCLINE", "{name: bookmarks}", "as_is", "", "_SYNCLINE_bookmarks"),
    ],
)
def test_the_name_of_a_table_of_syncline_s_own_is_refused(
    source: str, collection: str, naming: str, path: str, table: str
) -> None:
    catalogue = load_catalogue(
        f"sources:\n  {source}:\n    type: synthetic\n    destinations: [lake]\n    collections:\n    - {collection}\n"
        f"destinations:\n  lake: {{type: duckdb, path: lake.duckdb, naming: {naming}}}\n",
        {},
    )
    (problem,) = catalogue.rejected[source]
    assert problem.path == f"sources.{source}.collections[0]{path}"
    assert problem.place.endswith(":6")
    assert problem.message == (
        "table names that begin with '_syncline' are reserved for Syncline's own tables: give "
        f"{table!r} another 'table_name'"
    )


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://config.example/sources.yaml", True),
        ("http://10.0.0.1/sources.yaml", True),
        ("https://config.example/sources.yaml", False),
        ("http://localhost:8080/sources.yaml", False),
        ("http://127.0.0.1/sources.yaml", False),
        ("http://[::1]:8080/sources.yaml", False),
    ],
)
def test_sources_that_anybody_on_the_network_could_change_are_warned_of(url: str, warned: bool) -> None:  # noqa: FBT001 -- a parameter of the test
    main = parse_document(f"server: {{}}\nsources: {url}", "catalogue")
    catalogue = build_catalogue(Texts(main, sources=parse_document("sources: {}", url)), {})
    assert [warning.place for warning in catalogue.warnings] == (["catalogue:2"] if warned else [])
    assert all(
        "anyone on the network in between can make this machine run commands" in each.message
        for each in catalogue.warnings
    )


@pytest.mark.parametrize(
    ("written", "seconds"), [("", 5), ("destinations_reload_sec: 0.5", 0.5), ("destinations_reload_sec: 9", 5)]
)
def test_all_texts_are_read_again_as_often_as_the_shorter_time_says(written: str, seconds: float) -> None:
    server = load_catalogue(f"server:\n  sources_reload_sec: 5\n  {written}\n", {}).server
    assert server.reload_seconds == seconds


HOMES = """
    destinations:
      lake: {type: duckdb, path: lake.duckdb}
      pool: {type: duckdb, path: ./lake.duckdb, schema: MAIN}
      pg: {type: postgres, url: "postgresql://me:first@db/shop"}
      pg_again: {type: postgres, host: db, port: 5432, user: you, database: shop}
      other: {type: postgres, host: db, port: 5432, database: shop, schema: other}
      files: {type: parquet, path: out}
"""


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        (
            ("lake", "Users"),
            ("lake", "users"),
            "also written by sources.a.collections[0] (as 'Users'), and one of them",
        ),
        (("lake", "users"), ("pool", "users"), "by sources.a.collections[0] (through destination 'lake'), and one"),
        (("pg", "users"), ("pg_again", "users"), "by sources.a.collections[0] (through destination 'pg'), and one"),
        (("pg", "Users"), ("pg", "users"), None),
        (("pg", "users"), ("other", "users"), None),
        (("files", "users"), ("files", "users"), ""),
    ],
)
def test_a_collection_that_would_replace_the_rows_of_another_is_refused(
    first: tuple[str, str], second: tuple[str, str], complaint: str | None
) -> None:
    lines = [
        f"  {id_}: {{type: sql, destinations: [{destination}], config: {{url: 'sqlite:///x.db'}}, "
        f"collections: [{{name: one, table_name: {table}}}]}}"
        for id_, (destination, table) in (("a", first), ("b", second))
    ]
    catalogue = load_catalogue("sources:\n" + "\n".join(lines) + textwrap.dedent(HOMES), {})
    if complaint:
        assert list(catalogue.sources) == ["a"]
        (problem,) = catalogue.rejected["b"]
        assert complaint in problem.message
        assert problem.message.endswith("replaces all rows of the table: set another 'table_name'")
        return
    assert list(catalogue.sources) == ["a", "b"]
    assert len(catalogue.warnings) == (0 if complaint is None else 1)


def test_collections_that_add_to_one_table_are_only_warned_of() -> None:
    source = "{type: sql, destinations: [lake], write_mode: upsert, config: {url: 'sqlite:///x.db'}, collections: [%s]}"
    first, second = (source % f"{{name: one, table_name: {table}, primary_key: id}}" for table in ("t", "T"))
    text = f"sources:\n  a: {first}\n  b: {second}\ndestinations: {{lake: {{type: duckdb, path: lake.duckdb}}}}"
    (warning,) = load_catalogue(text, {}).warnings
    assert "table 'T' of destination 'lake' is also written by sources.a.collections[0] (as 't')" in warning.message


def test_two_tables_that_become_one_name_at_a_destination_are_warned_of() -> None:
    text = """
sources:
  a:
    type: synthetic
    destinations: [here, there]
    write_mode: append
    collections: [{name: b, table_name: aB}, {name: c, table_name: a_b}]
destinations:
  here: {type: duckdb, path: here.duckdb}
  there: {type: duckdb, path: there.duckdb, naming: snake_case}
"""
    (warning,) = load_catalogue(text, {}).warnings
    assert warning.message == "table 'a_b' of destination 'there' is also written by sources.a.collections[0]"


@pytest.mark.parametrize(
    ("columns", "line", "path", "message"),
    [
        ("{drop: [x]}", 8, ".drop", "unknown key; choose one of exclude, hash, include, rename"),
        ("{include: []}", 8, ".include", "must not be empty"),
        ("{include: [at]}", 8, ".include", "leaves out 'id', which 'primary_key' names: take it too"),
        ("{exclude: ['i*']}", 8, ".exclude", "leaves out 'id', which 'primary_key' names: take it too"),
        ("{exclude: [at]}", 8, ".exclude", "leaves out 'at', which 'cursor_field' names: take it too"),
        ("{hash: ['*']}", 8, ".hash", "hashes 'at', which is the 'cursor_field': hashes have no order"),
        ("{rename: {a: b, c: b}}", 8, ".rename", "'a' and 'c' cannot both become 'b'"),
        ("{exclude: [a], rename: {a: b}}", 8, ".rename", "renames 'a', but 'exclude' leaves it out"),
        (
            "{rename: {a: _syncline_a}}",
            8,
            ".rename.a",
            "names that begin with '_syncline' are reserved for Syncline's own columns: choose another",
        ),
        (
            "{rename: {key: id}}",
            8,
            ".rename",
            "makes 'id' of 'key', and 'primary_key' has the names of the source: write that there",
        ),
    ],
)
def test_columns_that_contradict_the_collection_are_refused_with_their_line(
    columns: str, line: int, path: str, message: str
) -> None:
    text = f"""sources:
  a:
    type: synthetic
    destinations: [nowhere]
    collections:
      - name: b
        primary_key: id
        columns: {columns}
        cursor_field: at
""" + DESTINATIONS.removeprefix("\n")
    (problem,) = load_catalogue(text, {}).problems
    assert (problem.place, problem.path) == (f"catalogue:{line}", f"sources.a.collections[0].columns{path}")
    assert problem.message == message


def test_rows_are_not_kept_as_they_are_where_columns_hide_values() -> None:
    text = """sources:
  a:
    type: files
    destinations: [nowhere]
    collections: [{name: b, columns: {hash: [ssn]}, parameters: {path: x.csv, bad_rows: keep}}]
""" + DESTINATIONS.removeprefix("\n")
    (problem,) = load_catalogue(text, {}).problems
    assert problem.path == "sources.a.collections[0].columns"
    assert "keeps rows as they are in their files, with values that 'columns' hides" in problem.message


def test_a_collection_with_two_destinations_that_are_one_is_refused() -> None:
    text = f"""
sources:
  a: {{type: sql, destinations: [pg, pg_again], config: {{url: "sqlite:///x.db"}}, collections: [all]}}
{textwrap.dedent(HOMES)}
"""
    (problem,) = load_catalogue(text, {}).rejected["a"]
    assert "destination 'pg_again' has the same tables as another of its destinations" in problem.message


def test_columns_are_handed_to_the_attempt() -> None:
    text = (
        "sources:\n  a: {type: synthetic, destinations: [nowhere], collections: ["
        "{name: b, columns: {include: id, rename: {id: key}}}, {name: c, columns: {}}]}" + DESTINATIONS
    )
    collections = load_catalogue(text, {}).sources["a"].collections
    now = dt.datetime(2024, 5, 1, tzinfo=dt.UTC)
    assert collections["b"].for_attempt(now).columns == ColumnRules(include=("id",), rename={"id": "key"})
    assert collections["c"].for_attempt(now).columns is None


def test_where_a_late_row_replaces_a_newer_one_is_warned_of() -> None:
    text = """
    sources:
      shop: {type: airbyte, destinations: [lake, pg], config: {package: a==1}, collections: [{name: a%s}]}
    destinations:
      lake: {type: "dlt:duckdb", dataset: d, credentials: x.duckdb}
      pg: {type: postgres, url: "postgresql://me@db/x"}
    """
    for settings in ("", ", write_mode: upsert"):
        (warning,) = load_catalogue(text % settings, {}).warnings
        assert "at destination 'lake' of type dlt:duckdb a row replaces the one" in str(warning)
    for settings in (", write_mode: append", ", sync_mode: full_refresh"):
        assert load_catalogue(text % settings, {}).warnings == ()
    assert load_catalogue((text % "").replace("airbyte", "singer"), {}).warnings == ()


def secretive(environment: Mapping[str, str]) -> Catalogue:
    return load_catalogue(
        """
        server: {admin_token: admin-token-1}
        sources:
          tap: {type: singer, destinations: [pg], config: {tap: tap-x, config: {user: someone, api_key: "${env.KEY}"}}}
          bad: {type: singer, destinations: [pg], config: {token: rejected-token}}
        destinations:
          pg: {type: postgres, url: "postgresql://me:hunter22@db/x"}
        notifications: {slack: {url: "https://hooks.slack.com/services/T0/B0/abc"}}
        """,
        environment,
    )


def test_secrets_are_known_by_the_names_of_their_keys() -> None:
    assert secretive({"KEY": "key-12345"}).secrets() == {
        *("admin-token-1", "key-12345", "rejected-token", "hunter22", "https://hooks.slack.com/services/T0/B0/abc"),
    }


def test_a_catalogue_can_be_shown_without_its_secrets() -> None:
    catalogue = secretive({"KEY": "key-12345"})
    assert not [secret for secret in catalogue.secrets() if secret in repr(catalogue)]


def test_the_fingerprint_is_the_text_s() -> None:
    one, other = (load_catalogue(f"server: {{port: {port}}}", {}).fingerprint for port in (1, 2))
    assert one != other
    assert one == load_catalogue("server: {port: 1}", {"ANY": "thing"}).fingerprint


def test_a_separate_file_is_found_beside_the_catalogue(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("s: {destinations: [nowhere], type: synthetic,\n collections: [a], x: 1}")
    (tmp_path / "syncline.yaml").write_text("sources: ${env.FILE}" + DESTINATIONS)
    catalogue = load_catalogue(tmp_path / "syncline.yaml", {"FILE": "sources.yaml"})
    assert [problem.place for problem in catalogue.problems] == [f"{tmp_path}/sources.yaml:2"]


@pytest.mark.parametrize("form", ["{inner}", '{{"sources": {inner}}}'])
def test_sources_may_be_json_with_or_without_their_heading(form: str) -> None:
    inner = '{"s": {"type": "synthetic", "destinations": ["nowhere"], "collections": ["a"]}}'
    catalogue = load_catalogue("sources: ${env.SOURCES}" + DESTINATIONS, {"SOURCES": form.format(inner=inner)})
    assert list(catalogue.sources) == ["s"]
    assert catalogue.problems == []


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "my sources.yaml").write_text("sources: {}")
    (tmp_path / "syncline.yaml").write_text(f"sources: file://{tmp_path}/my%20sources.yaml")
    assert load_catalogue(Path(tmp_path / "syncline.yaml"), {}).sources == {}


def test_what_the_catalogue_does_not_have_is_refused_by_name() -> None:
    catalogue = load_catalogue(
        """
        sources:
          s: {type: synthetic, destinations: [nowhere], collections: [one]}
          broken: {type: synthetic, destinations: [nowhere], collections: [one], timeout: long}
        destinations: {nowhere: {type: none}}
        """,
        {},
    )
    assert catalogue.find("s", "one") == (catalogue.sources["s"], catalogue.sources["s"].collections["one"])
    with pytest.raises(UnknownCollectionError, match=r"^Collection \[two\] doesn't exist in source \[s\]$"):
        catalogue.find("s", "two")
    with pytest.raises(UnknownSourceError, match=r"^Source \[gone\] doesn't exist$"):
        catalogue.find("gone", "one")
    with pytest.raises(UnknownSourceError, match=r"^Source \[broken\] is left out: .*timeout"):
        catalogue.find("broken", "one")


def test_a_collection_in_windows_of_time_tells_the_attempt_which() -> None:
    source = one_source("type: synthetic, collections: [{name: a, interval: day, refresh_window: 3d}]")
    now = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    assert source.collections["a"].for_attempt(now).windows == Windows("day", dt.date(2025, 1, 1), now, 3 * 86_400)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "type: synthetic, collections: [{name: a, interval: fortnight}]",
            "unknown value 'fortnight'; choose one of hour, day, week, month, quarter",
        ),
        ("type: synthetic, collections: [{name: a, refresh_window: 3d}]", "has no effect without 'interval'"),
        (
            "type: singer, config: {command: tap}, collections: [{name: a, interval: day}]",
            "a source of type 'singer' cannot be read in intervals; these can: python, sql, synthetic",
        ),
        (
            "type: synthetic, collections: [{name: a, interval: day, sync_mode: full_refresh}]",
            "cannot be combined with 'sync_mode: full_refresh'",
        ),
        (
            "type: synthetic, write_mode: append, collections: [{name: a, interval: day}]",
            "collections[0]: 'interval' cannot be combined with 'write_mode: append'",
        ),
        (
            "type: synthetic, collections: [{name: a, interval: day, write_mode: replace}]",
            "collections[0]: 'interval' cannot be combined with 'write_mode: replace'",
        ),
    ],
)
def test_windows_that_cannot_be_are_refused(source: str, problem: str) -> None:
    catalogue = load_catalogue(f"sources: {{s: {{destinations: [nowhere], {source}}}}}{DESTINATIONS}", {})
    assert problem in str(catalogue.problems[0])


def test_a_lookback_is_the_collections_own_or_its_sources() -> None:
    config = "config: {url: 'sqlite:////db'}"
    source = one_source(f"type: sql, lookback: 10m, {config}, collections: [a, {{name: b, lookback: 2h}}]")
    now = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
    jobs = [source.collections[name].for_attempt(now) for name in "ab"]
    assert [job.lookback for job in jobs] == [dt.timedelta(minutes=10), dt.timedelta(hours=2)]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "type: synthetic, collections: [{name: a, lookback: 10m}]",
            "collections[0].lookback: a source of type 'synthetic' cannot begin before its bookmark; these can: python",
        ),
        (
            "type: singer, lookback: 10m, config: {command: tap}",
            "lookback: a source of type 'singer' cannot begin before its bookmark; these can: python, rest, sql",
        ),
        (
            "type: python, config: {function: shop}, collections: [{name: a, lookback: 1h, sync_mode: full_refresh}]",
            "collections[0].lookback: has no effect with 'sync_mode: full_refresh', which reads everything again",
        ),
        (
            "type: python, lookback: 1h, config: {function: shop}, collections: [{name: a, interval: day}]",
            "collections[0].interval: 'lookback' and 'interval' cannot be combined: set 'refresh_window'",
        ),
        (
            "type: python, config: {function: shop}, collections: [{name: a, lookback: 10}]",
            "collections[0].lookback: duration '10' is not valid",
        ),
    ],
)
def test_a_lookback_that_cannot_be_is_refused(source: str, problem: str) -> None:
    catalogue = load_catalogue(f"sources: {{s: {{destinations: [nowhere], {source}}}}}{DESTINATIONS}", {})
    assert [problem in str(each) for each in catalogue.problems] == [True], list(map(str, catalogue.problems))


def test_a_full_refresh_may_inherit_a_lookback_that_it_does_not_need() -> None:
    made = one_source(
        "type: python, lookback: 1h, config: {function: f}, collections: [{name: a, sync_mode: full_refresh}]"
    )
    assert made.collections["a"].sync_mode == "full_refresh"
