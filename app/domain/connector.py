"""What reads a source, as its user calls it."""

from __future__ import annotations

from typing import NamedTuple


class Connector(NamedTuple):
    """A package, an image, a function or a kind of source; `version` is None if only its user knows it."""

    name: str
    version: str | None


class SourceFacts(NamedTuple):
    """What a worker reads a source with. `config_digest` is the same for the same configuration and key."""

    connector: Connector
    config_digest: str
