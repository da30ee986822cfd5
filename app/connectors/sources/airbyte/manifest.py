"""A declarative manifest: written out in the catalogue, as YAML text, or in a file."""

from __future__ import annotations

from typing import Any

import yaml

from app.connectors.programs.documents import read_text
from app.domain.errors import ConfigurationError


def load_manifest(manifest: dict[str, Any] | str) -> dict[str, Any]:
    """The manifest as an object.

    Raises:
        ConfigurationError: the file does not exist or does not hold a manifest.
    """
    if isinstance(manifest, dict):
        return manifest
    text = manifest if "\n" in manifest else read_text(manifest, "manifest", "a mapping")
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"'manifest' is not valid YAML: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("streams"), list):
        raise ConfigurationError("'manifest' is not a declarative manifest: it has no list of 'streams'")
    return content
