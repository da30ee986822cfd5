"""The user's function, found by its import path, and its declared schema."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syncline import Schema
from syncline.schema import DECLARED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import ModuleType

    from app.connectors.sources.python.blame import Blame


def find_function(where: str, path: Iterable[str], *, default: str, blame: Blame) -> Callable[..., Any]:
    """The function at `package.module:name`; `default` if it has no name. `path` are directories to look in first.

    Raises:
        ConfigurationError: a directory, the module or the function is missing, or importing it failed.
    """
    _look_in(path, blame)
    name, _, attribute = where.partition(":")
    module = _import(name, blame)
    attribute = attribute or default
    function = getattr(module, attribute, None)
    if function is None:
        origin = getattr(module, "__file__", None) or "a package without a file"
        raise blame.refusal(
            f"config.function: module {name!r} ({origin}) has no function {attribute!r}{_suggest(module)}"
        )
    if not callable(function):
        raise blame.refusal(f"config.function: {name}:{attribute} is of type {type(function).__name__}, not a function")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise blame.refusal(f"config.function: {name}:{attribute} is asynchronous; write a plain generator")
    found: Callable[..., Any] = function
    return found


def offered_functions(where: str, path: Iterable[str], *, blame: Blame) -> dict[str, Callable[..., Any]]:
    """The function that `where` names; for a module, all with a declared schema, or all if none has one.

    Raises:
        ConfigurationError: as `find_function` does.
    """
    name, _, attribute = where.partition(":")
    if attribute:
        return {attribute: find_function(where, path, default=attribute, blame=blame)}
    _look_in(path, blame)
    own = _functions(_import(name, blame))
    return {name: function for name, function in own.items() if hasattr(function, DECLARED)} or own


def declared_schema(function: Callable[..., Any], blame: Blame) -> Schema:
    """The schema of the decorator; an empty one without it."""
    schema = getattr(function, DECLARED, None)
    if schema is not None and not isinstance(schema, Schema):
        raise blame.refusal(f"the function's {DECLARED} is of type {type(schema).__name__}, not a Schema")
    return schema or Schema()


def home_of(name: str) -> list[Path]:
    """The directories of the package, or the file of the single module, that `name` belongs to."""
    module = sys.modules.get(name.partition(".")[0])
    paths = [*getattr(module, "__path__", [])] or [getattr(module, "__file__", None)]
    return [Path(path).resolve() for path in paths if path]


def _look_in(path: Iterable[str], blame: Blame) -> None:
    directories = [Path(directory).expanduser().absolute() for directory in path]
    for number, directory in enumerate(directories):
        if not directory.is_dir():
            raise blame.refusal(f"config.path[{number}]: the directory {str(directory)!r} does not exist")
    blame.roots += [directory.resolve() for directory in directories]
    sys.path[:0] = [str(directory) for directory in directories if str(directory) not in sys.path]
    importlib.invalidate_caches()


def _import(name: str, blame: Blame) -> ModuleType:
    try:
        with blame.at(f"importing {name!r} failed: ", permanent=True):
            try:
                return importlib.import_module(name)
            except ModuleNotFoundError as error:
                if not error.name or not f"{name}.".startswith(f"{error.name}."):
                    raise
    finally:
        blame.roots += home_of(name)
    looked_in = ", ".join(map(str, blame.roots)) or "the installed packages"
    raise blame.refusal(f"config.function: there is no module {name!r} in {looked_in}; set 'path' to its directory")


def _suggest(module: ModuleType) -> str:
    own = _functions(module)
    return f"; choose one of {', '.join(sorted(own)[:20])}" if own else ""


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The module's own public functions."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }
