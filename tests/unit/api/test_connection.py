"""What `app.api.http.connection` relies on in uvicorn, by name: an upgrade that takes one away says which."""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.api.http import connection
from app.api.http.connection import RELIES_ON, UVICORN, BoundedConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


async def _app(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answers nothing: no request is made here."""


def uvicorns_own() -> dict[str, object]:
    """What the keys of `RELIES_ON` stand for."""
    loop = asyncio.new_event_loop()
    try:
        protocol = HttpToolsProtocol(Config(_app), ServerState(), {}, _loop=loop)
    finally:
        loop.close()
    flow = FlowControl(cast("asyncio.Transport", None))
    logger = logging.getLogger()
    cycle = RequestResponseCycle(
        scope=cast("Any", {"headers": []}),
        transport=cast("asyncio.Transport", None),
        flow=flow,
        logger=logger,
        access_logger=logger,
        access_log=False,
        default_headers=[],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=True,
        on_response=lambda: None,
    )
    return {
        "HttpToolsProtocol": HttpToolsProtocol,
        "HttpToolsProtocol()": protocol,
        "RequestResponseCycle()": cycle,
        "FlowControl()": flow,
    }


def missing() -> list[str]:
    owners = uvicorns_own()
    return [
        f"{owner}.{name}" for owner, names in RELIES_ON.items() for name in names if not hasattr(owners[owner], name)
    ]


def test_uvicorn_has_all_that_connections_rely_on() -> None:
    assert missing() == [], f"uvicorn {version('uvicorn')} lacks these: adapt app/api/http/connection.py"


def test_a_name_that_uvicorn_loses_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(HttpToolsProtocol, "_start_asgi_task")
    monkeypatch.delattr(FlowControl, "resume_reading")
    assert missing() == ["HttpToolsProtocol._start_asgi_task", "FlowControl().resume_reading"]


def test_the_versions_are_those_that_the_package_requires() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert f"uvicorn{UVICORN}" in project["dependencies"]


def test_every_overridden_method_is_listed() -> None:
    overridden = {name for name in vars(BoundedConnection) if hasattr(HttpToolsProtocol, name) and "__" not in name}
    assert overridden == set(RELIES_ON["HttpToolsProtocol"])


def test_nothing_else_of_uvicorn_is_used() -> None:
    """Whatever the file takes from a protocol, a cycle or a flow control is in `RELIES_ON`."""
    tree = ast.parse(inspect.getsource(connection))
    own = {name for name in vars(BoundedConnection) if name not in RELIES_ON["HttpToolsProtocol"]}
    own |= {name for name in _assigned_to_self(tree) if name.startswith("_")}
    listed = {
        "self": {*RELIES_ON["HttpToolsProtocol"], *RELIES_ON["HttpToolsProtocol()"]} | own,
        "cycle": set(RELIES_ON["RequestResponseCycle()"]),
        "flow": set(RELIES_ON["FlowControl()"]),
    }
    used = [
        (owner, node.attr) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and (owner := _owner(node))
    ]
    assert {owner for owner, _ in used} == listed.keys()
    assert [f"{owner}.{name}" for owner, name in used if name not in listed[owner]] == []


def _assigned_to_self(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _owner(node) == "self":
            yield node.attr


def _owner(node: ast.Attribute) -> str | None:
    """Which of uvicorn's objects an attribute is read from or written to."""
    match node.value:
        case ast.Name(id="self" | "cycle" as name):
            return name
        case ast.Attribute(value=ast.Name(id="self"), attr="cycle" | "flow" as name):
            return name
        case ast.Subscript(value=ast.Attribute(attr="_running")):
            return "cycle"
    return None
