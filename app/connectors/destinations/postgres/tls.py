"""How a connection to PostgreSQL is encrypted: the mode, and whom each side trusts."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator

from app.connectors.options.types import Options

if TYPE_CHECKING:
    from collections.abc import Iterator

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

_PEM: Final = "-----BEGIN "
_SYSTEM: Final = "system"
# The keys of `ssl`, and the parameters of libpq that want a file.
_FILES: Final = {"server_ca": "sslrootcert", "client_cert": "sslcert", "client_key": "sslkey"}


def _drop_empty(value: object) -> object:
    return None if value == "" else value


def _check_text(text: str | SecretStr | None) -> str | SecretStr | None:
    plain = text.get_secret_value() if isinstance(text, SecretStr) else text
    if plain is not None and _PEM not in plain and not Path(plain).is_absolute() and plain != _SYSTEM:
        raise ValueError("must be the text of a PEM file, which has '-----BEGIN', or an absolute path of one")
    return text


Pem = Annotated[str | None, BeforeValidator(_drop_empty), AfterValidator(_check_text)]
SecretPem = Annotated[SecretStr | None, BeforeValidator(_drop_empty), AfterValidator(_check_text)]


class Ssl(Options):
    """Each certificate and the key is the text of a PEM file or its path, as in Jitsu Classic."""

    mode: Annotated[
        SslMode | None, BeforeValidator(_drop_empty, json_schema_input_type=SslMode | Literal[""] | None)
    ] = None
    server_ca: Pem = None
    client_cert: Pem = None
    client_key: SecretPem = None

    @model_validator(mode="after")
    def _check_pair(self) -> Self:
        if bool(self.client_cert) != bool(self.client_key):
            raise ValueError("'client_cert' and 'client_key' belong together: give both or neither")
        return self

    @property
    def parameters(self) -> frozenset[str]:
        """The parameters of libpq that these keys stand for."""
        files = {name for key, name in _FILES.items() if getattr(self, key) is not None}
        return frozenset(files | ({"sslmode"} if self.mode else set()))


@contextmanager
def tls_parameters(ssl: Ssl | None) -> Iterator[dict[str, str]]:
    """The parameters of libpq for `ssl`; texts are in files that only this user can read, until the context ends."""
    if ssl is None:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="syncline-tls-") as directory:
        found: dict[str, str] = {"sslmode": ssl.mode} if ssl.mode else {}
        # Other keys may stay where they are when encryption is switched off.
        for key, name in _FILES.items() if ssl.mode != "disable" else ():
            if (value := getattr(ssl, key)) is not None:
                text = value.get_secret_value() if isinstance(value, SecretStr) else value
                found[name] = _file_of(text, Path(directory, key))
        yield found


def _file_of(text: str, path: Path) -> str:
    if _PEM not in text:
        return text
    path.touch(mode=0o600)
    path.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    return str(path)
