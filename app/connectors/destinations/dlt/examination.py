"""`python -m app.connectors.destinations.dlt.examination`: lets dlt check a destination without connecting to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.destinations.dlt.options import DltDestinationOptions
from app.connectors.destinations.dlt.warehouse import Warehouse
from app.connectors.dlt.examination import examine
from app.connectors.options.complaints import must_be
from app.connectors.options.validation import validated
from app.domain.choices import unknown_key

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.options.complaints import KeyPath, KeyProblem


def check(config: dict[str, Any], home: Path) -> Iterator[KeyProblem]:
    """Yields keys that dlt does not know, and numbers for strings; raises `ConfigurationError` for what dlt refuses."""
    options = validated(DltDestinationOptions, config, key_path="destination")
    warehouse = Warehouse(options, home=home, locks=home)
    problems = [
        *_unknown_keys(warehouse.factory, options.settings, ()),
        *_unknown_keys(warehouse.staging, options.staging or {}, ("staging",)),
        *_numbers_for_strings(warehouse.factory.spec, options.settings, ()),
        *_numbers_for_strings(warehouse.staging and warehouse.staging.spec, options.staging or {}, ("staging",)),
    ]
    yield from problems
    if problems:
        return
    with warehouse.translate_errors("dlt does not accept the configuration"):
        factory = warehouse.factory
        resolved = factory.configuration(factory.spec()._bind_dataset_name(options.dataset))  # noqa: SLF001 -- as dlt does
    if options.name == "sqlalchemy":
        with warehouse.translate_errors("credentials"):
            resolved.get_dialect_class().import_dbapi()
    if warehouse.is_of_files and "{load_id}" not in resolved.layout:
        yield ("layout",), "must contain {load_id}, which identifies the files of a load"


def _unknown_keys(factory: Any, written: dict[str, Any], path: KeyPath) -> Iterator[KeyProblem]:
    if factory is not None:
        valid = {*factory.spec.get_resolvable_fields()} - _OURS
        for key in sorted(written.keys() - valid):
            yield (*path, key), unknown_key(key, valid)


def _numbers_for_strings(spec: Any, written: dict[str, Any], path: KeyPath) -> Iterator[KeyProblem]:
    """A password of digits, for example, at which dlt fails; it only turns strings into numbers."""
    from dlt.common.typing import extract_inner_type  # noqa: PLC0415 -- dlt takes seconds

    for key, hint in (spec.get_resolvable_fields() if spec else {}).items():
        inner, value = extract_inner_type(hint), written.get(key)
        if inner is str and isinstance(value, int | float):
            yield (*path, key), must_be(["a string"], value, secret=True)
        elif isinstance(value, dict) and hasattr(inner, "get_resolvable_fields"):
            yield from _numbers_for_strings(inner, value, (*path, key))


_OURS = frozenset({
    "dataset_name", "default_schema_name", "destination_name", "destination_type", "environment", "replace_strategy",
    "staging_config", "as_staging_destination", "local_dir", "pipeline_name", "pipeline_working_dir",
    "original_bucket_url",
})  # fmt: skip


if __name__ == "__main__":
    examine(check)
