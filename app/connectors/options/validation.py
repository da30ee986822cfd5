"""Options validated by the models of their kinds."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.connectors.options.complaints import complaints, render_path
from app.domain.errors import ConfigurationError

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], given: dict[str, Any], *, place: str) -> Model:
    """`given` as `model`; every error begins with `place`.

    Raises:
        ConfigurationError: names each wrong key, but never its value, which may be a secret.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = (f"{render_path((place, *key))}: {why}" for key, why in complaints(error, model))
        raise ConfigurationError("; ".join(found)) from None
