"""What JSONPaths of a configuration lead to in a response."""

from __future__ import annotations

from typing import Any

from dlt.common import jsonpath
from jsonpath_ng import Child, Fields, Root
from jsonpath_ng.ext.filter import Filter


def first_value(path: Any, document: Any) -> Any:
    """The first value at `path`; None if there is none."""
    return next(iter(jsonpath.find_values(path, document)), None) if path is not None else None


def count_unfiltered(path: Any, document: Any) -> int:
    """How many elements a path that ends in a filter selects from."""
    while isinstance(path, Child) and not isinstance(path.right, Filter):
        path = path.left
    if not isinstance(path, Child):
        return 0
    return sum(len(each) for each in jsonpath.find_values(path.left, document) if isinstance(each, list))


def is_of_names(path: Any) -> bool:
    """Whether it leads to a single value."""
    if isinstance(path, Child):
        return is_of_names(path.left) and is_of_names(path.right)
    return isinstance(path, Root) or (isinstance(path, Fields) and len(path.fields) == 1 and "*" not in path.fields)
