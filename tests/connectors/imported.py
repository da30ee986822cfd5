"""Importing this imports everything that an attempt may need, whatever its source and destinations are.

Models of options are built here as well, which takes half of a short attempt.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import app.attempt
import app.connectors
from app.connectors.options.types import Options

if TYPE_CHECKING:
    from collections.abc import Iterator


def _kinds_of(options: type[Options]) -> Iterator[type[Options]]:
    for each in options.__subclasses__():
        yield each
        yield from _kinds_of(each)


for package in (app.attempt, app.connectors):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
for kind in _kinds_of(Options):
    kind.model_rebuild()
