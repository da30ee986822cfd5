"""Options as the models of their kinds have them, or what is wrong with them."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.connectors.options.complaints import complaints, render_path
from app.domain.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], given: dict[str, Any], *, place: str) -> Model:
    """`given` as `model`; `place` begins every complaint.

    Raises:
        ConfigurationError: names each wrong key, never its value, which may be a secret.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = (f"{render_path((place, *key))}: {why}" for key, why in complaints(error, model))
        raise ConfigurationError("; ".join(found)) from None
