"""What connectors renew of their configuration: kept for the next attempts, encrypted, and of the latest renewal."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from app.bootstrap.renewals import renewed_configs
from app.bootstrap.trials import try_collections
from app.config.reader import load_catalogue
from app.config.settings import Settings
from app.connectors.programs.documents import read_document
from app.domain.attempt_protocol import ConfigRenewed, Discover
from app.domain.renewal import Owner
from app.execution import source_check
from app.execution.renewals import Renewals
from app.projections import rebuild, verify
from app.store.renewals import RenewedConfigs
from tests.harness import opened_store, running_worker, write_config
from tests.integration.execution.children import use_children

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection
    from pathlib import Path
    from uuid import UUID

    from app.domain.renewal import Renewal, SealedConfig
    from tests.harness import Store

KEY = "first-secret-key-with-32-characters"
OTHER_KEY = "other-secret-key-with-32-characters"
LOST = "'server.secret_key' is not set"

# What an OAuth provider does: each refresh token is valid once, and gives the next one.
PROVIDER = """
import json, pathlib, sys
VALID = pathlib.Path(__file__).with_name("valid")
def renew(config):
    token = config["refresh_token"]
    if token != VALID.read_text():
        sys.exit(f"AuthError: invalid_grant for {token}")
    number = int(token.rpartition("-")[2]) + 1
    VALID.write_text(f"t0k3n-{number}")
    return config | {"refresh_token": f"t0k3n-{number}"}
"""
TAP = """
import json, sys
from provider import renew
path = sys.argv[sys.argv.index("--config") + 1]
config = renew(json.load(open(path)))
json.dump(config, open(path, "w"))
if "fifo" in config:
    open(config["fifo"]).read()
if "--discover" in sys.argv:
    print(json.dumps({"streams": [{"tap_stream_id": name, "stream": name, "schema": {}} for name in ("a", "b")]}))
    sys.exit()
catalog = json.load(open(sys.argv[sys.argv.index("--catalog") + 1]))
for stream in catalog["streams"]:
    properties = {"id": {"type": "integer"}}
    schema = {"type": "SCHEMA", "stream": stream["stream"], "key_properties": ["id"]}
    print(json.dumps(schema | {"schema": {"properties": properties}}))
    print("has " + config["refresh_token"] + " now", flush=True)
    print(json.dumps({"type": "RECORD", "stream": stream["stream"], "record": {"id": 1}}))
    print(json.dumps({"type": "STATE", "value": {"at": 1}}))
if config.get("fails"):
    sys.exit("ApiError: the provider is down")
"""
CONNECTOR = """
import json, sys
from provider import renew
def say(kind, **fields):
    print(json.dumps({"type": kind} | fields), flush=True)
command = sys.argv[1]
if command == "spec":
    say("SPEC", spec={"connectionSpecification": {"properties": {"refresh_token": {"airbyte_secret": True}}}})
    sys.exit()
config = renew(json.load(open(sys.argv[sys.argv.index("--config") + 1])))
say("CONTROL", control={"type": "CONNECTOR_CONFIG", "emitted_at": 1, "connectorConfig": {"config": config}})
say("LOG", log={"level": "INFO", "message": "has " + config["refresh_token"] + " now"})
if command == "check":
    say("CONNECTION_STATUS", connectionStatus={"status": "SUCCEEDED"})
elif command == "discover":
    columns = {"type": "object", "properties": {"id": {"type": "integer"}}}
    streams = [{"name": name, "json_schema": columns, "supported_sync_modes": ["full_refresh"]} for name in ("a", "b")]
    say("CATALOG", catalog={"streams": streams})
elif command == "read":
    say("RECORD", record={"stream": "a", "emitted_at": 1, "data": {"id": 1}})
"""
CATALOG: dict[str, Any] = {"streams": [{"tap_stream_id": name, "stream": name, "schema": {}} for name in ("a", "b")]}


@dataclass
class Shop:
    """A source whose credentials are valid once."""

    url: str
    directory: Path
    type: str = "singer"
    config: dict[str, Any] = field(default_factory=lambda: {"refresh_token": "t0k3n-1", "rate": 0.1})
    options: dict[str, Any] = field(default_factory=dict)
    server: dict[str, Any] = field(default_factory=lambda: {"secret_key": KEY})
    source: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        program = self.directory / "program.py"
        program.write_text(TAP if self.type == "singer" else CONNECTOR)
        (self.directory / "provider.py").write_text(PROVIDER)
        self.options |= {"command": [sys.executable, str(program)]}
        if self.type == "singer":
            self.options["catalog"] = CATALOG
        self.valid = "t0k3n-1"

    @property
    def valid(self) -> str:
        """The refresh token that the provider accepts."""
        return (self.directory / "valid").read_text()

    @valid.setter
    def valid(self, token: str) -> None:
        (self.directory / "valid").write_text(token)

    def write(self) -> Path:
        source: dict[str, Any] = self.source | {
            "type": self.type,
            "destinations": ["nowhere"],
            "collections": ["a", "b"],
            "config": self.options | {"config": self.config},
        }
        return write_config(self.directory / "config.yaml", {"shop": source}, **self.server)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Store]:
        async with opened_store(self.url) as store, running_worker(self.url, self.write()):
            yield store

    async def load(self, *, status: str = "SUCCESS") -> str:
        """The log of a task under a worker of its own."""
        async with self.opened() as store:
            return (await load(store, status=status))[1]


async def load(store: Store, *, status: str = "SUCCESS", collection: str = "a") -> tuple[UUID, str]:
    """A task of one attempt, and its log."""
    task = await store.schedule(collection, "shop", source_type="singer", max_attempts=1)
    assert await store.ended(task) == status, await store.messages(task)
    return task, "\n".join(f"{row['level']}: {row['message'].split('] ', 1)[-1]}" for row in await store.log(task))


@pytest.fixture
def shop(database_url: str, tmp_path: Path) -> Shop:
    return Shop(database_url, tmp_path)


@pytest.mark.parametrize("type_", ["singer", "airbyte"])
async def test_a_refresh_token_that_is_valid_once_serves_every_attempt(
    database_url: str, tmp_path: Path, type_: str
) -> None:
    shop = Shop(database_url, tmp_path, type_)
    async with shop.opened() as store:
        logs = [(await load(store, collection=collection))[1] for collection in ("a", "b", "a")]
        assert "info: the connector renewed its configuration: it is kept for the next attempts" in logs[0]
        # Airbyte also discovers, but only once.
        assert shop.valid == ("t0k3n-4" if type_ == "singer" else "t0k3n-5")
        catalogs = [*(tmp_path / "data" / "catalogs").glob("*.json")]
        assert len(catalogs) == (0 if type_ == "singer" else 1)


async def test_a_renewal_is_an_event_and_its_secrets_are_nowhere(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    async with shop.opened() as store:
        task, log = await load(store)
        [renewal] = [event for event in await store.events(task) if event.type == "ConfigRenewed"]
        assert renewal.data == {"renewal": 1, "role": "source", "name": "shop", "kept": True}
        assert (await store.folded(task)).version == await store.pool.fetchval("SELECT version FROM syncline.all_tasks")
        await load(store)
        assert log.count("debug: has *** now") == 2
        kept = await store.everything() + capfd.readouterr().err
        assert "renewed_configs" in kept
        assert not [secret for secret in ("t0k3n-", b"t0k3n-".hex(), KEY) if secret in kept]
        assert await verify(store.pool) == []
        assert await rebuild(store.pool, "tasks") == 2
        assert await verify(store.pool) == []
        reports = await store.admin.fetch("SELECT type FROM reporting.task_events")
        assert [row["type"] for row in reports].count("ConfigRenewed") == 2


async def test_what_was_renewed_before_a_failure_is_kept(shop: Shop) -> None:
    shop.config["fails"] = True
    for _ in range(2):
        log = await shop.load(status="FAILED")
        assert "the provider is down" in log
    assert shop.valid == "t0k3n-3"


async def test_a_changed_configuration_in_the_catalogue_wins(shop: Shop) -> None:
    await shop.load()
    shop.valid = shop.config["refresh_token"] = "t0k3n-40"
    log = await shop.load()
    assert "source 'shop': its configuration in the catalogue was changed after its connector had renewed it" in log
    await shop.load()
    assert shop.valid == "t0k3n-42"


async def test_an_attempt_that_began_before_a_change_replaces_nothing_newer(shop: Shop) -> None:
    await shop.load()
    old, old_token = dict(shop.config), shop.valid
    shop.valid = shop.config["refresh_token"] = "t0k3n-40"
    await shop.load()
    # As the worker that still has the old catalogue, with credentials that are valid as well.
    new, new_token = dict(shop.config), shop.valid
    shop.config, shop.valid = old, old_token
    await shop.load()
    shop.config, shop.valid = new, new_token
    await shop.load()
    assert shop.valid == "t0k3n-42"


async def test_a_configuration_file_is_read_once(shop: Shop) -> None:
    """What changes between the worker's look and that of the program would be kept under the wrong digest."""
    path = shop.directory / "shop.json"
    path.write_text('{"refresh_token": "t0k3n-1", "rate": 0.1}')
    shop.options["config"] = str(path)
    kept: list[Renewal] = []

    def renewals(*found: SealedConfig) -> Renewals:
        async def find(owners: Collection[Owner]) -> dict[Owner, list[SealedConfig]]:
            return {owner: [*found] for owner in owners}

        async def keep(renewal: Renewal) -> None:
            kept.append(renewal)

        async def tell(_level: str, _line: str) -> None:
            return

        return Renewals(find=find, keep=keep, tell=tell)

    job = Discover(source="shop", source_type="singer", source_config=shop.options, collections=[], data_dir="data")
    first = renewals()
    laid_over = await first.lay_over(job, [KEY])
    path.write_text('{"refresh_token": "t0k3n-40", "rate": 0.1}')
    given = read_document(laid_over.source_config["config"], "config")
    assert given == {"refresh_token": "t0k3n-1", "rate": Decimal("0.1")}
    first.note(ConfigRenewed('{"refresh_token": "t0k3n-2"}'))
    await first.keep_noted()
    path.write_text('{"refresh_token": "t0k3n-1", "rate": 0.1}')
    [renewal] = kept
    assert renewal.config is not None
    assert (await renewals(renewal.config).lay_over(job, [KEY])).renewed_config == '{"refresh_token": "t0k3n-2"}'


async def test_an_attempt_waits_for_what_was_renewed_until_its_timeout(shop: Shop) -> None:
    shop.source["timeout"] = "1s"
    async with shop.opened() as store, store.admin.transaction():
        await store.admin.execute("LOCK TABLE syncline.renewed_configs IN ACCESS EXCLUSIVE MODE")
        _, log = await load(store, status="FAILED")
        assert "source 'shop', collection 'a': timeout: the attempt took longer than 1s" in log


async def test_an_attempt_that_may_not_look_fails_and_says_what_helps(shop: Shop) -> None:
    async with shop.opened() as store:
        await store.admin.execute("REVOKE SELECT ON syncline.renewed_configs FROM syncline_app")
        _, log = await load(store, status="FAILED")
        assert "permission denied for table renewed_configs: 'syncline doctor' says what to grant" in log
        assert shop.valid == "t0k3n-1"


async def test_a_renewal_that_may_not_be_kept_is_told(shop: Shop) -> None:
    async with shop.opened() as store:
        await store.admin.execute("REVOKE INSERT ON syncline.renewed_configs FROM syncline_app")
        _, log = await load(store)
        assert "warn: the connector renewed its configuration, and the new one is lost: permission denied" in log


async def test_other_options_of_the_source_may_change(shop: Shop) -> None:
    await shop.load()
    shop.options["discovery_max_age"] = "2h"
    await shop.load()


async def test_another_secret_key_is_told_and_the_catalogue_counts(shop: Shop) -> None:
    await shop.load()
    shop.server["secret_key"] = OTHER_KEY
    log = await shop.load(status="FAILED")
    assert (
        "warn: source 'shop': the configuration in the catalogue is used, not the one that its connector has renewed, "
        "because none of 'server.secret_key' is the key that it is encrypted with"
    ) in log
    assert "AuthError: invalid_grant for ***" in log
    # As advised.
    shop.server["secret_key"] = [OTHER_KEY, KEY]
    await shop.load()
    shop.server["secret_key"] = OTHER_KEY
    await shop.load()


async def test_without_a_secret_key_the_log_says_what_is_lost(shop: Shop) -> None:
    shop.server.clear()
    async with shop.opened() as store:
        task, log = await load(store)
        assert "warn: the connector renewed its configuration: it has new credentials, which are not kept" in log
        assert f"{LOST}. If the old ones are no longer valid, the next attempt fails: set 'server.secret_key'" in log
        assert "'openssl rand -base64 32'" in log
        [renewal] = [event for event in await store.events(task) if event.type == "ConfigRenewed"]
        assert renewal.data["kept"] is False
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.renewed_configs") == 0
        await load(store, status="FAILED")


async def test_a_damaged_row_is_told(shop: Shop) -> None:
    await shop.load()
    async with opened_store(shop.url) as store:
        await store.pool.execute("UPDATE syncline.renewed_configs SET sealed = substr(sealed, 1, 20)")
    log = await shop.load(status="FAILED")
    assert "because its row in 'syncline.renewed_configs' is damaged: delete the row" in log


@pytest.mark.parametrize("ending", ["killed", "canceled", "failing"])
async def test_what_was_on_its_way_when_the_attempt_ended_is_kept(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    collection = f"renewing-{ending}"
    config = use_children(monkeypatch, tmp_path, server={"secret_key": KEY})
    async with opened_store(database_url) as store, running_worker(database_url, config):
        task = await store.schedule(collection, max_attempts=1)
        if ending == "canceled":
            await store.logged(task, "pids")
            await store.queue.cancel(task)
            await store.notify()
        await store.ended(task)
        types = await store.types(task)
        assert types[-2:] == ["ConfigRenewed", "TaskCanceled" if ending == "canceled" else "TaskFailed"]
        assert await store.pool.fetchval("SELECT count(*) FROM syncline.renewed_configs") == 1
        assert "fresh-t0k3n" not in await store.everything()


@pytest.mark.parametrize("type_", ["singer", "airbyte"])
async def test_checks_and_discoveries_use_and_keep_what_was_renewed(
    database_url: str, tmp_path: Path, type_: str
) -> None:
    shop = Shop(database_url, tmp_path, type_)
    shop.options.pop("catalog", None)
    async with shop.opened() as store:
        catalogue = load_catalogue(shop.write(), {})
        source, given = catalogue.find_source("shop"), {"data_dir": tmp_path / "data", "now": datetime.now(UTC)}
        kept: Any = given | {"renewed": RenewedConfigs(store.pool)}
        for _ in range(2):
            await source_check.check_source(catalogue, "shop", None, **kept)
            assert len(await source_check.discover_source(catalogue, "shop", **kept)) == 2
            answers = await source_check.check_collections(catalogue, source, ["a", "b"], **kept)
            assert [answer.error for answer in answers] == [None, None]
            await load(store)
        [left_alone] = await source_check.check_collections(catalogue, source, ["a"], **given)  # type: ignore[arg-type]
        assert "t0k3n" not in str(left_alone.error)


async def test_a_canceled_check_keeps_what_was_renewed(shop: Shop) -> None:
    os.mkfifo(fifo := shop.directory / "fifo")
    shop.config["fifo"] = str(fifo)
    shop.options.pop("catalog")
    catalogue = load_catalogue(shop.write(), {})
    async with opened_store(shop.url) as store:
        given: Any = {"data_dir": shop.directory / "data", "now": datetime.now(UTC)}
        renewed = RenewedConfigs(store.pool)
        check = asyncio.create_task(source_check.check_source(catalogue, "shop", "a", **given, renewed=renewed))
        # Returns when the tap has renewed its configuration.
        with await asyncio.to_thread(fifo.open, "w"):
            check.cancel()
            with pytest.raises(asyncio.CancelledError):
                await check
        assert len((await renewed.find([Owner("source", "shop")]))[Owner("source", "shop")]) == 1


async def test_a_command_finds_the_database_and_keeps_what_its_check_renews(shop: Shop) -> None:
    shop.options.pop("catalog", None)
    catalogue, told = load_catalogue(shop.write(), {}), list[str]()
    source = catalogue.find_source("shop")
    for _ in range(2):
        settings = Settings(DATABASE_URL=shop.url, SYNCLINE_DATA_DIR=shop.directory)
        [trial] = await try_collections(settings, catalogue, source, ["a"], tell=told.append)
        assert trial.error is None
    assert told == ["the connector renewed its configuration: it is kept for the next attempts"] * 2


@pytest.mark.parametrize("url", [None, "postgresql://me@127.0.0.1:1/away"], ids=["not set", "away"])
async def test_a_check_without_a_database_says_what_is_lost(shop: Shop, url: str | None) -> None:
    shop.options.pop("catalog", None)
    catalogue, told = load_catalogue(shop.write(), {}), list[str]()
    source = catalogue.find_source("shop")
    settings = Settings(SYNCLINE_DATA_DIR=shop.directory, DATABASE_URL=url)
    async with renewed_configs(settings, catalogue, source, tell=told.append) as renewed:
        assert renewed is None
        await source_check.check_collections(
            catalogue, source, ["a"], data_dir=shop.directory / "data", now=datetime.now(UTC), tell=told.append
        )
    assert told[0].startswith(
        "the connector gets the configuration in the catalogue, even if it has renewed it: "
        + ("DATABASE_URL" if url is None else "cannot connect to PostgreSQL at")
    )
    assert told[1] == (
        "the connector renewed its configuration, and the new one is lost: no database could be used; if the old "
        "credentials are no longer valid, write new ones into the catalogue"
    )


async def test_a_check_whose_database_is_away_goes_on(shop: Shop) -> None:
    shop.options.pop("catalog", None)
    catalogue, told = load_catalogue(shop.write(), {}), list[str]()
    async with opened_store(shop.url) as store:
        await store.admin.execute("DROP TABLE syncline.renewed_configs")
        await source_check.check_collections(
            catalogue,
            catalogue.find_source("shop"),
            ["a"],
            data_dir=shop.directory / "data",
            now=datetime.now(UTC),
            tell=told.append,
            renewed=RenewedConfigs(store.pool),
        )
    assert "the configuration in the catalogue is used: cannot look up what the connector has renewed" in told[0]
    assert "and the new one is lost: cannot keep what the connector has renewed" in told[1]
