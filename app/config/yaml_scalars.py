"""Values as YAML that people paste into a catalogue."""

from __future__ import annotations

import json
from typing import Any

import yaml

from app.config.documents import plain_value


def scalar(value: Any) -> str:
    """A value as one line of YAML; JSON is valid YAML, too."""
    if isinstance(value, str) and value.isprintable():
        text = str(yaml.safe_dump(value, allow_unicode=True, width=float("inf")))
        text = text.removesuffix("...\n").strip()
        # PyYAML has the rules of YAML 1.1, by which 1e3, 0o17 and 09 are text.
        if isinstance(plain_value(text), str):
            return text
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)
