"""Which hosts a configuration names."""

from __future__ import annotations

from typing import Any

import pytest

from app.doctor.hosts import hosts_in

HOSTS: list[tuple[Any, str, list[str]]] = [
    ({"url": "postgresql://me:secret@db.example/x"}, "sql", ["db.example:5432"]),
    ({"url": "postgresql+psycopg://me@db.example:6000/x"}, "sql", ["db.example:6000"]),
    ({"url": "postgresql://one.example:1,two.example/x"}, "sql", ["one.example:1", "two.example:5432"]),
    ({"url": "postgresql:///x?host=one.example,two.example&port=7"}, "sql", ["one.example:7", "two.example:7"]),
    ({"url": "postgresql:///x?host=/var/run/postgresql"}, "sql", []),
    ({"url": "mysql+pymysql://me@[::1]/x"}, "sql", ["[::1]:3306"]),
    ({"url": "sqlite:////tmp/shop.db"}, "sql", []),
    ({"host": "cache.example"}, "redis", ["cache.example:6379"]),
    ({"host": "cache.example", "port": "7000"}, "redis", ["cache.example:7000"]),
    ({"host": "/var/run/redis", "port": 6379}, "redis", []),
    ({"host": "db.example"}, "singer", []),
    ({"host": "${env.HOST}", "port": 1}, "redis", []),
    ({"host": "db.example", "port": "many"}, "redis", []),
    ({"url": "https://api.example/x", "port": 1}, "rest", ["api.example:443"]),
    ({"client": {"base_url": "http://api.example"}, "resources": [{"path": "/x"}]}, "rest", ["api.example:80"]),
    ({"path": "s3://bucket/key"}, "files", []),
    ({"url": "postgresql://me@db.example:99999/x"}, "sql", []),
    ({"url": "https://[broken"}, "rest", []),
    ({"text": "read https://api.example or ask"}, "rest", []),
    (["https://a.example", {"b": "http://b.example:8080/x"}], "rest", ["a.example:443", "b.example:8080"]),
    (7, "rest", []),
]


@pytest.mark.parametrize(("config", "type_", "hosts"), HOSTS)
def test_hosts_are_found_with_the_port_that_is_meant(config: Any, type_: str, hosts: list[str]) -> None:
    assert list(map(str, hosts_in(config, type_=type_))) == hosts
