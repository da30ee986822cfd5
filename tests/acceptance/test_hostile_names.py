"""Names that mean something to YAML, URLs, SQL, paths, formats or terminals: here they mean only themselves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from tests.acceptance.cluster import NO_TLS, TOKEN, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.cluster import Api
    from tests.servers.postgres import TcpServer

NAMES = [
    "ключ",
    "日本 語",
    "e\u0301 and é",
    "عربي",
    'a"b',
    "'; DROP TABLE syncline.tasks; --",
    "100%",
    "%2F%00%s%(x)s",
    "a?b#c&d=e;f+g",
    "..",
    "\\\\unc\\path",
    "{0} {x}",
    "${HOME}",
    "$1",
    "<b onload=alert(1)>",
    "null",
    "0",
    "_",
    "a_b_c",
    "token=x",
    "\U0001f600" * 63 + "abc",  # 255 bytes
    "x" * 255,
]
TABLES = ["日本 語", "عربي", 'a"b', "'; DROP TABLE syncline.tasks; --", "%2F%00%s%(x)s", "{0} {x}", "$1"]
REFUSED = ["%00", "a%00b", "%ED%A0%80", "%FF", "%C0%AF", "%E2%80%AE", "a/b", "%2e%2e%2f", "%0d%0aX-Injected:%201"]


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory, database_url: str, tcp_postgres: TcpServer) -> Iterator[Cluster]:
    config: dict[str, Any] = {
        "server": {"admin_token": TOKEN},
        "sources": {
            name: {
                "type": "synthetic",
                "destinations": ["nowhere"],
                "collections": [{"name": name, "parameters": {"records": 3}}],
            }
            for name in NAMES
        },
        "destinations": {
            "nowhere": {"type": "none"},
            "warehouse": {
                "type": "postgres",
                "schema": "'\"; %s",
                **{key: tcp_postgres[key] for key in ("host", "port", "user", "password")},
                "database": conninfo_to_dict(database_url)["dbname"],
            },
        },
    }
    config["sources"]["tables"] = {
        "type": "synthetic",
        "destinations": ["warehouse"],
        "collections": [
            {"name": str(number), "table_name": name, "parameters": {"records": 3}}
            for number, name in enumerate(TABLES)
        ],
    }
    text = yaml.safe_dump(config, allow_unicode=True)
    with Cluster(tmp_path_factory.mktemp("names"), text, database_url) as cluster:
        yield cluster


def asked(api: Api, path: str, method: str = "GET") -> httpx.Response:
    return httpx.request(
        method,
        f"{api.address}/api/v1{path}",
        headers={"X-Admin-Token": TOKEN},
        timeout=60,
        trust_env=False,
        verify=NO_TLS,
    )


def test_a_name_goes_everywhere_and_comes_back_as_it_was(cluster: Cluster, database_url: str) -> None:
    api = cluster.api()
    ids = {name: api.run(name, name) for name in NAMES}
    first = NAMES[0]
    assert asked(api, f"/tasks/{quote(ids[first], safe='')}/cancel", "POST").json() == {"status": "ok"}
    cluster.worker()
    for name, id_ in ids.items():
        assert id_.startswith(f"{name}_{name}_")
        path = f"/tasks/{quote(id_, safe='')}"
        task = api.ended(quote(id_, safe=""))
        assert (task["id"], task["source"], task["collection"]) == (id_, name, name)
        assert task["status"] == ("CANCELED" if name == first else "SUCCESS"), task
        lines = [line["message"] for line in asked(api, f"{path}/logs").json()["logs"]]
        assert lines
        assert all(line.startswith(f"[{id_}] ") for line in lines)
        listed = api.call("GET", "/tasks", source=name, start="2020-01-01T00:00:00Z", end="2100-01-01T00:00:00Z")
        assert [one["id"] for one in listed.json()["tasks"]] == [id_]
        assert asked(api, f"{path}/cancel", "POST").json() == {"status": "ok"}
    tables = [api.run("tables", str(number)) for number in range(len(TABLES))]
    assert {api.ended(id_)["status"] for id_ in tables} == {"SUCCESS"}
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT source, collection, task_id FROM reporting.tasks WHERE source <> 'tables'")
        assert set(rows.fetchall()) == {(name, name, id_) for name, id_ in ids.items()}
        for name in TABLES:
            table = sql.Identifier("'\"; %s", name)
            assert connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone() == (3,)
    for process in cluster.processes:
        for line in process.text.splitlines():
            json.loads(line)
        assert "failed" not in process.text


def test_what_can_be_no_name_is_refused_and_never_a_fault(cluster: Cluster) -> None:
    base = f"{cluster.api().address}/api/v1"
    with httpx.Client(base_url=base, headers={"X-Admin-Token": TOKEN}, timeout=60, trust_env=False) as client:
        for name in REFUSED:
            assert_refused(client, name)


def assert_refused(client: httpx.Client, name: str) -> None:
    for path in (
        f"/tasks/{name}",
        f"/tasks/{name}/logs",
        f"/tasks/{name}/cancel",
        f"/tasks/{name}_{name}_01980000-0000-7000-8000-000000000000",
        f"/tasks?source={name}&collection={name}&start=2020-01-01T00:00:00Z&end=2100-01-01T00:00:00Z",
    ):
        for method in ("GET", "POST"):
            answer = client.request(method, path)
            assert answer.status_code in {400, 404, 405}, (path, answer.text)
            assert "x-injected" not in answer.headers
            assert "message" in answer.json()
