"""Every mistake in a catalogue is answered with one line: the place, the key, what is valid. All of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, field_validator

from app.config.check import examine_config
from app.config.problems import CatalogueError
from app.config.reader import load_catalogue
from app.connectors.kinds import DESTINATION_TYPES, SOURCE_TYPES
from app.connectors.options.complaints import complaints
from app.domain.choices import nearest

if TYPE_CHECKING:
    from pathlib import Path

SOURCE_KEYS = (
    "collections, config, deletes, description, destinations, empty, flatten, labels, lookback, max_attempts, "
    "max_delay, max_memory, max_shrink, max_silence, misfire, misfire_window, owner, pool, runbook, schedule, "
    "schema_policy, spread, timeout, timezone, type, write_mode"
)
COLLECTION_KEYS = (
    "columns, cursor_field, deletes, description, empty, flatten, interval, labels, lookback, max_attempts, max_delay, "
    "max_memory, max_shrink, max_silence, misfire, misfire_window, name, owner, parameters, primary_key, "
    "refresh_window, runbook, schedule, schema_policy, spread, start_date, sync_mode, table_name, timeout, "
    "timezone, type, write_mode"
)
SECTIONS = "configurator, destinations, notifications, server, sources"
NO_LOCATION = "must be a file, or a URL that begins with http://, https:// or file://"
TWICE = "is written twice, with dots and as a mapping: remove one of them"
SERVER_KEYS = (
    "ad_hoc_trials, admin_token, archive, destinations_reload_sec, drain_seconds, port, retention, secret_key, "
    "sources_reload_sec, sync_tasks, trusted_proxies, ui, unknown_source_patience, user_header"
)
SHORT_KEY = "must have at least 32 characters: make one with 'openssl rand -base64 32'"
PROXIES = "trusted_proxies: 10.0.0.0/8"
PROXIES_NEEDED = (
    "needs server.trusted_proxies: the addresses or networks of the proxies whose header counts, such as 10.0.0.0/8"
)
NO_HEADER = "must be the name of a header, such as X-Forwarded-User"
NO_NETWORK = "must be an address or a network such as 10.0.0.0/8"
EMPTY = "must not be empty: 0 means forever; remove the key to use the default"
TYPES = ", ".join(SOURCE_TYPES)
DESTINATIONS = ", ".join(DESTINATION_TYPES)
PERCENTAGES = "must be a percentage from 0% to 100%, such as 50%; for no limit write 'none'"
DURATIONS = "use days, hours, minutes and seconds in this order, such as 45s, 90m, 1h30m, 24h or 7d"


def all_problems(text: str) -> list[str]:
    try:
        return [str(problem) for problem in load_catalogue(text, {}).problems]
    except CatalogueError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "servr: {}",
            f"servr: unknown key; did you mean 'server'? choose one of {SECTIONS}",
        ),
        ("zzz: {}", f"zzz: unknown key; choose one of {SECTIONS}"),
        ("[]", "must be a mapping with 'server', 'sources' and 'destinations', not a list"),
        ("server: 1", "server: must be a mapping (key: value), not 1"),
        ("sources: [a]", "sources: must be a mapping (id: …)"),
        ("destinations: ftp://x/y", f"destinations: {NO_LOCATION}"),
        ("sources: ftp://x/y", f"sources: {NO_LOCATION}"),
        ("destinations: d.yaml", "destinations: file d.yaml cannot be read: no such file or directory"),
        (
            "configurator: {base_url: c:7000}",
            "configurator.base_url: must be a URL that begins with http:// or https://",
        ),
        ("configurator: {url: c}", "configurator.url: unknown key; choose one of admin_token, base_url"),
        ("destinations: '{\"destinations\": [1]}'", "destinations: must be a mapping (id: …)"),
        ("google_ads: [a]", "google_ads: must be a mapping with client_id, client_secret, developer_token"),
        ("xero: {client_id: [a]}", "xero.client_id: must be a string"),
        ("server: {ui.enabled: 1, ui: {enabled: 0}}", f"server.ui.enabled: {TWICE}"),
        ("server.port: 1\nserver: {port: 2}", f"server.port: {TWICE}"),
        ("server: 5\nserver.port: 1", f"server.port: {TWICE}"),
        ("server: {prt: 1}", f"server.prt: unknown key; did you mean 'port'? choose one of {SERVER_KEYS}"),
        ("server: {port: x}", "server.port: must be an integer, not 'x'"),
        ("server: {port: '1_000'}", "server.port: must be an integer, not '1_000'"),
        ("server: {port: true}", "server.port: must be an integer, not true"),
        ("server: {drain_seconds: '1_0'}", "server.drain_seconds: must be a number, not '1_0'"),
        ("server: {drain_seconds: true}", "server.drain_seconds: must be a number, not true"),
        ("server: {retention: {days: null}}", f"server.retention.days: {EMPTY}"),
        ("server: {retention: {statistics_days: }}", f"server.retention.statistics_days: {EMPTY}"),
        (
            "server: {sync_tasks: {store_logs: {last_runs: }}}",
            f"server.sync_tasks.store_logs.last_runs: {EMPTY}",
        ),
        ("server: {port: 70000}", "server.port: must be at most 65535, not 70000"),
        ("server: {unknown_source_patience: 9s}", "server.unknown_source_patience: must be from 10s to 1d, not 9s"),
        ("server: {unknown_source_patience: 25h}", "server.unknown_source_patience: must be from 10s to 1d, not 1d1h"),
        ("server: {sources_reload_sec: 0}", "server.sources_reload_sec: must be greater than 0, not 0"),
        ("server: {admin_token: [hunter22]}", "server.admin_token: must be a string"),
        ("server: {secret_key: hunter22}", f"server.secret_key: {SHORT_KEY}"),
        (f"server: {{secret_key: [{'k' * 32}, hunter22]}}", f"server.secret_key: {SHORT_KEY}"),
        ("server: {user_header: X-User}", f"server.user_header: {PROXIES_NEEDED}"),
        ("server: {user_header: X-User, trusted_proxies: ''}", f"server.user_header: {PROXIES_NEEDED}"),
        (f"server: {{user_header: X User, {PROXIES}}}", f"server.user_header: {NO_HEADER}"),
        (f"server: {{user_header: [X-User], {PROXIES}}}", "server.user_header: must be a string, not a list"),
        (
            f"server: {{user_header: authorization, {PROXIES}}}",
            "server.user_header: must not be a header with secrets: its value becomes part of events",
        ),
        (
            "server: {user_header: X-User, trusted_proxies: [10.0.0.5/8]}",
            f"server.trusted_proxies[0]: {NO_NETWORK}; did you mean 10.0.0.0/8?",
        ),
        ("server: {trusted_proxies: proxy}", f"server.trusted_proxies: {NO_NETWORK}, not the name of a host"),
        ("server: {trusted_proxies: 5}", "server.trusted_proxies: must be a string or a list, not 5"),
        ("server: {sync_tasks: {pool: {size: -1}}}", "server.sync_tasks.pool.size: must be at least 0, not -1"),
        (
            "server: {sync_tasks: {pol: {}}}",
            "server.sync_tasks.pol: unknown key; did you mean 'pool'? choose one of pool, stalled, store_logs",
        ),
        (
            "sources: '${env.X}'",
            "sources: environment variable X is not set; set it, or give a default: ${env.NAME|default}",
        ),
        ("sources: /does/not/exist", "sources: file /does/not/exist cannot be read: no such file or directory"),
        ("notifications: {slak: {}}", "notifications.slak: unknown key; did you mean 'slack'?"),
    ],
)
def test_a_mistake_outside_of_sources_stops_the_catalogue(text: str, problem: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(text, {})
    (found,) = caught.value.problems
    assert str(found).removeprefix(found.place + ": ") == problem


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("colections: []", f".colections: unknown key; did you mean 'collections'? choose one of {SOURCE_KEYS}"),
        ("type: singr", f".type: unknown source type 'singr'; did you mean 'singer'? choose one of {TYPES}"),
        ("type: [singer]", ".type: must be a string, not a list"),
        ("destinations: []", ".destinations: needs at least one destination; choose one of broken, nowhere"),
        (
            "destinations: [nwhere]",
            ".destinations[0]: unknown destination 'nwhere'; did you mean 'nowhere'? choose one of broken, nowhere",
        ),
        ("destinations: broken", ".destinations: destination 'broken' cannot be used: correct destinations.broken"),
        ("destinations: {a: b}", ".destinations: must be a string or a list, not a mapping"),
        ("collections: []", ".collections: needs at least one collection"),
        ("collections: {a: b}", ".collections: must be a list, not a mapping"),
        ("collections: [[a]]", ".collections[0]: must be a name or a mapping, not a list"),
        ("collections: [{type: a}]", ".collections[0].name: is missing"),
        (
            "collections: [{nam: a}]",
            f".collections[0].nam: unknown key; did you mean 'name'? choose one of {COLLECTION_KEYS}",
        ),
        ("collections: [a, null]", ".collections[1]: must be a name or a mapping, not empty"),
        ("misfire_window: never", ".misfire_window: 'never' is not a duration; for no window write 'none'"),
        ("collections: [a, b, a]", ".collections[2]: collection 'a' already exists; names must be unique"),
        ("collections: [a, {name: a}]", ".collections[1]: collection 'a' already exists; names must be unique"),
        ("collections: ['']", ".collections[0]: a name must not be empty"),
        ("collections: [a/b]", ".collections[0]: a name must not contain '/'"),
        ("collections: [' a']", ".collections[0]: a name must not begin or end with a space"),
        (
            'collections: ["a\\nb"]',
            ".collections[0]: the name 'a\\nb' has a character that cannot be seen: replace U+000A",
        ),
        (f"collections: [{'x' * 256}]", ".collections[0]: a name must not be longer than 255 bytes (it has 256)"),
        (
            f"collections: ['{'ü' * 128}']",
            ".collections[0]: a name must not be longer than 255 bytes (it has 256)",
        ),
        (
            "collections: [{name: a, tabel_name: b}]",
            f".collections[0].tabel_name: unknown key; did you mean 'table_name'? choose one of {COLLECTION_KEYS}",
        ),
        (
            "collections: [{name: a, start_date: soon}]",
            ".collections[0].start_date: must be a day written as YYYY-MM-DD, not 'soon'",
        ),
        (
            "collections: [{name: a, start_date: 20200601}]",
            ".collections[0].start_date: must be a day written as YYYY-MM-DD, not 20200601",
        ),
        (
            "collections: [{name: a, sync_mode: full}]",
            ".collections[0].sync_mode: unknown value 'full'; choose one of full_refresh, incremental",
        ),
        (
            "collections: [{name: a, schedule: '61 * * * *'}]",
            ".collections[0].schedule: schedule '61 * * * *': minute: '61' is out of range; use 0-59",
        ),
        (
            "collections: [{name: a, parameters: {fail_rate: 2}}]",
            ".collections[0].parameters.fail_rate: must be at most 1, not 2",
        ),
        ("timezone: Europe/Berln", ".timezone: unknown time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("misfire: newest", ".misfire: unknown value 'newest'; choose one of skip, latest, all"),
        ("misfire_window: soon", f".misfire_window: duration 'soon' is not valid; {DURATIONS}"),
        ("empty: yes", ".empty: unknown value 'yes'; choose one of refuse, allow"),
        ("max_shrink: 50", f".max_shrink: {PERCENTAGES}"),
        ("max_shrink: 0.5", f".max_shrink: {PERCENTAGES}"),
        ("max_shrink: 101%", f".max_shrink: {PERCENTAGES}"),
        ("max_shrink: -1%", f".max_shrink: {PERCENTAGES}"),
        ("max_shrink: half", f".max_shrink: {PERCENTAGES}"),
        ("max_shrink: [50%]", f".max_shrink: {PERCENTAGES}"),
        ("timeout: 90", f".timeout: duration '90' is not valid; {DURATIONS}"),
        ("timeout: 0s", ".timeout: must be greater than zero"),
        ("max_attempts: 0", ".max_attempts: must be at least 1, not 0"),
        ("pool: ''", ".pool: a name must not be empty"),
        ("pool: eu/west", ".pool: a name must not contain '/'"),
        ("pool: 'a,b'", ".pool: the name of a pool must not contain ',', which separates the pools of a worker"),
        ("pool: [eu]", ".pool: must be a string, not a list"),
        ("config: {tap: a}", ".config.tap: unknown key; no keys can be set here"),
        (
            "config: '${env.X}'",
            ".config: environment variable X is not set; set it, or give a default: ${env.NAME|default}",
        ),
    ],
)
def test_a_mistake_in_a_source_rejects_the_source(keys: str, problem: str) -> None:
    defaults = {"type": "synthetic", "destinations": "[nowhere]", "collections": "[fine]"}
    kept = [f"{key}: {value}" for key, value in defaults.items() if not keys.startswith(key + ":")]
    destinations = "destinations: {nowhere: {type: none}, broken: {type: none, x: 1}}"
    catalogue = load_catalogue(f"sources: {{s: {{{', '.join([*kept, keys])}}}}}\n{destinations}", {})
    assert [str(found) for found in catalogue.rejected["s"]] == [f"catalogue:1: sources.s{problem}"]
    assert catalogue.sources == {}


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("[]", ": must be a mapping (key: value), not a list"),
        (
            "{type: postgre}",
            f".type: unknown destination type 'postgre'; did you mean 'postgres'? choose one of {DESTINATIONS}",
        ),
        ("{}", f".type: is missing; choose one of {DESTINATIONS}"),
        ("{type: duckdb}", ".path: is missing"),
        (
            "{type: duckdb, path: x, shema: y}",
            ".shema: unknown key; did you mean 'schema'? choose one of naming, path, schema, type",
        ),
        ("{type: postgres, host: h, password: {hunter22: x}}", ".password: must be a string"),
    ],
)
def test_a_mistake_in_a_destination_names_its_key(keys: str, problem: str) -> None:
    assert all_problems(f"destinations: {{d: {keys}}}") == [f"catalogue:1: destinations.d{problem}"]


@pytest.mark.parametrize("source_id", ["''", "a/b", '"\\t"', "x" * 256])
def test_a_source_s_id_must_be_able_to_stand_in_a_url(source_id: str) -> None:
    source = "{type: synthetic, destinations: n, collections: [a]}"
    (problem,) = all_problems(f"sources: {{? {source_id} : {source}}}\ndestinations: {{n: {{type: none}}}}")
    assert "a name must" in problem


def test_everything_wrong_is_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "syncline.yaml"
    path.write_text(
        "server:\n  port: x\n  prt: 1\n"
        "sources:\n"
        "  one:\n    type: synthetic\n    destinations: [gone]\n    schedule: often\n    collections: [a, a]\n"
        "  two: {type: singer, destinations: [d], config: {tap: tap-x, catalogue: {}}}\n"
        "destinations:\n  d: {type: duckdb}\nsevrer: {}\n",
    )
    places = [(problem.place.rpartition(":")[2], problem.path) for problem in examine_config(path, {}).problems]
    assert places == [
        ("2", "server.port"),
        ("3", "server.prt"),
        ("7", "sources.one.destinations[0]"),
        ("8", "sources.one.schedule"),
        ("9", "sources.one.collections[1]"),
        ("10", "sources.two.config.catalogue"),
        ("10", "sources.two.destinations[0]"),
        ("12", "destinations.d.path"),
        ("13", "sevrer"),
    ]


def test_a_separate_file_and_its_catalogue_are_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("\nsources: b.yaml\ndestinations:\n  d: {type: duckdb}\n")
    (tmp_path / "b.yaml").write_text("s: {type: synthetic, destinations: d, collections: a, x: 1}")
    places = [problem.place.rpartition("/")[2] for problem in examine_config(path, {}).problems]
    assert places == ["a.yaml:4", "b.yaml:1", "b.yaml:1", "b.yaml:1"]


@pytest.mark.parametrize("misspelled", ["destination: nowhere", "Collections: [a]", "colections: [a]"])
def test_a_misspelled_list_is_one_problem_of_that_key(misspelled: str) -> None:
    key = misspelled.split(":", maxsplit=1)[0]
    right = {"destinations": "[nowhere]", "collections": "[a]"}
    kept = [f"{name}: {value}" for name, value in right.items() if nearest(key, [name]) is None]
    source = ", ".join(["type: synthetic", *kept, misspelled])
    catalogue = load_catalogue(f"sources: {{s: {{{source}}}}}\ndestinations: {{nowhere: {{type: none}}}}", {})
    (problem,) = catalogue.rejected["s"]
    assert f": sources.s.{key}: unknown key; did you mean '" in str(problem)


def test_collections_without_a_name_are_not_taken_for_the_same_one() -> None:
    source = "{type: synthetic, destinations: d, collections: [null, {type: a}]}"
    assert all_problems(f"destinations: {{d: {{type: none}}}}\nsources: {{s: {source}}}") == [
        "catalogue:2: sources.s.collections[0]: must be a name or a mapping, not empty",
        "catalogue:2: sources.s.collections[1].name: is missing",
    ]


def test_a_problem_with_a_lifted_option_has_the_key_that_was_written() -> None:
    options = "{type: postgres, config: {host: h, prot: 1, parameters: {sslmode: x}}}"
    assert [problem.partition("; ")[0] for problem in all_problems(f"destinations: {{d: {options}}}")] == [
        "catalogue:1: destinations.d.config.parameters.sslmode: unknown value 'x'",
        "catalogue:1: destinations.d.config.prot: unknown key",
    ]


@pytest.mark.parametrize("key", ["typ", "Type", "tipe"])
@pytest.mark.parametrize("section", ["sources", "destinations"])
def test_a_misspelled_type_is_one_problem_of_that_key(section: str, key: str) -> None:
    collections = ", destinations: d, collections: [a]" if section == "sources" else ""
    text = f"destinations: {{d: {{type: none}}}}\n{section}: {{x: {{{key}: postgres{collections}}}}}"
    if section == "destinations":
        text = text.partition("\n")[2]
    (problem,) = all_problems(text)
    assert problem.endswith(f"{section}.x.{key}: unknown key; did you mean 'type'?")


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("destinations: {d: {type: postgres, host: '${env.X}'}}", ["destinations.d.host"]),
        ("destinations: {d: {type: '${env.X}', host: h}}", ["destinations.d.type"]),
        ("sources: {s: {type: rest, config: '${env.X}'}}", ["sources.s.config", "sources.s.destinations"]),
        ("destinations: {postgres: {type: '${env.X}', path: h}}", ["destinations.postgres.type"]),
        ("destinations: {d: {type: singer, command: '${env.X}'}}", ["destinations.d.command"]),
        (
            "destinations: {d: {type: singer, command: '${env.X}', a: 1}}",
            ["destinations.d.command", "destinations.d.a"],
        ),
        ("destinations: {d: {type: postgres, host: h, port: '${env.X}'}}", ["destinations.d.port"]),
        ("destinations: {d: {type: postgres, datasource: {host: '${env.X}'}}}", ["destinations.d.datasource.host"]),
        (
            "sources: {s: {type: rest, destinations: d, config: {client: {base_url: '${env.X}'}, resources: [a]}}}",
            ["sources.s.config.client.base_url", "sources.s.destinations"],
        ),
        (
            "sources: {s: {type: synthetic, destinations: ['${env.X}'], collections: a}}",
            ["sources.s.destinations[0]", "sources.s.collections"],
        ),
    ],
)
def test_a_placeholder_without_a_value_is_the_only_problem_of_its_value(text: str, paths: list[str]) -> None:
    try:
        problems = load_catalogue(text, {}).problems
    except CatalogueError as error:
        problems = list(error.problems)
    assert [problem.path for problem in problems] == paths


@pytest.mark.parametrize(
    ("schedule", "hint"),
    [("never", True), ("'off'", True), ("Disabled", True), ("61 * * * *", False), ("often", False)],
)
def test_only_who_wants_no_schedule_reads_how_to_have_none(schedule: str, *, hint: bool) -> None:
    (problem,) = all_problems(
        f"destinations: {{d: {{type: none}}}}\n"
        f"sources: {{s: {{type: synthetic, destinations: d, collections: [a], schedule: {schedule}}}}}"
    )
    assert ("for no schedule write 'none'" in problem) == hint


def test_a_value_that_cannot_be_seen_is_shown_escaped() -> None:
    source = '{type: synthetic, destinations: d, misfire: "skip\u200b", collections: ["new\u00a0york"]}'
    problems = all_problems(f"destinations: {{d: {{type: none}}}}\nsources: {{s: {source}}}")
    assert [problem.removeprefix("catalogue:2: sources.s") for problem in problems] == [
        r".misfire: unknown value 'skip\u200b'; did you mean 'skip'? choose one of skip, latest, all",
        r".collections[0]: the name 'new\xa0york' has a character that cannot be seen: replace U+00A0 (no-break space)",
    ]


def test_a_catalogue_that_cannot_be_used_has_warnings_too(tmp_path: Path) -> None:
    path = tmp_path / "syncline.yaml"
    path.write_text("server: {port: '${PORT}'}\n")
    findings = examine_config(path, {})
    assert [problem.message for problem in findings.problems] == ["must be an integer, not '${PORT}'"]
    assert ["write ${env.PORT}" in warning.message for warning in findings.warnings] == [True]


def test_a_good_catalogue_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "syncline.yaml"
    path.write_text(
        "sources: {s: {type: synthetic, destinations: n, collections: [a, b]}}\ndestinations: {n: {type: none}}"
    )
    findings = examine_config(path, {})
    assert (findings.problems, findings.warnings, findings.sources, findings.collections) == ((), (), 1, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"a: \xff", "cannot be read: not valid UTF-8 (byte 3)"),
        (b"", "is empty"),
    ],
)
def test_an_unreadable_file_is_one_problem(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "syncline.yaml"
    if content is not None:
        path.write_bytes(content)
    assert [str(problem) for problem in examine_config(path, {}).problems] == [f"{path}: {message}"]


class Login(BaseModel):
    token: str
    user: str

    @field_validator("token", "user")
    @classmethod
    def _refused(cls, value: str) -> str:
        raise ValueError(f"{value!r} is not known")


def test_a_validator_that_repeats_a_secret_is_not_quoted_however_short_the_secret_is() -> None:
    given = {"token": "ab", "user": "cd"}
    with pytest.raises(ValidationError) as caught:
        Login.model_validate(given)
    assert list(complaints(caught.value, Login, given)) == [
        (("token",), "is not valid"),
        (("user",), "'cd' is not known"),
    ]


MISUSES = [
    "server: {{admin_token: [{secret}]}}",
    "server: {{secret_key: '{secret}'}}",
    "server: {{secret_key: [[{secret}], {{a: '{secret}'}}]}}",
    "server: {{port: '{secret}', admin_token: '{secret}'}}",
    "sources: {{s: {{type: singer, config: {{tap: '{secret}', config: {{password: '{secret}'}}}}}}}}",
    "sources: {{s: {{type: singer, config: {{password: '{secret}'}}}}}}",
    "sources: {{s: {{type: '{secret}', config: {{token: '{secret}'}}}}}}",
    "sources: {{s: {{schedule: '{secret}', config: {{key: {{a: '{secret}'}}}}}}}}",
    "destinations: {{d: {{type: postgres, password: '{secret}', url: '{secret}', host: '{secret}'}}}}",
    "destinations: {{d: {{type: postgres, url: 'postgresql://me:{secret}@h/d', host: h, sslmode: '{secret}'}}}}",
    "notifications: {{slack: {{url: '{secret}', token: '{secret}'}}}}",
    "password: *{secret}",
    "password: !{secret} x",
]


def test_a_wrong_value_is_shown_unless_it_is_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter22")
    secret = f"${{file.{tmp_path}/secret}}"
    text = f"server: {{port: '${{env.PORT}}', drain_seconds: '${{env.MY_TOKEN}}', retention: '{secret}'}}"
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(text, {"PORT": "eighty", "MY_TOKEN": "t-12345"})
    assert [problem.message for problem in caught.value.problems] == [
        "must be an integer, not 'eighty'",
        "must be a number, not '***'",
        "must be a mapping (key: value), not a string",
    ]


@given(st.from_regex(r"[a-z]{2}[0-9]{4,12}", fullmatch=True), st.sampled_from(MISUSES))
def test_no_problem_ever_repeats_a_secret(secret: str, misuse: str) -> None:
    problems = all_problems(misuse.format(secret=secret))
    assert problems
    assert not [problem for problem in problems if secret in problem or "\n" in problem]
