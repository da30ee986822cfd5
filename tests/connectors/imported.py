"""Importing this imports everything that an attempt may need, whatever its source and destinations are."""

from __future__ import annotations

import importlib
import pkgutil

import app.attempt
import app.connectors

for package in (app.attempt, app.connectors):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
