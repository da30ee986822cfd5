"""What is wrong in the configuration of an API, by the types that dlt declares for it.

dlt checks these types as well, but names every class that it has tried, and quotes what it found, secrets included.
"""

from __future__ import annotations

import collections.abc
import types
import typing
from typing import TYPE_CHECKING, Any, Final

import typing_extensions

from app.connectors.options.complaints import must_be, render_path
from app.domain.choices import unknown_key, unknown_name
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.connectors.options.complaints import KeyPath, KeyProblem

_ONE_OF: Final = "one of "
_PLAIN: Final[dict[Any, str]] = {str: "a string", int: "an integer", float: "a number", bool: "true or false"}
# What each needs besides its type: dlt's types declare these keys as optional.
_NEEDED: Final = {
    "bearer": ("token",),
    "api_key": ("api_key",),
    "http_basic": ("username", "password"),
    "oauth2_client_credentials": ("access_token_url", "client_id", "client_secret"),
    "offset": ("limit",),
}
_UNIONS: Final = (typing.Union, types.UnionType)
_LISTS: Final = (list, collections.abc.Sequence)
_MAPPINGS: Final = (dict, collections.abc.Mapping)


class InvalidConfigError(ConfigurationError):
    """`problems` has each key that is wrong, and why; without values, which may be secrets."""

    def __init__(self, message: str, problems: Iterable[KeyProblem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


def check_config(config: dict[str, Any]) -> None:
    """Raises `InvalidConfigError` for keys, types of values and names of resources that dlt does not know."""
    # Only a configuration of the right shape has names to look for.
    if problems := problems_of_types(config) or list(_in_parents(config)):
        raise InvalidConfigError("; ".join(f"{render_path(path)}: {why}" for path, why in problems), problems)


def problems_of_types(config: dict[str, Any]) -> list[KeyProblem]:
    """Keys that dlt does not know, and values of other types than it declares."""
    from dlt.sources.rest_api.typing import RESTAPIConfig  # noqa: PLC0415 -- dlt takes seconds

    return list(_in_mapping(config, RESTAPIConfig, ()))


def _in_parents(config: dict[str, Any]) -> Iterator[KeyProblem]:
    """Problems of parameters that are filled from the rows of another resource."""
    from dlt.sources.rest_api.typing import ResolveParamConfig  # noqa: PLC0415 -- dlt takes seconds

    names = {each if isinstance(each, str) else each["name"] for each in config["resources"]}
    for index, resource in enumerate(config["resources"]):
        endpoint = resource.get("endpoint") if isinstance(resource, dict) else None
        parameters = endpoint.get("params") if isinstance(endpoint, dict) else None
        for name, parameter in (parameters or {}).items():
            if isinstance(parameter, dict) and parameter.get("type") == "resolve":
                path = ("resources", index, "endpoint", "params", name)
                if problems := list(_in_mapping(parameter, ResolveParamConfig, path)):
                    yield from problems
                elif parameter["resource"] not in names:
                    yield (*path, "resource"), unknown_name("resource", parameter["resource"], names)


def _in_value(value: Any, expected: Any, path: KeyPath) -> Iterator[KeyProblem]:
    """Nothing for a type that is not known here: dlt itself checks it later."""
    origin = typing.get_origin(expected)
    if origin in _UNIONS:
        yield from _in_union(value, typing.get_args(expected), path)
    elif origin in _LISTS and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _in_value(item, typing.get_args(expected)[0], (*path, index))
    elif origin in _MAPPINGS and isinstance(value, dict):
        for key, item in value.items():
            yield from _in_value(item, typing.get_args(expected)[1], (*path, str(key)))
    elif typing_extensions.is_typeddict(expected) and isinstance(value, dict):
        yield from _in_mapping(value, expected, path)
    elif not _fits(value, expected):
        yield path, _refusal(value, [expected])


def _in_mapping(
    value: dict[str, Any], expected: Any, path: KeyPath, *, needed: Iterable[str] = ()
) -> Iterator[KeyProblem]:
    keys = typing.get_type_hints(expected)
    for key in sorted({*expected.__required_keys__, *needed} & keys.keys() - value.keys()):
        yield (*path, key), "is missing"
    for key, inner in value.items():
        if key in keys:
            yield from _in_value(inner, keys[key], (*path, key))
        else:
            valid = [each for each, type_ in keys.items() if _can_be_written(type_)]
            yield (*path, str(key)), unknown_key(str(key), valid)


def _in_union(value: Any, members: tuple[Any, ...], path: KeyPath) -> Iterator[KeyProblem]:
    # Beside a class, dlt's `Any` is an instance of that class.
    accepts_all = Any in members and all(typing.get_origin(each) is not type for each in members)
    if accepts_all or (value is None and type(None) in members):
        return
    written = [each for each in members if each is not Any and _can_be_written(each)]
    if isinstance(value, dict) and (mappings := [each for each in written if typing_extensions.is_typeddict(each)]):
        meant = _meant(value, mappings)
        yield from _in_mapping(value, meant, path, needed=_needed_keys(value, meant))
        return
    if isinstance(value, str) and value in _NEEDED and any(map(typing_extensions.is_typeddict, written)):
        yield path, f"must be a mapping: {value!r} also needs {', '.join(_NEEDED[value])}"
        return
    found = [list(_in_value(value, each, path)) for each in written]
    if all(found):
        # A problem further inside says more than one of the whole value.
        inner = [problems for problems in found if any(where != path for where, _ in problems)]
        yield from inner[0] if inner else [(path, _refusal(value, written))]


def _meant(value: dict[str, Any], mappings: list[Any]) -> Any:
    """Of several types of mappings, the one that `value` is most likely meant to have."""
    from dlt.sources.rest_api.config_setup import AUTH_MAP, PAGINATOR_MAP  # noqa: PLC0415 -- dlt takes seconds

    type_ = value.get("type")
    made = {**AUTH_MAP, **PAGINATOR_MAP}.get(type_) if isinstance(type_, str) else None
    name = f"{made.__name__}Config".lower() if made else ""
    named = [each for each in mappings if each.__name__.lower() == name]
    return min(named or mappings, key=lambda each: len(list(_in_mapping(value, each, ()))))


def _needed_keys(value: dict[str, Any], meant: Any) -> tuple[str, ...]:
    """An `auth` without a type is that of a bearer."""
    type_ = value.get("type", "bearer" if "token" in meant.__annotations__ else None)
    return _NEEDED.get(type_, ()) if isinstance(type_, str) else ()


def _can_be_written(expected: Any) -> bool:
    """Whether a file can have values of this type: functions and objects exist only in Python."""
    origin = typing.get_origin(expected)
    if origin in _UNIONS:
        return any(map(_can_be_written, typing.get_args(expected)))
    return (
        expected in _PLAIN
        or expected is Any
        or origin in (typing.Literal, *_LISTS, *_MAPPINGS)
        or typing_extensions.is_typeddict(expected)
    )


def _fits(value: Any, expected: Any) -> bool:
    origin = typing.get_origin(expected)
    if origin is typing.Literal:
        return value in typing.get_args(expected)
    if expected in _PLAIN:
        return isinstance(value, expected)
    return origin not in (*_LISTS, *_MAPPINGS) and not typing_extensions.is_typeddict(expected)


def _refusal(value: Any, expected: list[Any]) -> str:
    texts = sorted(dict.fromkeys(map(_describe, expected)), key=lambda text: text.startswith(_ONE_OF))
    if not texts:
        return "can be set only in Python"
    if texts == [_PLAIN[str]] and isinstance(value, int | float):
        return must_be(texts, value, secret=True)
    return f"must be {' or '.join(texts)}"


def _describe(expected: Any) -> str:
    origin = typing.get_origin(expected)
    if origin is typing.Literal:
        return f"{_ONE_OF}{', '.join(map(str, typing.get_args(expected)))}"
    if origin in _LISTS:
        return "a list"
    return _PLAIN.get(expected, "a mapping (key: value)")
