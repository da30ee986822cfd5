"""A catalogue written for Jitsu Classic works as it is."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml

from app.config.problems import CatalogueError
from app.config.reader import load_catalogue

# As Classic's users write it: sections of the events pipeline, dotted keys, `datasource`, and sources as documented.
CLASSIC = """
server:
  name: event-us-01
  port: '${env.SERVER_PORT|8001}'
  admin_token: '${env.CLUSTER_ADMIN_TOKEN|env.SERVER_ADMIN_TOKEN|}'
  sources_reload_sec: 1
  disable_welcome_page: true
  log: {path: /home/eventnative/logs/}
  metrics: {prometheus: {enabled: true}}
  sync_tasks:
    pool: {size: 8}
    stalled:
      last_heartbeat_threshold_seconds: 90
      last_activity_threshold_minutes: 10
      observe_stalled_every_seconds: 20
    store_logs: {last_runs: 100}
log.rotation_min: 5
geo.maxmind_path: '${env.MAX_MIND_PATH|}'
api_keys: [client_secret1]
meta: {storage: {redis: {host: '${env.REDIS_URL}'}}}
coordination: {type: redis}
singer-bridge: {python: /usr/bin/python3}
sync-tasks: {store_attempts: 2}
users_recognition: {enabled: false}
notifications: {slack: {url: '${env.SLACK_URL|}'}}
destinations:
  warehouse:
    type: postgres
    mode: batch
    only_tokens: [client_secret1]
    datasource:
      {host: db.internal, port: "5432", db: app, schema: jitsu, username: me, password: hunter22,
       parameters: {sslmode: disable}}
    data_layout: {primary_key_fields: [eventn_ctx_event_id]}
sources:
  github:
    type: singer
    destinations: [warehouse]
    post_handle_destinations: []
    project_name: mine
    schedule: '@daily'
    config:
      tap: tap-github
      config: {access_token: abcd1234}
      properties: /config/github.json
      initial_state: '{}'
      stream_table_names: {commits: github_commits}
  made:
    type: synthetic
    destinations: [warehouse]
    collections:
      - name: report_test
        type: report
        table_name: report
        start_date: "2020-06-01"
        schedule: "*/5 * * * *"
        mode: full_sync
        parameters: {records: 10}
      - plain
"""
SECTIONS = (
    "api_keys, coordination, geo.maxmind_path, log.rotation_min, meta, singer-bridge, sync-tasks, users_recognition"
)


def test_it_loads_with_a_warning_for_all_that_has_no_meaning_here() -> None:
    catalogue = load_catalogue(CLASSIC, {})
    assert [str(problem) for problem in catalogue.problems] == []
    without_effect = "is accepted but has no effect yet"
    assert [(warning.path, warning.message.rpartition(": ")[2]) for warning in catalogue.warnings] == [
        ("", SECTIONS),
        ("server.sync_tasks.stalled.observe_stalled_every_seconds", without_effect),
        ("server", "disable_welcome_page, log, metrics, name"),
        ("destinations.warehouse.data_layout.primary_key_fields", "classic' at this destination"),
        ("destinations.warehouse", "mode, only_tokens"),
        ("sources.github", "post_handle_destinations, project_name"),
        ("sources.made.collections[0]", "mode"),
    ]


KEYED = """
destinations:
  warehouse:
    type: postgres
    url: postgresql://me@db/app
    naming: {naming}
    data_layout: {layout}
"""


def test_the_key_of_its_tables_is_an_option_where_they_are_loaded_on() -> None:
    catalogue = load_catalogue(KEYED.format(naming="classic", layout="{primary_key_fields: [id, src]}"), {})
    assert catalogue.destinations["warehouse"].options["primary_key_fields"] == ["id", "src"]
    assert catalogue.warnings == ()
    more = load_catalogue(KEYED.format(naming="classic", layout="{primary_key_fields: [id], max_columns: 5}"), {})
    assert more.destinations["warehouse"].options["primary_key_fields"] == ["id"]
    assert [each.message for each in more.warnings] == [
        "ignored: keys of Jitsu Classic that have no effect here: data_layout"
    ]
    none = load_catalogue(KEYED.format(naming="classic", layout="{primary_key_fields: []}"), {})
    assert "primary_key_fields" not in none.destinations["warehouse"].options


def test_where_the_key_of_its_tables_has_no_effect_a_warning_says_what_would_give_it_one() -> None:
    (warning,) = load_catalogue(KEYED.format(naming="as_is", layout="{primary_key_fields: [id]}"), {}).warnings
    assert warning.path == "destinations.warehouse.data_layout.primary_key_fields"
    assert warning.message == (
        "ignored: to load on into the tables of Jitsu Classic, set 'naming: classic' at this destination"
    )


def test_a_wrong_key_of_its_tables_is_told_where_it_is_written() -> None:
    (problem,) = load_catalogue(KEYED.format(naming="classic", layout="{primary_key_fields: {a: 1}}"), {}).problems
    assert problem.path == "destinations.warehouse.data_layout.primary_key_fields"


def test_a_key_of_its_tables_means_nothing_under_other_names() -> None:
    written = KEYED.format(naming="as_is", layout="{}").replace("data_layout: {}", "primary_key_fields: [id]")
    (problem,) = load_catalogue(written, {}).problems
    assert "'primary_key_fields' is a key of Jitsu Classic's tables: set 'naming: classic' as well" in str(problem)


def test_a_warning_is_placed_at_the_first_key_that_has_no_meaning() -> None:
    (warning,) = load_catalogue("server:\n  port: 8001\n  name: event-us-01\n", {}).warnings
    assert warning.place == "catalogue:3"


@pytest.mark.parametrize("key", ["server:\n  ui.enabled: 5", "server.ui.enabled: 5", "server.ui:\n  enabled: 5"])
def test_a_key_with_dots_is_placed_at_its_own_line(key: str) -> None:
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(f"destinations: {{}}\n{key}\n", {})
    (problem,) = caught.value.problems
    assert (problem.path, problem.place) == ("server.ui.enabled", f"catalogue:{2 + key.count(chr(10))}")


@pytest.mark.parametrize(
    "wrong", ["collections: 5", "collections: {a: 1}", "schedule: [1]", "collections: [[a], 1.5, null]"]
)
@pytest.mark.parametrize(
    "source", ["type: singer, config: {tap: t}", "type: redis, config: {host: '://'}", "type: redis, config: 5"]
)
def test_no_mistake_stops_the_comparison_with_classic(source: str, wrong: str) -> None:
    catalogue = load_catalogue(
        f"destinations: {{d: {{type: none}}}}\nsources: {{S: {{{source}, {wrong}, destinations: d}}}}", {}
    )
    assert catalogue.problems
    assert "unexpected error" not in " ".join(map(str, catalogue.problems))


def test_its_sources_and_collections_mean_what_they_meant() -> None:
    sources = load_catalogue(CLASSIC, {}).sources
    assert list(sources["github"].collections) == ["all"]
    assert sources["github"].collections["all"].schedule == "@daily"
    report, plain = sources["made"].collections.values()
    assert (report.type, report.table_name, report.schedule) == ("report", "report", "*/5 * * * *")
    assert report.start_date == dt.date(2020, 6, 1)
    assert (plain.type, plain.table_name, plain.schedule, plain.start_date) == ("plain", "made_plain", None, None)


def test_its_datasource_becomes_the_destination_s_options() -> None:
    assert load_catalogue(CLASSIC, {}).destinations["warehouse"].options == {
        "host": "db.internal",
        "port": "5432",
        "database": "app",
        "schema": "jitsu",
        "user": "me",
        "password": "hunter22",
        "sslmode": "disable",
    }


def test_a_key_that_a_kind_of_destination_has_is_not_taken_for_one_of_classic() -> None:
    target = {"type": "singer", "package": "target-jsonl==0.1.4"}
    catalogue = load_catalogue(yaml.safe_dump({"destinations": {"target": target | {"only_tokens": ["a"]}}}), {})
    assert catalogue.problems == []
    assert catalogue.destinations["target"].for_attempt() == target
    assert [warning.message.rpartition(": ")[2] for warning in catalogue.warnings] == ["only_tokens"]


def test_its_server_keys_have_their_meaning() -> None:
    server = load_catalogue(CLASSIC, {"SERVER_ADMIN_TOKEN": "t-1234", "SERVER_PORT": "9000"}).server
    assert (server.admin_token, server.port, server.sync_tasks.pool.size) == ("t-1234", 9000, 8)
    assert server.sync_tasks.stalled.last_heartbeat_threshold_seconds == 90
