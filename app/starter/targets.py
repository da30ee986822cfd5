"""Where somebody's data are to go, as a destination of a catalogue."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.connectors.options.addresses import protocol_of
from app.domain.errors import ConfigurationError
from app.domain.postgres_url import POSTGRES
from app.domain.redaction import mask_secrets
from app.starter.names import DESTINATION
from app.starter.origins import without_secrets_in

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL: Final = f"{DESTINATION}.duckdb"
FORMS: Final = "a file that ends with .duckdb, postgresql://user@host/database, or a directory for Parquet files"

_BUCKETS: Final = frozenset({"s3", "gs"})


@dataclass(frozen=True, slots=True)
class Target:
    """The keys of a destination; `variables` are those of the environment that they refer to, with secret values."""

    options: Mapping[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_target(given: str) -> Target:
    """What somebody has named as the place to load into. Relative paths stay so.

    Raises:
        ConfigurationError: it is no place that can be told from its name. Secrets are not quoted.
    """
    scheme = protocol_of(given)
    if scheme in POSTGRES:
        address = without_secrets_in(given, DESTINATION)
        return Target({"type": "postgres", "url": address.url, "schema": DESTINATION}, address.variables)
    if scheme in _BUCKETS:
        return Target({"type": "parquet", "path": given})
    if scheme == "duckdb":
        return Target({"type": "duckdb", "path": given.partition("://")[2].removeprefix("/")})
    if scheme == "file" and "${" not in given:
        path = Path(given.removeprefix("file://")).expanduser()
        if path.suffix == ".duckdb":
            return Target({"type": "duckdb", "path": str(path)})
        if path.is_dir() or given.endswith("/"):
            return Target({"type": "parquet", "path": str(path)})
    raise ConfigurationError(f"{mask_secrets(given)!r} cannot be a destination here; give {FORMS}")
