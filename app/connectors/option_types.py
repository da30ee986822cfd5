"""What the options of all kinds are made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Options(BaseModel):
    """Options of one kind: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Several = BeforeValidator(_several)
"""A list, or a single text in its place."""
