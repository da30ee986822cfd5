"""Options validated by the models of their kinds."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.connectors.options.complaints import complaints, render_path
from app.domain.errors import ConfigurationError
from app.domain.visible import make_visible

Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], given: dict[str, Any], *, key_path: str) -> Model:
    """`given` as `model`; every error begins with `key_path`.

    Raises:
        ConfigurationError: names each wrong key, but never the value of a secret one.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = (f"{render_path((key_path, *key))}: {why}" for key, why in complaints(error, model, given))
        raise ConfigurationError(make_visible("; ".join(found))) from None
