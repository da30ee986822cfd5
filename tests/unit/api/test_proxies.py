"""Which user a proxy names, and which proxies may."""

from __future__ import annotations

from typing import Any

import pytest

from app.api.http.errors import RefusedError
from app.api.http.proxies import LONGEST_USER, user_named_by_proxy
from app.config.sections import Server

SERVER = Server.model_validate({"user_header": "X-User", "trusted_proxies": ["10.1.0.0/16", "fd00::/8", "192.0.2.7"]})
TRUSTED = "10.1.2.3"


def named(*values: bytes, peer: str | None = TRUSTED, server: Server = SERVER, header: bytes = b"x-user") -> str | None:
    scope: dict[str, Any] = {
        "client": (peer, 4711) if peer is not None else None,
        "headers": [(b"host", b"syncline"), *((header, value) for value in values), (b"x-forwarded-for", b"10.1.2.3")],
    }
    return user_named_by_proxy(scope, server)


@pytest.mark.parametrize(
    "peer", ["10.1.2.3", "10.1.255.255", "192.0.2.7", "fd00::7", "::ffff:10.1.2.3", "fd00::7%eth0"]
)
def test_a_trusted_proxy_names_the_user(peer: str) -> None:
    assert named(b"alice", peer=peer) == "alice"


@pytest.mark.parametrize(
    "peer", ["10.2.0.1", "127.0.0.1", "192.0.2.8", "::1", "::ffff:10.2.0.1", "testclient", "/run/api.sock", "", None]
)
def test_nobody_else_does(peer: str | None) -> None:
    assert named(b"alice", peer=peer) is None
    # Not even wrongly.
    assert named(b"alice", b"bob", peer=peer) is None


def test_without_the_key_no_header_counts() -> None:
    server = Server.model_validate({"trusted_proxies": "0.0.0.0/0"})
    assert named(b"alice", server=server) is None
    assert named(b"alice", server=server, header=b"") is None


def test_another_header_does_not_count() -> None:
    assert named(b"alice", header=b"x-users") is None


@pytest.mark.parametrize("values", [[], [b""], [b" \t"]])
def test_a_proxy_that_lets_somebody_in_without_a_name_names_nobody(values: list[bytes]) -> None:
    assert named(*values) is None


@pytest.mark.parametrize(
    ("value", "user"),
    [
        (b" alice@example.com ", "alice@example.com"),
        (b"DOMAIN\\Alice Smith, Sales", "DOMAIN\\Alice Smith, Sales"),
        ("Zoë Müller".encode(), "Zoë Müller"),
        ("Zoë Müller".encode("latin-1"), "Zoë Müller"),
        ("管理员".encode(), "管理员"),
        (b"x" * LONGEST_USER, "x" * LONGEST_USER),
        ("é".encode() * LONGEST_USER, "é" * LONGEST_USER),
    ],
)
def test_a_name_is_text_in_utf_8_or_latin_1(value: bytes, user: str) -> None:
    assert named(value) == user


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([b"alice", b"alice"], "it was sent 2 times; let the proxy replace what its clients send"),
        ([b"alice", b""], "it was sent 2 times; let the proxy replace what its clients send"),
        ([b"x" * (LONGEST_USER + 1)], "it has 201 characters; at most 200 are allowed"),
        ([b"a\tb"], "it has a character that cannot be seen: U+0009"),
        ([b"a\x85"], "it has a character that cannot be seen: U+0085"),
        (["a\u202eb".encode()], "it has a character that cannot be seen: U+202E (right-to-left override)"),
    ],
)
def test_what_is_no_name_is_refused_and_not_recorded_under_the_proxys_token(values: list[bytes], why: str) -> None:
    with pytest.raises(RefusedError) as refused:
        named(*values)
    assert (refused.value.status, refused.value.message) == (400, "Error reading 'X-User' header")
    assert refused.value.error == f"the proxy must send the user's name: {why}"
