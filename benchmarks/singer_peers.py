"""The tap, target, runner and loader that Syncline is measured with and compared with, each in its own environment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from psycopg.conninfo import conninfo_to_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

PEERS: Final = Path(__file__).parent / "peers"
INSTALLED: Final = Path(__file__).parent / ".peers"


@dataclass(frozen=True, slots=True)
class Package:
    """A Python package that is pinned in `peers/{half}.txt` and installed into `.peers/{half}`."""

    name: str
    half: str

    def missing(self) -> str | None:
        """Why it cannot run here; None if it can."""
        if (INSTALLED / f"installed-{self.half}").exists():
            return None
        return f"{self.name} was not measured: it is not installed (benchmarks/peers/install)"

    def version(self) -> str:
        lines = (PEERS / f"{self.half}.txt").read_text().splitlines()
        return next(line for line in lines if line.startswith(f"{self.name}==")).split("==")[1].split()[0]

    def command(self, name: str) -> str:
        return str(INSTALLED / self.half / "bin" / name)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }


TARGET: Final = Package("meltanolabs-target-postgres", "target")
# Its records are checked against no schema then, and it takes twice the memory.
TARGET_AT_ITS_FASTEST: Final[Mapping[str, Any]] = MappingProxyType(
    {"use_copy": True, "batch_size_rows": 100_000, "validate_records": False}
)
TAP: Final = Package("meltanolabs-tap-postgres", "tap")
MELTANO: Final = Package("meltano", "meltano")
DLT: Final = Package("dlt", "dlt")


def meltano_project(extractor: dict[str, Any], target_config: Mapping[str, Any]) -> dict[str, Any]:
    """`meltano.yml` of a tap and `target-postgres`, which are there already: nothing is installed, nobody is asked."""
    loader = {
        "name": "target-postgres",
        "namespace": "target_postgres",
        "executable": TARGET.command("target-postgres"),
        "config": dict(target_config),
    }
    return {
        "default_environment": "measured",
        "environments": [{"name": "measured"}],
        "send_anonymous_usage_stats": False,
        "project_id": "5cf30ee2-6e0c-4d2b-9a6e-6a1f3c9f2f8b",
        "plugins": {"extractors": [extractor], "loaders": [loader]},
    }


def postgres_settings(url: str) -> dict[str, str | int]:
    """A database as the tap's and the target's settings name it."""
    given = conninfo_to_dict(url)
    return {
        "host": str(given["host"]),
        "port": int(given["port"] or 5432),
        "user": str(given["user"]),
        "password": str(given.get("password") or "none"),
        "database": str(given["dbname"]),
    }


def format_settings(settings: Mapping[str, Any]) -> str:
    """For the page."""
    return ", ".join(f"{key}: {json.dumps(value)}" for key, value in settings.items())
