"""Where commands find the API."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest

from app.client.address import ApiAddress, find_api, publish, set_aside, take_left_token, withdraw
from app.client.dev_lock import holding, is_held
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a-secret-token"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://syncline.example.com", "https://syncline.example.com"),
        (" http://127.0.0.1:8001/ ", "http://127.0.0.1:8001"),
        ("https://example.com/tools/syncline/api/v1/", "https://example.com/tools/syncline"),
        ("http://[::1]:8001", "http://[::1]:8001"),
    ],
)
def test_the_environment_names_the_api(tmp_path: Path, given: str, url: str) -> None:
    publish(tmp_path, ApiAddress("http://127.0.0.1:1", "of dev"))
    assert find_api(given, TOKEN, tmp_path) == ApiAddress(url, TOKEN)


@pytest.mark.parametrize(
    "url",
    ["syncline.example.com", "ftp://example.com", "http://", "https://me:secret@", "https://a/?token=x", "http://["],
)
def test_what_is_no_address_is_told_without_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_api(url, TOKEN, tmp_path)
    assert str(caught.value) == ("SYNCLINE_URL is not an HTTP URL; expected one such as https://syncline.example.com")


def test_a_token_is_as_a_header_can_hold_it(tmp_path: Path) -> None:
    assert find_api("http://127.0.0.1:8001", f"{TOKEN}\r\n", tmp_path).token == TOKEN
    for wrong in ("geheim-ü", "a\nb", "a\x1bb"):
        with pytest.raises(ConfigurationError) as caught:
            find_api("http://127.0.0.1:8001", wrong, tmp_path)
        assert str(caught.value) == "SYNCLINE_TOKEN has a character that no token has: copy it again"


def test_an_address_needs_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="SYNCLINE_URL is set without SYNCLINE_TOKEN"):
        find_api("http://127.0.0.1:8001", None, tmp_path)


def test_a_dev_that_runs_here_is_found(tmp_path: Path) -> None:
    address = ApiAddress("http://127.0.0.1:8001", TOKEN)
    publish(tmp_path, ApiAddress("http://127.0.0.1:1", "of an earlier one"))
    publish(tmp_path, address)
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with holding(tmp_path):
        found = find_api(None, None, tmp_path)
    assert found == ApiAddress(address.url, TOKEN, tmp_path)
    assert TOKEN not in repr(found)


def test_what_a_dev_that_was_killed_has_left_is_not_used(tmp_path: Path) -> None:
    with holding(tmp_path):
        publish(tmp_path, ApiAddress("http://127.0.0.1:8001", TOKEN))
    with pytest.raises(ConfigurationError, match="no 'syncline dev' is running on"):
        find_api(None, None, tmp_path)


def test_only_one_dev_can_run_here(tmp_path: Path) -> None:
    with holding(tmp_path):
        assert is_held(tmp_path)
        with pytest.raises(ConfigurationError) as caught, holding(tmp_path):
            pass
        assert str(caught.value) == (
            f"another 'syncline dev' is running on {tmp_path}: choose another directory with --data"
        )
    assert not is_held(tmp_path)


def test_only_its_own_address_is_withdrawn(tmp_path: Path) -> None:
    publish(tmp_path, ApiAddress("http://127.0.0.1:8001", TOKEN))
    withdraw(tmp_path, only="another")
    with holding(tmp_path):
        assert find_api(None, None, tmp_path).token == TOKEN
        withdraw(tmp_path, only=TOKEN)
        with pytest.raises(ConfigurationError):
            find_api(None, None, tmp_path)


def test_what_was_left_is_set_aside_until_its_token_is_revoked(tmp_path: Path) -> None:
    publish(tmp_path, ApiAddress("http://127.0.0.1:8001", TOKEN))
    with holding(tmp_path):
        set_aside(tmp_path)
        set_aside(tmp_path)
        with pytest.raises(ConfigurationError):
            find_api(None, None, tmp_path)
    assert take_left_token(tmp_path) == TOKEN
    assert take_left_token(tmp_path) is None


def test_a_command_that_looks_does_not_keep_a_dev_from_starting(tmp_path: Path) -> None:
    with holding(tmp_path):
        pass
    looking = os.open(tmp_path / "dev.lock", os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    ends = threading.Timer(0.2, os.close, [looking])
    ends.start()
    with holding(tmp_path):
        assert is_held(tmp_path)
    ends.join()


def test_a_directory_without_locks_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with holding(tmp_path):
        pass
    monkeypatch.setattr("app.client.dev_lock.fcntl.flock", refuse)
    with (
        pytest.raises(ConfigurationError, match="No locks available; choose a directory on a local disk"),
        holding(tmp_path),
    ):
        pass
    assert not is_held(tmp_path)


@pytest.mark.parametrize("left", [b"", b"{", b'{"url": 1}'])
def test_without_any_api_the_ways_to_one_are_told(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "api.json").write_bytes(left)
    with holding(tmp_path), pytest.raises(ConfigurationError) as caught:
        find_api(None, None, tmp_path)
    assert str(caught.value) == (
        f"SYNCLINE_URL is not set, and no 'syncline dev' is running on {tmp_path}: start it, set SYNCLINE_DATA_DIR to "
        "its --data, or set SYNCLINE_URL, such as https://syncline.example.com, and SYNCLINE_TOKEN"
    )
