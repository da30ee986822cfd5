"""An archive for a bug report: what the doctor has found, versions, settings, the catalogue and errors; no secrets.

It has no rows of users' data. Texts of errors may quote such rows, so they are left out.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sys
import tarfile
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from app.bootstrap.environment import find_config, substitution_environment
from app.causes import describe_error
from app.config.reader import CatalogueReader
from app.config.texts import PARTS
from app.doctor.bounded import bounded, in_thread
from app.doctor.masking import mask_document, mask_everything
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.secret_values import secrets_in
from app.store.address import server_of
from app.store.installation import fetch_server, fetch_settings, list_error_events
from app.store.sessions import PINNED, PINNED_PLANS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from app.doctor.finding import Finding
    from app.doctor.installation import Installation

_DIRECTORY: Final = "syncline-doctor"
_SERVER_SETTINGS: Final = (
    *PINNED,
    *PINNED_PLANS,
    *("autovacuum", "fsync", "full_page_writes", "idle_in_transaction_session_timeout", "max_connections"),
    *("max_prepared_transactions", "server_encoding", "shared_buffers", "synchronous_commit", "TimeZone", "wal_level"),
)
# Variables of the shell, whose names look like those of passwords.
_DIRECTORIES: Final = ("PWD", "OLDPWD")
_README: Final = """\
What 'syncline doctor --bundle' has collected.

findings.json   what the checks found
versions.json   versions of Syncline, Python, its packages, the system and PostgreSQL
settings.json   Syncline's environment variables, and settings of PostgreSQL
catalogue.json  the catalogue as it is written, with its placeholders
sources.json    its sources, if they are in another file or at a URL
errors.json     the last 200 of the last 100,000 events that are errors, without their texts, which may quote rows
notes.json      what could not be collected

Secrets are masked with ***: all below a key whose name says so, and what looks like one. No row of your data is in
here. Names of hosts, logins, paths, sources, collections and tables are, and so are queries in the catalogue: look
before you send it.
"""


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check before the work that the archive can be written.

    Raises:
        ConfigurationError: it exists and may not be replaced, or its directory does not exist.
    """
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ConfigurationError(f"--bundle: {str(path)!r} is not the path of a file in an existing directory")
    if not overwrite and os.path.lexists(path):
        raise _exists(path)


async def contents_of(installation: Installation, findings: Sequence[Finding]) -> dict[str, str]:
    """The files of the archive by name, without secrets."""
    documents: dict[str, Any] = {"findings": [asdict(finding) for finding in findings]}
    server: dict[str, Any] = {}
    with_database: dict[str, Any] = {}

    async def ask_database() -> Iterable[Finding]:
        if installation.address is not None:
            async with installation.connected() as connection:
                server.update(await fetch_server(connection))
                with_database["settings"] = await fetch_settings(connection, _SERVER_SETTINGS)
                with_database["errors"] = [dict(row) for row in await list_error_events(connection)]
        return ()

    async def read_catalogue() -> Iterable[Finding]:
        documents.update(await _catalogue_documents(installation))
        return ()

    # Whatever cannot be read is a note in the archive.
    notes = await bounded("database", ask_database())
    notes += await bounded("catalogue", read_catalogue())
    documents["versions"] = _versions(server.get("version"))
    documents["settings"] = _settings(installation, with_database.get("settings", {}))
    documents["errors"] = with_database.get("errors", [])
    documents["notes"] = [note.text for note in notes]
    secrets = _known_secrets(installation)
    masked = {name: mask_document(document, secrets) for name, document in documents.items()}
    return {"README.txt": _README} | {f"{name}.json": _json(document) for name, document in masked.items()}


def write_bundle(path: Path, contents: Mapping[str, str], *, overwrite: bool) -> None:
    """Write the archive, which only this user can read.

    Raises:
        ConfigurationError: it exists and may not be replaced.
        SynclineError: it cannot be written.
    """
    try:
        _write(path, _pack(contents), overwrite=overwrite)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise SynclineError(f"cannot write {str(path)!r}: {describe_error(error)}") from error


def _write(path: Path, packed: bytes, *, overwrite: bool) -> None:
    """Private from its first byte, and no link leads it elsewhere. What it replaces stays until all is written."""
    if overwrite:
        descriptor, written = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.absolute().parent)
    else:
        descriptor, written = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), str(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(packed)
        Path(written).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(written).unlink()
        raise


def _exists(path: Path) -> ConfigurationError:
    return ConfigurationError(f"--bundle: {str(path)!r} exists: name another file, or use --overwrite")


def _pack(contents: Mapping[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in contents.items():
            encoded = text.encode(errors="backslashreplace")
            member = tarfile.TarInfo(f"{_DIRECTORY}/{name}")
            member.size, member.mode, member.mtime = len(encoded), 0o600, int(time.time())
            archive.addfile(member, io.BytesIO(encoded))
    return packed.getvalue()


def _versions(postgres: str | None) -> dict[str, Any]:
    packages = {each.name: each.version for each in distributions()}
    return {
        "syncline": packages.get("syncline"),
        "python": sys.version,
        "system": platform.platform(),
        "postgres": postgres,
        "packages": dict(sorted(packages.items())),
    }


def _settings(installation: Installation, server: Mapping[str, str]) -> dict[str, Any]:
    settings, address = installation.settings, installation.address
    return {
        "environment": {
            "DATABASE_URL": server_of(address.url) if address else None,
            "DATABASE_DIRECT_URL": server_of(address.direct) if address and address.pooled else None,
            "SYNCLINE_CONFIG": str(settings.config) if settings.config else None,
            "SYNCLINE_DATA_DIR": str(settings.data_dir),
            "SYNCLINE_LOG_LEVEL": settings.log_level,
            "SYNCLINE_LOG_FORMAT": settings.log_format,
        },
        "postgres": dict(server),
    }


async def _catalogue_documents(installation: Installation) -> dict[str, Any]:
    path = find_config(installation.settings, installation.config)
    if path is None:
        return {}
    reader = CatalogueReader(path, substitution_environment(installation.settings))
    texts = await in_thread(reader.read)
    value = texts.main.value
    if isinstance(value, dict) and "notifications" in value:
        # Whoever knows a webhook's URL can use it.
        value = value | {"notifications": mask_everything(value["notifications"])}
    separate = {part: document.value for part in PARTS if (document := texts.separate(part))}
    return {"catalogue": value} | separate


def _known_secrets(installation: Installation) -> frozenset[str]:
    """Those of the environment, and those that the catalogue has with its placeholders replaced."""
    catalogue = installation.catalogue
    variables = {name: value for name, value in os.environ.items() if name not in _DIRECTORIES}
    return secrets_in(variables) | (catalogue.secrets() if catalogue else frozenset())


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n"
