"""`python -m app.connectors.destinations.dlt.examination`: lets dlt check a destination without connecting to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.destinations.dlt.options import DltDestinationOptions
from app.connectors.destinations.dlt.warehouse import Warehouse
from app.connectors.dlt.examination import examine
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def complain(config: dict[str, Any], home: Path) -> None:
    """Raises `ConfigurationError` for a key that dlt does not know, and for incomplete credentials."""
    options = DltDestinationOptions.model_validate(config)
    warehouse = Warehouse(options, home=home, locks=home)
    for prefix, factory, given in (
        ("", warehouse.factory, options.settings),
        ("staging.", warehouse.staging, options.staging or {}),
    ):
        if factory is None:
            continue
        valid = {*factory.spec.get_resolvable_fields()} - _OURS
        if unknown := sorted(given.keys() - valid):
            raise ConfigurationError(f"{prefix}{unknown[0]}: unknown key; choose one of {', '.join(sorted(valid))}")
    with warehouse.translate_errors("dlt does not accept the configuration"):
        factory = warehouse.factory
        resolved = factory.configuration(factory.spec()._bind_dataset_name(options.dataset))  # noqa: SLF001 -- as dlt does
    if options.name == "sqlalchemy":
        with warehouse.translate_errors("credentials"):
            resolved.get_dialect_class().import_dbapi()
    if warehouse.is_of_files and "{load_id}" not in resolved.layout:
        raise ConfigurationError("layout: must contain {load_id}, which identifies the files of a load")


_OURS = frozenset({
    "dataset_name", "default_schema_name", "destination_name", "destination_type", "environment", "replace_strategy",
    "staging_config", "as_staging_destination", "local_dir", "pipeline_name", "pipeline_working_dir",
    "original_bucket_url",
})  # fmt: skip


if __name__ == "__main__":
    examine(complain)
