"""Sources and destinations that are in no catalogue: tested, discovered and described, where that is allowed."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from app.api.http.connector_calls import MOST_AT_ONCE
from app.bootstrap.unsaved import UnsavedConfigurations
from app.config.reader import load_catalogue
from app.config.unsaved import UNSAVED, Unsaved
from app.domain.attempt_protocol import Offered
from app.domain.errors import SynclineError
from tests.harness import PATIENCE_SECONDS
from tests.integration.api.serving import TOKEN
from tests.servers.package_index import WHEEL, forget_settings, wheel
from tests.servers.postgres import database_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from tests.harness import Store
    from tests.integration.api.serving import OpenedApi
    from tests.servers.postgres import TcpServer

ALLOWING = f"server: {{admin_token: {TOKEN}, ad_hoc_trials: true}}"
SECRET = "hunter22-hunter22"
# As Classic's configurator sends it.
SOURCE = {
    "source_id": "prj.shop",
    "type": "singer",
    "destinations": [],
    "config": {"tap": "tap-made", "config": {"api_key": SECRET}},
}
DESTINATION = {"type": "postgres", "datasource": {"host": "db", "db": "d", "username": "u", "password": SECRET}}
NOT_ALLOWED = {
    "message": "Unsaved configurations are disabled",
    "error": "set 'server.ad_hoc_trials: true' in the catalogue to allow it: whoever has a token with scope 'admin' "
    "can then run programs on this machine",
}
REQUESTS = [
    ("POST", "/sources/test", SOURCE),
    ("POST", "/sources/discover", SOURCE),
    ("POST", "/destinations/test", DESTINATION),
    ("POST", "/singer/tap-made/catalog?source_id=prj.shop", {"api_key": SECRET}),
    ("POST", "/airbyte/source-made/catalog?image_version=1.2.3", {"api_key": SECRET}),
    ("GET", "/airbyte/source-made/spec", None),
    ("GET", "/airbyte/source-made/versions", None),
]
CATALOG = {"streams": [{"tap_stream_id": "users", "schema": {"multipleOf": 0.1}, "metadata": []}]}


@dataclass
class Trials:
    """Answers instead of connectors."""

    tried: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    error: Exception | None = None
    goes_on: asyncio.Event | None = None
    begun: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def _try(self, type_: str, config: dict[str, Any], tell: Callable[[str], None] | None = None) -> None:
        self.tried.append((type_, config))
        self.begun.release()
        if self.goes_on:
            await self.goes_on.wait()
        for line in self.says:
            if tell:
                tell(line)
        if self.error:
            raise self.error

    async def test_source(self, unsaved: Unsaved, tell: Callable[[str], None]) -> None:
        source = unsaved.catalogue.find_source(UNSAVED)
        await self._try(source.type, source.config, tell)

    async def test_destination(self, unsaved: Unsaved) -> None:
        destination = unsaved.catalogue.destinations[UNSAVED]
        await self._try(destination.type, destination.options)

    async def discover(self, unsaved: Unsaved, tell: Callable[[str], None]) -> list[Offered]:
        await self.test_source(unsaved, tell)
        return [Offered("users", {"id": "integer"})]

    async def read_catalog(self, unsaved: Unsaved, tell: Callable[[str], None]) -> str:
        await self.test_source(unsaved, tell)
        return json.dumps(CATALOG)

    async def read_specification(self, source_type: str, origin: dict[str, Any]) -> dict[str, Any]:
        await self._try(source_type, origin)
        return {"type": "object"}

    async def list_versions(self, image: str) -> list[str]:
        await self._try("versions", {"image": image})
        return ["2.0.0", "1.10.0"]


@pytest.fixture
def trials(api: OpenedApi) -> Trials:
    """What is tried where the catalogue allows it."""
    api.surroundings.catalogue = load_catalogue(ALLOWING, {})
    trials = Trials()
    api.app.state.services = replace(api.app.state.services, unsaved=trials)
    return trials


@pytest.fixture
def real(api: OpenedApi, tmp_path: Path) -> None:
    """Connectors in processes of their own."""
    api.surroundings.catalogue = load_catalogue(ALLOWING, {})
    api.app.state.services = replace(api.app.state.services, unsaved=UnsavedConfigurations(tmp_path / "data"))


async def ask(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await client.request(method, f"/api/v1{path}", json=body)
    return answer.status_code, answer.json()


@pytest.mark.parametrize("request_", REQUESTS)
async def test_nothing_is_tried_unless_the_catalogue_allows_it(
    client: httpx.AsyncClient, api: OpenedApi, trials: Trials, request_: tuple[str, str, Any]
) -> None:
    for server in ("", ", ad_hoc_trials: false"):
        api.surroundings.catalogue = load_catalogue(f"server: {{admin_token: {TOKEN}{server}}}", {})
        assert await ask(client, *request_) == (403, NOT_ALLOWED)
    assert trials.tried == []


async def test_answers_are_those_of_classic(client: httpx.AsyncClient, trials: Trials) -> None:
    answers = [await ask(client, *request) for request in REQUESTS]
    assert answers == [
        (200, {"status": "ok"}),
        (
            200,
            {
                "source": "unsaved",
                "collections": [
                    {
                        "name": "users",
                        "columns": [{"name": "id", "type": "integer"}],
                        "primary_key": [],
                        "cursor_fields": [],
                        "sync_modes": ["full_refresh"],
                    }
                ],
            },
        ),
        (200, {"status": "ok"}),
        (200, {"status": "ok", "catalog": CATALOG}),
        (200, {"status": "ok", "catalog": CATALOG}),
        (
            200,
            {"status": "ok", "spec": {"type": "SPEC", "spec": {"connectionSpecification": {"type": "object"}}}},
        ),
        (200, {"versions": ["2.0.0", "1.10.0"]}),
    ]
    own = {"api_key": SECRET}
    assert trials.tried == [
        ("singer", {"tap": "tap-made", "config": own}),
        ("singer", {"tap": "tap-made", "config": own}),
        ("postgres", {"host": "db", "database": "d", "user": "u", "password": SECRET}),
        ("singer", {"tap": "tap-made", "config": own}),
        ("airbyte", {"docker_image": "source-made", "image_version": "1.2.3", "config": own}),
        ("airbyte", {"docker_image": "source-made"}),
        ("versions", {"image": "source-made"}),
    ]


async def test_what_is_ignored_and_what_the_connector_has_changed_is_told(
    client: httpx.AsyncClient, trials: Trials
) -> None:
    trials.says = ["the connector renewed its configuration, and the new one is lost"]
    ignored = "ignored: keys of Jitsu Classic that have no effect here: project_name"
    body = SOURCE | {"project_name": "Shop"}
    expected = {"status": "ok", "warnings": [ignored, *trials.says]}
    assert await ask(client, "POST", "/sources/test", body) == (200, expected)
    assert (await ask(client, "POST", "/sources/discover", body))[1]["warnings"] == expected["warnings"]
    assert (await ask(client, "POST", "/singer/tap-made/catalog", {}))[1]["warnings"] == trials.says
    layout = DESTINATION | {"data_layout": {}}
    ignored = ignored.replace("project_name", "data_layout")
    assert await ask(client, "POST", "/destinations/test", layout) == (200, {"status": "ok", "warnings": [ignored]})


@pytest.mark.parametrize("request_", REQUESTS)
async def test_the_message_says_why_a_connector_failed_because_classics_clients_show_no_more(
    client: httpx.AsyncClient, trials: Trials, request_: tuple[str, str, Any]
) -> None:
    trials.error = SynclineError("no such host")
    failed = {"message": "Connector failed: no such host", "error": "no such host"}
    assert await ask(client, *request_) == (400, failed)


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (
            "/sources/test",
            {"type": "shop", "config": {}},
            (
                "Invalid configuration: ",
                "type: unknown source type 'shop'; ",
            ),
        ),
        (
            "/sources/discover",
            {"type": "singer", "config": {"command": "tap"}},
            (
                "Invalid configuration: ",
                "config.command: allowed only in the catalogue, because it names a program, ",
            ),
        ),
        (
            "/destinations/test",
            {"type": "postgres", "host": "${env.HOST}"},
            (
                "Invalid configuration: ",
                "host: has a placeholder, which is replaced only in a catalogue: send the value itself",
            ),
        ),
        (
            "/singer/tap%20x/catalog",
            {},
            (
                "Invalid configuration: ",
                "config.tap: 'tap x' is not a package name; write name or name==version",
            ),
        ),
        (
            "/sources/test",
            SOURCE | {"source": "shop"},
            (
                "Error parsing 'source' field",
                "'source' is the id of a saved source, and cannot be combined with the configuration of an unsaved one",
            ),
        ),
        (
            "/destinations/test",
            DESTINATION | {"destination": "lake"},
            (
                "Error parsing 'destination' field",
                "'destination' is the id of a saved destination, and cannot be combined with ",
            ),
        ),
        ("/singer/tap-made/catalog", [], ("Failed to parse body", "the body must be a JSON object")),
    ],
)
async def test_a_wrong_configuration_is_refused_before_anything_runs(
    client: httpx.AsyncClient, trials: Trials, path: str, body: Any, expected: tuple[str, str]
) -> None:
    message, error = expected
    status, document = await ask(client, "POST", path, body)
    assert (status, document["error"].startswith(error)) == (400, True), document
    assert document["message"] == (message + document["error"] if message.endswith(": ") else message)
    assert trials.tried == []


async def test_a_saved_destination_can_be_tested_as_well(client: httpx.AsyncClient, api: OpenedApi) -> None:
    assert await ask(client, "POST", "/destinations/test", {"destination": "nowhere"}) == (200, {"status": "ok"})
    assert api.surroundings.tried == [("nowhere", None)]
    assert await ask(client, "POST", "/destinations/test", {}) == (400, {"message": "'destination' is required field"})
    unknown = {"message": "Error getting destination", "error": "unknown destination 'x'; the only one is 'nowhere'"}
    assert await ask(client, "POST", "/destinations/test", {"destination": "x"}) == (404, unknown)


async def test_a_secret_is_in_no_log_and_in_no_event(client: httpx.AsyncClient, api: OpenedApi, trials: Trials) -> None:
    with structlog.testing.capture_logs() as logs:
        for error in (None, SynclineError("no such host"), ZeroDivisionError("a fault of the program")):
            trials.error = error
            for request in REQUESTS:
                await ask(client, *request)
        await ask(client, "POST", "/sources/test", SOURCE | {"schedule": SECRET})
    assert {entry["status"] for entry in logs if entry["event"] == "request"} == {200, 400, 500}
    assert SECRET not in str(logs)
    assert await api.pool.fetchval("SELECT count(*) FROM syncline.events") == 0


async def test_unsaved_and_saved_sources_are_limited_together(client: httpx.AsyncClient, trials: Trials) -> None:
    trials.goes_on = asyncio.Event()
    posts = [asyncio.create_task(ask(client, *REQUESTS[number])) for number in range(MOST_AT_ONCE)]
    for _ in posts:
        await trials.begun.acquire()
    async with asyncio.timeout(PATIENCE_SECONDS):
        status, document = await ask(client, *REQUESTS[0])
    assert (status, document["message"]) == (429, "Too many connector calls at once")
    trials.goes_on.set()
    assert [status for status, _ in await asyncio.gather(*posts)] == [200] * MOST_AT_ONCE


async def test_other_requests_go_on_while_options_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def refuse(*_arguments: object, **_names: object) -> None:
        threads.append(threading.current_thread())
        raise SynclineError("wrong")

    monkeypatch.setattr("app.bootstrap.unsaved.validated", refuse)
    with pytest.raises(SynclineError, match="wrong"):
        await UnsavedConfigurations(tmp_path).read_specification("airbyte", {})
    assert threads
    assert threading.main_thread() not in threads


TAP = """
import json, sys
def main():
    config = json.load(open(sys.argv[sys.argv.index("--config") + 1]))
    if config.get("phrase"):
        sys.exit("cannot log in with " + config["api_key"])
    schema = {"type": "object", "properties": {"id": {"type": "integer", "multipleOf": 0.1}}}
    stream = {"stream": "users", "tap_stream_id": "users", "schema": schema, "metadata": [], "note": config["api_key"]}
    print(json.dumps({"streams": [stream]}))
"""


@pytest.mark.usefixtures("real")
async def test_a_tap_that_is_not_installed_yet_shows_its_catalog_without_secrets(
    client: httpx.AsyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_settings(monkeypatch, tmp_path)
    (tmp_path / WHEEL).write_bytes(wheel("tap-made", module=TAP))
    for name in ("UV_FIND_LINKS", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("UV_NO_INDEX", "PIP_NO_INDEX"):
        monkeypatch.setenv(name, "1")
    status, document = await ask(client, "POST", "/singer/tap-made==1.0/catalog", {"api_key": SECRET})
    assert status == 200, document
    [stream] = document["catalog"]["streams"]
    assert (stream["tap_stream_id"], stream["note"]) == ("users", "***")
    assert stream["schema"]["properties"] == {"id": {"type": "integer", "multipleOf": 0.1}}
    config = {"tap": "tap-made==1.0", "config": {"api_key": SECRET}}
    assert await ask(client, "POST", "/sources/test", {"type": "singer", "config": config}) == (200, {"status": "ok"})
    config["config"] = {"api_key": SECRET, "phrase": "x"}
    status, document = await ask(client, "POST", "/sources/test", {"type": "singer", "config": config})
    assert status == 400
    assert "cannot log in with ***" in document["message"]
    assert SECRET not in str(document)


@pytest.mark.usefixtures("real")
async def test_a_database_is_tested_and_discovered_before_it_is_saved(
    client: httpx.AsyncClient, store: Store, database_url: str, tcp_postgres: TcpServer
) -> None:
    name, server = database_name(database_url), tcp_postgres
    url = f"postgresql://{server['user']}:{server['password']}@{server['host']}:{server['port']}/{name}"
    await store.admin.execute("CREATE TABLE public.orders (id integer PRIMARY KEY)")
    source = {"type": "sql", "config": {"url": url, "schema": "public"}}
    status, document = await ask(client, "POST", "/sources/discover", source)
    assert (status, [each["name"] for each in document["collections"]]) == (200, ["orders"]), document
    tested = await ask(client, "POST", "/sources/test", source | {"collections": ["orders"]})
    assert tested == (200, {"status": "ok"})
    status, document = await ask(client, "POST", "/sources/test", source | {"collections": ["missing"]})
    assert (status, "missing" in document["message"]) == (400, True)
    status, document = await ask(client, "POST", "/destinations/test", {"type": "postgres", "url": url})
    assert (status, document) == (200, {"status": "ok"})
    tables = await store.admin.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert tables == 1, "nothing is left there"
