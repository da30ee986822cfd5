"""What JSONPaths of a configuration lead to in a response."""

from __future__ import annotations

from typing import Any

from dlt.common import jsonpath
from jsonpath_ng import Child, Fields, Root, Wildcard
from jsonpath_ng.ext.filter import Filter


def first_value(path: Any, document: Any) -> Any:
    """The first value at `path`; None if there is none."""
    return next(iter(jsonpath.find_values(path, document)), None) if path is not None else None


def count_unfiltered(path: Any, document: Any) -> int:
    """How many elements the last `[*]` or filter in `path` selects from."""
    while isinstance(path, Child) and not isinstance(path.right, Filter | Wildcard):
        path = path.left
    if not isinstance(path, Child):
        return 0
    return sum(len(each) for each in jsonpath.find_values(path.left, document) if isinstance(each, list))


def is_of_one_list(path: Any, document: Any) -> bool:
    """Whether each row is one element of the same list: `orders[*].lines[*]` finds those of several."""
    if is_of_names(path):
        return True
    steps = _steps(path)
    choices = [step for step in steps if isinstance(step, Filter | Wildcard)]
    rest_is_names = all(is_of_names(step) for step in steps if step not in choices)
    return len(choices) == 1 and rest_is_names and not any(isinstance(each.value, list) for each in path.find(document))


def is_of_names(path: Any) -> bool:
    """Whether it leads to a single value."""
    if isinstance(path, Child):
        return is_of_names(path.left) and is_of_names(path.right)
    return isinstance(path, Root) or (isinstance(path, Fields) and len(path.fields) == 1 and "*" not in path.fields)


def with_filter(path: Any) -> str:
    """`path` as it would choose only the objects with an id, from the elements of its list."""
    before, _, inner = str(path).partition(".*")
    return f"{before}[?(@{inner}.id)]{inner}"


def _steps(path: Any) -> list[Any]:
    return [*_steps(path.left), *_steps(path.right)] if isinstance(path, Child) else [path]
