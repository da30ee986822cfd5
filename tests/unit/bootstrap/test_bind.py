"""Why the API cannot listen, and which option to change."""

from __future__ import annotations

import socket

import pytest

from app.bootstrap.api import bind
from app.domain.errors import ConfigurationError


def test_a_taken_port_asks_for_another_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError) as refused:
            bind("127.0.0.1", port)
    assert str(refused.value) == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another port with --port or server.port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "not a host"])
def test_a_host_of_another_machine_asks_for_another_host(host: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^cannot listen on .*; choose another host with --host$"):
        bind(host, 0)
