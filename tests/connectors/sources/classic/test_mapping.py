"""What Jitsu Classic's users wrote, as the connectors of today take it.

The needed parts of the connectors' specifications are recorded in classic_specs.json, from the packages that are named
there: `spec.json`, `spec.yaml`, `manifest.yaml` or the pydantic model in them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from app.bootstrap.trials import path_of
from app.config.reader import load_catalogue
from app.connectors.kinds import SOURCE_TYPES
from app.connectors.options.types import NoParameters
from app.connectors.sources.classic.jobs import rename_offers, translated
from app.connectors.sources.classic.mapping import DRIVERS, Mapped
from app.connectors.sources.classic.options import KINDS, UNMAPPED
from app.domain.attempt_protocol import Offered, SourceJob
from app.domain.collection import CollectionJob
from app.domain.errors import ConfigurationError

SPECS = json.loads(Path(__file__).with_name("classic_specs.json").read_text())
OAUTH = {"type": "OAuth", "client_id": "an id", "client_secret": "a s3cret", "refresh_token": "a t0ken"}
KEY = {"type": "service_account", "project_id": "p", "private_key": "k"}
REPORT = {"dimensions": ["country"], "metrics": ["sessions"]}
WEEKS = "SELECT segments.week FROM campaign WHERE segments.date BETWEEN '2024-05-01' AND '2099-12-31'"
EUROPE = "https://analytics.eu.amplitude.com/"
ADS = {"customer_id": "123-456-7890", "developer_token": "dev", "auth": OAUTH}


def mapped(source_type: str, config: dict[str, Any], wanted: str, /, **settings: Any) -> Mapped:
    kind = KINDS[source_type]
    collection = CollectionJob(
        **{"name": "mine", "type": wanted, "table_name": "t", "start_date": "2024-05-01"} | settings
    )
    parameters = (kind.parameters or NoParameters).model_validate(collection.parameters)
    return DRIVERS[source_type](kind.options.model_validate(config), parameters, collection)


@pytest.mark.parametrize(
    ("source_type", "config", "wanted", "parameters", "told"),
    [
        (
            "amplitude",
            {"api_key": "a", "secret_key": "s"},
            "average_sessions",
            {},
            ["average_session_length", "cohorts"],
        ),
        ("google_analytics", {"property_id": 12, "auth": OAUTH}, "report", REPORT, ["mine", "cohorts", "report"]),
        ("google_play", {"account_id": "1", "auth": OAUTH}, "sales", {}, ["mine"]),
        ("airbyte", {}, "report", {}, ["mine"]),
    ],
)
def test_of_what_a_connector_offers_the_report_is_the_collection(
    source_type: str, config: dict[str, Any], wanted: str, parameters: dict[str, Any], told: list[str]
) -> None:
    collection = CollectionJob(name="mine", type=wanted, table_name="t", start_date="2024-05-01", parameters=parameters)
    job = msgspec.convert(
        {
            "source": "s",
            "source_type": source_type,
            "source_config": config,
            "collection": msgspec.to_builtins(collection),
            "data_dir": "/",
        },
        SourceJob,
    )
    offers = [Offered(name=name, columns={name: "text"}) for name in told]
    kept = [offer.columns for offer in rename_offers(job, offers)]
    assert [offer.name for offer in rename_offers(job, offers)] == ["mine"]
    assert kept == [{("report" if "report" in told else told[0]): "text"}]


@pytest.mark.parametrize(
    ("source_type", "config", "wanted", "parameters", "stream"),
    [
        ("google_analytics", {"property_id": 12, "auth": OAUTH}, "report", REPORT, "report"),
        ("google_analytics", {"property_id": 12, "auth": {"service_account_key": KEY}}, "report", REPORT, "report"),
        (
            "google_analytics",
            {"view_id": "12", "auth": {"service_account_key": json.dumps(KEY)}},
            "report",
            REPORT,
            "report",
        ),
        ("facebook_marketing", {"account_id": 12, "access_token": "t"}, "ads", {}, "ads"),
        (
            "facebook_marketing",
            {"account_id": 12, "access_token": "t"},
            "insights",
            {"fields": ["spend", "clicks"], "level": "campaign"},
            "custom_report",
        ),
        ("google_ads", ADS, "campaign", {"fields": "campaign.id, segments.date,metrics.clicks"}, "report"),
        ("amplitude", {"api_key": "k", "secret_key": "s"}, "events", {}, "events"),
        ("amplitude", {"api_key": "k", "secret_key": "s"}, "average_sessions", {}, "average_session_length"),
        ("amplitude", {"api_key": "k", "secret_key": "s", "server": EUROPE}, "cohorts", {}, "cohorts"),
    ],
)
def test_the_connector_is_told_what_its_specification_asks_for(
    source_type: str, config: dict[str, Any], wanted: str, parameters: dict[str, Any], stream: str
) -> None:
    found = mapped(source_type, config, wanted, parameters=parameters)
    assert found.source_type == "airbyte"
    assert found.collection.type == stream
    assert found.collection.table_name == "t"
    recorded = SPECS[found.config["package"]]
    jsonschema_rs.validate(recorded["spec"], found.config["config"])
    assert stream in recorded["streams"] or recorded["named_by_the_report"]


def test_a_report_keeps_its_dimensions_and_rows_of_several_days_are_told_apart() -> None:
    found = mapped("google_analytics", {"property_id": "1", "auth": OAUTH}, "report", parameters=REPORT)
    assert found.config["config"]["custom_reports_array"] == [
        {"name": "report", "dimensions": ["date", "country"], "metrics": ["sessions"]}
    ]
    assert found.warnings == ()
    universal = mapped("google_analytics", {"view_id": "1", "auth": OAUTH}, "report", parameters=REPORT)
    assert "give a 'property_id'" in universal.warnings[0]


@pytest.mark.parametrize(
    ("fields", "where", "query"),
    [
        (["campaign.id", "segments.date"], "", "SELECT campaign.id, segments.date FROM campaign"),
        ("campaign.id", "", "SELECT campaign.id FROM campaign"),
        ("campaign.id", " Where campaign.id > 5 ", "SELECT campaign.id FROM campaign WHERE campaign.id > 5"),
        (
            "segments.week",
            "",
            WEEKS,
        ),
        (
            "segments.week",
            "campaign.status = 'ENABLED'",
            f"{WEEKS} AND campaign.status = 'ENABLED'",
        ),
    ],
)
def test_a_report_of_google_ads_is_a_query(fields: Any, where: str, query: str) -> None:
    found = mapped("google_ads", ADS, "campaign", parameters={"fields": fields, "where": where})
    assert found.config["config"]["custom_queries_array"] == [{"query": query, "table_name": "report"}]
    assert found.collection.sync_mode == "full_refresh"
    keyed = mapped("google_ads", ADS, "campaign", parameters={"fields": fields}, primary_key=["campaign.id"])
    assert keyed.collection.sync_mode == "incremental"


@pytest.mark.parametrize(
    ("auth", "token"),
    [
        ({"service_account_key": KEY}, KEY),
        ({"service_account_key": json.dumps(KEY)}, KEY),
        ({"service_account_key": "/srv/key.json"}, "/srv/key.json"),
        (OAUTH, OAUTH | {"type": "authorized_user"}),
    ],
    ids=["object", "text", "path", "oauth"],
)
def test_reports_of_google_play_are_files_in_a_bucket(auth: dict[str, Any], token: Any) -> None:
    found = mapped("google_play", {"account_id": "123", "auth": auth}, "sales")
    assert found.source_type == "files"
    assert found.config == {"storage_options": {"token": token}}
    assert found.collection.parameters["path"] == "gs://pubsite_prod_rev_123/sales/salesreport_*.zip"
    assert found.collection.sync_mode == "full_refresh"


@pytest.mark.parametrize(
    ("source_type", "config", "wanted", "parameters", "complaint"),
    [
        ("amplitude", {"api_key": "k", "secret_key": "s"}, "new_users", {}, "has no 'new_users'"),
        (
            "amplitude",
            {"api_key": "k", "secret_key": "s"},
            "other",
            {},
            "unknown collection type 'other'; choose one of active_users",
        ),
        ("facebook_marketing", {"account_id": 1, "access_token": "t"}, "posts", {}, "choose one of ads, insights"),
        ("google_play", {"account_id": "1", "auth": OAUTH}, "crashes", {}, "choose one of sales, earnings"),
        ("google_analytics", {"property_id": 1, "auth": OAUTH}, "other", REPORT, "the only one is 'report'"),
        (
            "google_analytics",
            {"property_id": 1, "auth": OAUTH},
            "report",
            {"dimensions": ["ga:date"], "metrics": ["x"]},
            "'ga:date' is a name of Universal Analytics",
        ),
        ("google_ads", ADS, "campaign; DROP", {"fields": "a"}, "is not a Google Ads report"),
    ],
)
def test_what_cannot_be_mapped_says_what_can(
    source_type: str, config: dict[str, Any], wanted: str, parameters: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        mapped(source_type, config, wanted, parameters=parameters)


CATALOGUE = """
server: {{admin_token: s3cret-token}}
destinations: {{w: {{type: none}}}}
sources:
  mine:
    type: {type}
    destinations: [w]
    config: {config}
    collections: [{collection}]
"""


@pytest.mark.parametrize(
    ("source_type", "config", "collection", "told"),
    [
        *((kind, {}, "users", f"'{kind}' of Jitsu Classic is not supported") for kind in UNMAPPED),
        ("amplitude", {"api_key": "k"}, "events", "secret_key"),
        ("amplitude", {"api_key": "k", "secret_key": "s"}, "new_users", "has no 'new_users'"),
        (
            "google_ads",
            ADS | {"auth": {"service_account_key": KEY}},
            "campaign",
            "Airbyte's connector does not accept a service account in 'auth'",
        ),
        (
            "google_ads",
            ADS | {"auth": {}},
            "campaign",
            "OAuth needs 'client_id', 'client_secret', 'refresh_token'; give that, or 'service_account_key'",
        ),
        ("google_analytics", {"auth": OAUTH}, "report", "give either 'property_id' or 'view_id'"),
    ],
)
def test_a_check_of_the_catalogue_tells_what_cannot_be_read(
    source_type: str, config: dict[str, Any], collection: str, told: str
) -> None:
    text = CATALOGUE.format(type=source_type, config=json.dumps(config), collection=collection)
    assert told in " ".join(map(str, load_catalogue(text, {}).problems))


@pytest.mark.parametrize(
    ("source_type", "config", "collection", "told"),
    [
        (
            "google_ads",
            ADS,
            {"name": "a", "type": "campaign", "parameters": {"fields": "a.b", "where": "segments.date = $date_to"}},
            "parameters.where: '$date_to', which Jitsu Classic replaced day by day, cannot be used: put segments.date",
        ),
        (
            "amplitude",
            {"api_key": "k", "secret_key": "s", "server": "https://proxy.example.com"},
            "events",
            "config.server: must be https://amplitude.com or https://analytics.eu.amplitude.com",
        ),
    ],
)
def test_what_today_s_connectors_cannot_do_is_refused_at_its_key(
    source_type: str, config: dict[str, Any], collection: Any, told: str
) -> None:
    text = CATALOGUE.format(type=source_type, config=json.dumps(config), collection=json.dumps(collection))
    (problem,) = load_catalogue(text, {}).problems
    assert told in str(problem)


def test_the_region_of_amplitude_is_told_only_where_it_is_another() -> None:
    keys = {"api_key": "k", "secret_key": "s"}
    assert mapped("amplitude", {**keys, "server": EUROPE}, "events").config["config"]["data_region"] == (
        "EU Residency Server"
    )
    assert mapped("amplitude", keys, "events") == mapped("amplitude", {**keys, "server": ""}, "events")


def test_a_collection_that_only_classic_could_read_is_left_out_with_a_warning() -> None:
    config = json.dumps({"api_key": "k", "secret_key": "s"})
    text = CATALOGUE.format(type="amplitude", config=config, collection="new_users, events")
    catalogue = load_catalogue(text, {})
    (warning,) = catalogue.warnings
    assert str(warning).startswith("catalogue:9: sources.mine.collections[0]: is left out: Airbyte's connector has no")
    assert (list(catalogue.sources["mine"].collections), catalogue.problems) == (["events"], [])
    assert path_of(catalogue.sources["mine"], "events") == ("sources", "mine", "collections", 1)


def test_a_check_of_the_catalogue_warns_of_what_is_different() -> None:
    wanted = json.dumps({"name": "a", "type": "report", "parameters": REPORT})
    config = json.dumps({"view_id": 5, "auth": OAUTH})
    catalogue = load_catalogue(CATALOGUE.format(type="google_analytics", config=config, collection=wanted), {})
    assert not catalogue.problems
    assert catalogue.sources["mine"].type == "google_analytics"
    assert "Google shut down Universal Analytics" in str(catalogue.warnings[0])


@pytest.mark.parametrize(
    ("source_type", "config"),
    [
        (
            "airbyte",
            {
                "docker_image": "source-mixpanel",
                "image_version": "0.1.5",
                "config": {"api_secret": "an api secret"},
                "initial_state": '{"funnels": {"date": "2022-01-01"}}',
                "stream_table_name_prefix": "mixpanel_",
                "stream_table_names": {"funnels": "funnels"},
                "selected_streams": [
                    {"name": "funnels", "namespace": "", "sync_mode": "incremental", "cursor_field": ["date"]}
                ],
            },
        ),
        ("singer", {"tap": "tap-github", "config": {"access_token": "a t0ken"}, "properties": "/srv/properties.json"}),
    ],
)
def test_sources_that_classic_ran_as_programs_are_as_they_were_written(
    source_type: str, config: dict[str, Any]
) -> None:
    text = CATALOGUE.format(type=source_type, config=json.dumps(config), collection="all")
    catalogue = load_catalogue(text, {})
    assert catalogue.problems == []
    assert catalogue.warnings == ()
    assert catalogue.sources["mine"].config == config


def test_every_type_of_classics_drivers_is_a_type_here() -> None:
    types = {"google_analytics", "firebase", "facebook_marketing", "google_ads", "google_play", "amplitude"}
    assert types == {*DRIVERS, *UNMAPPED} - {"sdk_source"}
    assert set(DRIVERS) < set(SOURCE_TYPES)


def test_the_key_of_a_service_account_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(KEY))
    job = msgspec.convert(
        {
            "source": "mine",
            "source_type": "google_analytics",
            "source_config": {"property_id": "1", "auth": {"service_account_key": str(path)}},
            "collection": {
                "name": "a",
                "type": "report",
                "table_name": "t",
                "start_date": "2024-05-01",
                "parameters": REPORT,
            },
            "data_dir": str(tmp_path),
        },
        SourceJob,
    )
    config = translated(job).source_config["config"]
    assert json.loads(config["credentials"]["credentials_json"]) == KEY
    path.unlink()
    with pytest.raises(ConfigurationError, match="'service_account_key' is neither a JSON object nor a readable file"):
        translated(job)
