"""Values as YAML that people paste into a catalogue."""

from __future__ import annotations

import json
from typing import Any

import yaml


def scalar(value: Any) -> str:
    """A value as one line of YAML; JSON is valid YAML, too."""
    if isinstance(value, str) and value.isprintable():
        text = str(yaml.safe_dump(value, allow_unicode=True, width=float("inf")))
        return text.removesuffix("...\n").strip()
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)
