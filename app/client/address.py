"""Where the API is, and a token for it: from the environment, or of the `syncline dev` that runs on a data directory.

`syncline dev` leaves both in a file that only its user can read, until it ends. That of a killed one is not used.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
from pydantic import HttpUrl, TypeAdapter, ValidationError

from app.client.dev_lock import is_held
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_FILE: Final = "api.json"
_LEFT: Final = "api.left.json"
_EXAMPLE: Final = "https://syncline.example.com"
BASE: Final = "/api/v1"


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """`url` has no path of the API's own. `dev` is the data directory, if it is the API of a `syncline dev`."""

    url: str
    token: str = field(repr=False)
    dev: Path | None = None


class _Published(msgspec.Struct, frozen=True):
    url: str
    token: str


def find_api(url: str | None, token: str | None, data_dir: Path) -> ApiAddress:
    """The API at `url`, or else that of the `syncline dev` on the data directory.

    Raises:
        ConfigurationError: there is neither, or the URL has no token or is not valid.
    """
    if url:
        if not token:
            raise ConfigurationError(
                "SYNCLINE_URL is set without SYNCLINE_TOKEN: set it to a token from 'syncline token create', or to the "
                "catalogue's server.admin_token"
            )
        return ApiAddress(_checked(url), _checked_token(token))
    data_dir = data_dir.absolute()
    if is_held(data_dir) and (published := _read(data_dir / _FILE)):
        return ApiAddress(published.url, published.token, data_dir)
    raise ConfigurationError(
        f"SYNCLINE_URL is not set, and no 'syncline dev' is running on {data_dir}: start it, set SYNCLINE_DATA_DIR to "
        f"its --data, or set SYNCLINE_URL, such as {_EXAMPLE}, and SYNCLINE_TOKEN"
    )


def publish(data_dir: Path, address: ApiAddress) -> None:
    """Leave the address where `find_api` looks for it; nobody else can read it."""
    file, new = data_dir / _FILE, data_dir / f"{_FILE}.new"
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as writing:
        writing.write(msgspec.json.encode(_Published(address.url, address.token)))
    new.replace(file)


def withdraw(data_dir: Path, *, only: str) -> None:
    """Remove the address, if it has this token."""
    published = _read(data_dir / _FILE)
    if published and published.token == only:
        with suppress(OSError):
            (data_dir / _FILE).unlink()


def set_aside(data_dir: Path) -> None:
    """Let nobody find the address that a `syncline dev` has left which was killed."""
    with suppress(FileNotFoundError):
        (data_dir / _FILE).replace(data_dir / _LEFT)


def take_left_token(data_dir: Path) -> str | None:
    """Remove what was set aside; returns its token, if there was one."""
    left = _read(data_dir / _LEFT)
    with suppress(OSError):
        (data_dir / _LEFT).unlink()
    return left.token if left else None


def _read(file: Path) -> _Published | None:
    """None if nothing is there, or nothing whole."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Published)
    except (OSError, msgspec.DecodeError):
        return None


def _checked_token(token: str) -> str:
    """The token, without the line break of a file.

    Raises:
        ConfigurationError: no header can hold it. It is not shown.
    """
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise ConfigurationError("SYNCLINE_TOKEN has a character that no token has: copy it again")
    return token


def _checked(url: str) -> str:
    """The URL without a slash at its end, and without the API's own path.

    Raises:
        ConfigurationError: it is not one. It is not shown, because it may have a password.
    """
    try:
        parsed = TypeAdapter(HttpUrl).validate_python(url)
    except ValidationError:
        parsed = None
    if parsed is None or parsed.query or parsed.fragment:
        raise ConfigurationError(f"SYNCLINE_URL is not an HTTP URL; expected one such as {_EXAMPLE}")
    return str(parsed).rstrip("/").removesuffix(BASE)
