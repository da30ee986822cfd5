"""What a start says: the release, the connector and its version, and a digest of the source's configuration."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
import yaml
from structlog.testing import capture_logs

from app.config.watch import CatalogueWatcher
from app.domain.errors import SynclineError
from app.execution.start_facts import StartFacts
from app.store.catalogues import Catalogues
from tests.harness import running_worker, synthetic, until, write_config

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.harness import Store

PASSWORD: Final = "winter-2026"
SECRET_KEYS: Final = ("a" * 40, "b" * 40)
# A tap that needs nothing but this Python; its argument is as secret as its configuration.
TAP: Final = "import json; print(json.dumps({'type': 'STATE', 'value': {}}))"


def shop(password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    return {
        "type": "python",
        "destinations": ["nowhere"],
        "collections": ["orders", "users"],
        "config": {"function": "shop.orders:read", "config": {"password": password, "page": 10}},
    } | more


async def starts(store: Store, task: UUID) -> list[dict[str, Any]]:
    rows = await store.admin.fetch("SELECT * FROM reporting.task_starts WHERE task = $1 ORDER BY attempt", task)
    return [dict(row) for row in rows]


class Facts:
    """The facts of one catalogue file after another, as a worker sees them."""

    def __init__(self, store: Store, path: Path) -> None:
        self._store = store
        self._path = path

    async def of(self, sources: dict[str, Any], **server: Any) -> StartFacts:
        watcher = CatalogueWatcher(write_config(self._path, sources, **server), {})
        await watcher.refresh()
        return StartFacts(Catalogues(self._store.pool), watcher, release="test")

    async def digest(self, source: dict[str, Any], **server: Any) -> str:
        facts = await (await self.of({"shop": source}, **server)).current()
        return facts.sources["shop"].config_digest


@pytest.fixture
def facts(store: Store, tmp_path: Path) -> Facts:
    return Facts(store, tmp_path / "config.yaml")


async def test_a_start_says_release_connector_and_configuration(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(a={}, b={})})
    async with running_worker(database_url, config) as running:
        worker = await running.registered()
        tasks = [await store.schedule(collection) for collection in ("a", "b")]
        assert {await store.ended(task) for task in tasks} == {"SUCCESS"}
    first, second = [start for task in tasks for start in await starts(store, task)]
    assert (first["source"], first["collection"], first["attempt"], first["worker"]) == ("s", "a", 1, worker)
    assert first["release"] == "test"
    assert (first["connector"], first["connector_version"]) == ("synthetic", f"syncline {version('syncline')}")
    assert len(first["config_digest"]) == 32
    facts = ("catalogue", "connector", "config_digest", "digest_key_id")
    assert [first[name] for name in facts] == [second[name] for name in facts]
    [event] = [event for event in await store.events(tasks[0]) if event.type == "TaskStarted"]
    assert event.data.keys() == {"claim", "release", "catalogue"}
    # Two tasks of one source, and one row.
    assert await store.admin.fetchval("SELECT count(*) FROM syncline.catalogues") == 1


async def test_a_failed_task_shows_what_has_changed_since_the_last_success(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    async with running_worker(
        database_url, write_config(path, {"s": synthetic(c={}), "t": synthetic(c={})})
    ) as running:
        before = await store.schedule("c")
        assert await store.ended(before) == "SUCCESS"
        write_config(path, {"s": synthetic(c={"fail_rate": 1}), "t": synthetic(c={})})
        await running.watcher.refresh()

        async def claims_with_it() -> bool:
            other = await store.schedule("c", "t")
            await store.ended(other)
            [earlier], [now] = await starts(store, before), await starts(store, other)
            return bool(earlier["catalogue"] != now["catalogue"])

        # A claim may have been under way.
        await until(claims_with_it)
        after, other = await store.schedule("c", max_attempts=1), await store.schedule("c", "t")
        assert [await store.ended(task) for task in (after, other)] == ["FAILED", "SUCCESS"]
    [good], [bad], [same] = [await starts(store, task) for task in (before, after, other)]
    assert good["config_digest"] != bad["config_digest"]
    assert (good["connector_version"], good["release"]) == (bad["connector_version"], bad["release"])
    assert good["catalogue"] != bad["catalogue"] == same["catalogue"]


async def test_workers_with_the_same_catalogue_register_it_once(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    sources = {"s": synthetic(**{f"c{number}": {} for number in range(20)})}
    configs = [tmp_path / f"{number}" / "config.yaml" for number in (1, 2)]
    for config in configs:
        config.parent.mkdir()
        write_config(config, sources)
    # The same in other words: with its keys in another order, and a comment.
    configs[1].write_text(
        "# the other\n"
        + yaml.safe_dump(dict(reversed(yaml.safe_load(configs[1].read_text()).items())), sort_keys=False)
    )
    async with (
        running_worker(database_url, configs[0], slots=1) as first,
        running_worker(database_url, configs[1], slots=1) as second,
    ):
        workers = {await first.registered(), await second.registered()}
        tasks = [await store.schedule(f"c{number}") for number in range(20)]
        assert {await store.ended(task) for task in tasks} == {"SUCCESS"}
    found = [start for task in tasks for start in await starts(store, task)]
    assert {start["worker"] for start in found} == workers
    assert len({start["catalogue"] for start in found}) == 1
    assert await store.admin.fetchval("SELECT count(*) FROM syncline.catalogues") == 1


async def test_a_source_that_the_worker_does_not_have_leaves_no_facts(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={})})
    async with running_worker(database_url, config):
        task = await store.schedule("c", "gone")
        start, *_ = await until(lambda: starts(store, task))
    assert (start["release"], start["connector"], start["config_digest"]) == ("test", None, None)
    assert start["catalogue"]


async def test_a_start_of_an_earlier_release_says_nothing(store: Store) -> None:
    claim = await store.claimed(await store.worker())
    [start] = await starts(store, claim.task)
    assert {start[name] for name in ("release", "catalogue", "connector", "config_digest")} == {None}


async def test_an_attempt_runs_only_after_its_facts_are_registered(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={}), "before": synthetic(c={})})
    async with running_worker(database_url, config):
        assert await store.ended(await store.schedule("c", "before")) == "SUCCESS"
        # Another connection than the one that looks: statistics stay the same within a transaction.
        async with store.pool.acquire() as holder, holder.transaction():
            await holder.execute("LOCK TABLE syncline.catalogues IN SHARE MODE")
            task = await store.schedule("c")
            await until(lambda: store.is_waiting("INSERT INTO syncline.catalogues"))
            assert await store.status(task) == "RUNNING"
            assert await store.messages(task) == ["Running task..."]
        assert await store.ended(task) == "SUCCESS"


@pytest.mark.parametrize("table", ["catalogues", "digest_key"])
async def test_without_the_rights_nothing_is_claimed_and_the_log_says_what_to_do(
    store: Store, database_url: str, tmp_path: Path, table: str
) -> None:
    config = write_config(tmp_path / "config.yaml", {"s": synthetic(c={})})
    await store.admin.execute(f"REVOKE ALL ON syncline.{table} FROM syncline_app")
    with capture_logs() as logs:
        async with running_worker(database_url, config):
            task = await store.schedule("c")

            async def told() -> bool:
                return any("syncline doctor" in str(entry.get("error")) for entry in logs)

            await until(told)
            assert await store.types(task) == ["TaskScheduled"]
            await store.admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON syncline.{table} TO syncline_app")
            assert await store.ended(task) == "SUCCESS"
    [start] = await starts(store, task)
    assert start["config_digest"]


async def test_a_store_without_its_key_says_how_to_make_one(facts: Facts, store: Store) -> None:
    await store.admin.execute("DELETE FROM syncline.digest_key")
    with pytest.raises(SynclineError, match=r"syncline.digest_key is empty.* run (?P<mend>INSERT .*)") as raised:
        await (await facts.of({"shop": shop()})).current()
    await store.admin.execute(str(raised.value).partition(" run ")[2])
    assert await (await facts.of({"shop": shop()})).current()


@pytest.mark.parametrize("secret_key", [None, SECRET_KEYS[0]])
async def test_the_digest_changes_with_the_configuration_and_with_nothing_else(
    facts: Facts, secret_key: str | None
) -> None:
    server = {"secret_key": secret_key} if secret_key else {}
    digest = await facts.digest(shop(), **server)
    config = shop()["config"]
    same = [
        dict(reversed(shop().items())),
        shop(config=dict(reversed(config.items()))),
        shop(collections=[{"name": "orders"}, {"name": "users", "type": "users", "parameters": {}}]),
        shop(timezone="UTC"),
    ]
    assert {await facts.digest(source, **server) for source in same} == {digest}
    others = [
        shop("autumn-2026"),
        shop(config=config | {"config": config["config"] | {"page": 11}}),
        shop(config=config | {"function": "shop.orders:read_all"}),
        shop(collections=["orders"]),
        shop(collections=["orders", {"name": "users", "start_date": "2020-01-01"}]),
        shop(schedule="@daily"),
        shop(pool="eu"),
    ]
    changed = [await facts.digest(source, **server) for source in others]
    assert len({digest, *changed}) == 1 + len(others)


async def test_a_digest_cannot_be_made_without_the_key_of_its_installation(
    facts: Facts, store: Store, database_url: str
) -> None:
    digest = await facts.digest(shop())
    key = await store.admin.fetchval("SELECT key FROM syncline.digest_key")
    assert len(key) == 32
    # Another installation, whose key is another one.
    await store.admin.execute("UPDATE syncline.digest_key SET key = sha256(key)")
    assert await facts.digest(shop()) != digest
    with psycopg.connect(database_url) as connection:
        connection.execute("SET SESSION AUTHORIZATION syncline_report")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("TABLE syncline.digest_key")
    with psycopg.connect(database_url) as connection:
        connection.execute("SET ROLE syncline_app")
        assert connection.execute("SELECT count(*) FROM syncline.digest_key").fetchall() == [(1,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("UPDATE syncline.digest_key SET key = ''")


async def test_with_a_secret_key_the_database_alone_cannot_make_a_digest(facts: Facts, store: Store) -> None:
    digest = await facts.digest(shop(), secret_key=SECRET_KEYS[0])
    await store.admin.execute("UPDATE syncline.digest_key SET key = sha256(key)")
    assert await facts.digest(shop(), secret_key=[SECRET_KEYS[0], SECRET_KEYS[1]]) == digest
    first = await (await facts.of({"shop": shop()}, secret_key=SECRET_KEYS[0])).current()
    second = await (await facts.of({"shop": shop()}, secret_key=SECRET_KEYS[1])).current()
    # Readers can tell a new key from a new configuration.
    assert first.key_id != second.key_id
    assert first.sources["shop"].config_digest != second.sources["shop"].config_digest


async def test_sources_with_the_same_configuration_do_not_show_it(facts: Facts) -> None:
    found = await (await facts.of({"shop": shop(), "mall": shop()})).current()
    assert found.sources["shop"].config_digest != found.sources["mall"].config_digest


@pytest.mark.parametrize(
    ("source", "connector", "connector_version"),
    [
        ({"type": "singer", "config": {"package": "tap-shop[fast]==1.2.3 other==9"}}, "tap-shop", "1.2.3"),
        ({"type": "singer", "config": {"tap": "tap-shop"}}, "tap-shop", None),
        ({"type": "singer", "config": {"command": f"tap --token {PASSWORD}"}}, "singer", None),
        (
            {"type": "singer", "config": {"package": f"tap-shop@https://me:{PASSWORD}@host/v1/tap_shop-1.2.zip"}},
            "tap-shop",
            "tap_shop-1.2.zip",
        ),
        *(
            ({"type": "singer", "config": {"package": [f"tap-shop@{url}"]}}, "tap-shop", None)
            for url in (f"me:{PASSWORD}@host.zip", f"https:/me:{PASSWORD}@host.zip", "https://[tap.zip")
        ),
        ({"type": "airbyte", "config": {"image": "airbyte/source-faker:6.2.3"}}, "airbyte/source-faker", "6.2.3"),
        (
            {"type": "airbyte", "config": {"image": "host:5000/faker@sha256:" + "0" * 64}},
            "host:5000/faker",
            "sha256:" + "0" * 64,
        ),
        (
            {"type": "airbyte", "config": {"docker_image": "source-faker", "image_version": "6"}},
            "airbyte/source-faker",
            "6",
        ),
        ({"type": "airbyte", "config": {"docker_image": "source-faker"}}, "airbyte/source-faker", "latest"),
        ({"type": "airbyte", "config": {"manifest": {"type": "DeclarativeSource"}}}, "airbyte-cdk", "7.39.1"),
        ({"type": "airbyte", "config": {"command": ["connector", PASSWORD]}}, "airbyte", None),
        ({"type": "python", "config": {"function": "shop.orders:read"}}, "shop.orders:read", None),
        (
            {"type": "sql", "config": {"url": f"sqlite:///{PASSWORD}.db"}},
            "sql",
            f"sqlalchemy {version('sqlalchemy')}",
        ),
        (
            {"type": "rest", "config": {"client": {"base_url": "http://host"}, "resources": ["orders"]}},
            "rest",
            f"dlt {version('dlt')}",
        ),
        ({"type": "redis", "config": {"url": f"redis://:{PASSWORD}@host"}}, "redis", f"redis {version('redis')}"),
        (
            {"type": "amplitude", "config": {"api_key": PASSWORD, "secret_key": PASSWORD}},
            "airbyte-source-amplitude",
            "0.6.19",
        ),
    ],
)
async def test_a_connector_and_its_version_are_what_users_call_them(
    facts: Facts, source: dict[str, Any], connector: str, connector_version: str | None
) -> None:
    collection: dict[str, Any] = {"name": "orders"}
    if source["type"] == "redis":
        collection["parameters"] = {"redis_key": "orders"}
    if source["type"] == "amplitude":
        collection["type"] = "events"
    found = await (await facts.of({"x": source | {"destinations": ["nowhere"], "collections": [collection]}})).current()
    assert found.sources["x"].connector == (connector, connector_version)


async def test_nothing_that_anybody_reads_shows_the_secrets_of_a_source(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    tap = {
        "type": "singer",
        "destinations": ["nowhere"],
        "collections": ["orders"],
        "config": {"command": ["python3", "-c", TAP, PASSWORD], "config": {"password": PASSWORD}},
        "max_attempts": 1,
    }
    config = write_config(tmp_path / "config.yaml", {"shop": tap}, secret_key=SECRET_KEYS[0])
    with capture_logs() as logs:
        async with running_worker(database_url, config):
            task = await store.schedule("orders", "shop", source_type="singer")
            await store.ended(task)
    [start] = await starts(store, task)
    assert start["config_digest"]
    tables = await store.admin.fetch(
        "SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v')"
        " AND c.relnamespace IN ('syncline'::regnamespace, 'reporting'::regnamespace)"
    )
    assert len(tables) > 30
    seen = {row[0]: str(await store.admin.fetch(f"SELECT t::text FROM {row[0]} t")) for row in tables}
    seen["the worker's log"] = str(logs)
    key = (await store.admin.fetchval("SELECT key FROM syncline.digest_key")).hex()
    plain = json.dumps(PASSWORD).encode()
    for secret in (
        PASSWORD,
        SECRET_KEYS[0],
        hashlib.sha256(plain).hexdigest(),
        hashlib.sha256(PASSWORD.encode()).hexdigest(),
    ):
        assert [name for name, text in seen.items() if secret in text] == []
    assert [name for name, text in seen.items() if key in text] == ["syncline.digest_key"]


async def test_a_source_is_registered_again_so_that_retention_sees_its_use(facts: Facts, store: Store) -> None:
    start_facts = await facts.of({"shop": shop()})
    await start_facts.current()
    await start_facts.register(["shop"])
    await store.admin.execute("UPDATE syncline.catalogues SET used_at = used_at - interval '40 days'")
    used = "SELECT used_at > syncline.clock() - interval '1 hour' FROM syncline.catalogues"
    await start_facts.register(["shop"])
    assert await store.admin.fetchval(used) is False
    start_facts._registered["shop"] -= timedelta(hours=2).total_seconds()
    await start_facts.register(["shop"])
    assert await store.admin.fetchval(used) is True
