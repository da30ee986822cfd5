"""What the options of all kinds are made of."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Options(BaseModel):
    """Options of one kind: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def examined(self) -> str | None:
        """What is wrong beyond the model; may take seconds, and the connector itself finds it as well."""
        return None

    def refused_collection(self, name: str) -> str | None:  # noqa: ARG002 -- most cannot tell without the network
        """Why a collection of this type cannot be; None if it can, or nobody knows yet."""
        return None


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Several = BeforeValidator(_several)
"""A list, or a single text in its place."""
