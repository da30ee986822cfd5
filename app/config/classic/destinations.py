"""Destinations as Jitsu Classic (v1.44.8) has them: where it keeps their options, and types that only it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.connectors.options.complaints import KeyPath

if TYPE_CHECKING:
    from collections.abc import Container

    from app.config.entry import Entry

BLOCKS: Final = ("datasource", "config")
"""Where it keeps the options."""

OPTION_NAMES: Final = {"db": "database", "username": "user"}
"""Options that have another name here."""

_NO_LOSS: Final = "nothing is lost: Syncline prepares no statements, so it works behind PgBouncer as it is"
_DRIVER: Final = {
    "application_name": "Syncline names each connection after its task, to end those of lost attempts",
    "binary_parameters": _NO_LOSS,
    "disable_prepared_binary_result": _NO_LOSS,
}
DRIVER_PARAMETERS: Final = frozenset(_DRIVER)
"""Parameters of its PostgreSQL driver that are ignored."""

_ELSEWHERE: Final = "write it with another program, from the tables that Syncline loads into 'postgres' or 'duckdb'"
_EVENTS: Final = (
    "it received events, which Syncline does not collect; no source needs it, so remove it from 'destinations', or "
    + _ELSEWHERE
)
REPLACEMENTS: Final = {
    "amplitude": _EVENTS,
    "bigquery": "use type 'dlt:bigquery', with 'dataset' and 'credentials' (docs/destinations/dlt.md)",
    "clickhouse": "use type 'dlt:clickhouse', with 'dataset' and 'credentials' (docs/destinations/dlt.md)",
    "dbtcloud": (
        "it started a job of dbt Cloud after each load, which Syncline does not do; start the job on a schedule in dbt "
        "Cloud, or when 'syncline run --wait' or GET /tasks tells that the load has ended"
    ),
    "facebook": _EVENTS,
    "gcs": "use type 'parquet' with a 'path' such as gs://bucket/folder (docs/destinations/parquet.md)",
    "google_analytics": _EVENTS,
    "hubspot": _EVENTS,
    "mysql": "use type 'dlt:sqlalchemy', with 'dataset' and 'credentials' (docs/destinations/dlt.md)",
    "npm": _EVENTS,
    "redshift": "use type 'dlt:redshift', with 'dataset' and 'credentials' (docs/destinations/dlt.md)",
    "s3": "use type 'parquet' with a 'path' such as s3://bucket/folder (docs/destinations/parquet.md)",
    "snowflake": "use type 'dlt:snowflake', with 'dataset' and 'credentials' (docs/destinations/dlt.md)",
    "tag": _EVENTS,
    "webhook": _EVENTS,
}
"""Types of destinations that Syncline has not under this name, and what to use instead."""


def refuse_classic_type(entry: Entry, type_: Any) -> bool:
    """Whether `type_` is one that only Classic has; what to use instead is then noted in `entry`."""
    if not isinstance(type_, str) or type_ not in REPLACEMENTS:
        return False
    entry.refuse(("type",), f"'{type_}' of Jitsu Classic is not supported: {REPLACEMENTS[type_]}")
    return True


def warn_of_disabled(entry: Entry, value: dict[str, Any]) -> None:
    """Classic has no key `enabled`, but whoever writes it expects that it has an effect."""
    if value.get("enabled") in (False, "false", "no", "off"):
        entry.warn(
            ("enabled",),
            "is ignored, as in Jitsu Classic: the destination stays in use; remove it from the 'destinations' of the "
            "sources to stop loading into it",
        )


def lift_options(
    entry: Entry, written: dict[str, Any], options_of_kind: Container[str]
) -> tuple[dict[str, Any], dict[str, KeyPath]]:
    """As `lifted_options`; parameters that are ignored are noted in `entry`."""
    options, written_at, ignored = lifted_options(written, options_of_kind)
    for path in ignored:
        entry.warn(path, f"is ignored; {_DRIVER[str(path[-1])]}")
    return options, written_at


def lifted_options(
    written: dict[str, Any], options_of_kind: Container[str]
) -> tuple[dict[str, Any], dict[str, KeyPath], list[KeyPath]]:
    """A destination's options, with those of Classic's `datasource:` or `config:`, and the paths of the latter.

    To Classic, an empty string there is the same as none. Its `parameters` are options where the kind has them, and
    otherwise what the kind itself calls `parameters`. The last of the three are the paths of those that are left out.
    """
    options, written_at, ignored = dict(written), dict[str, KeyPath](), list[KeyPath]()
    for block in BLOCKS:
        inner = written.get(block)
        if not isinstance(inner, dict):
            continue
        del options[block]
        found: dict[KeyPath, Any] = {(block, key): value for key, value in inner.items()}
        parameters = inner.get("parameters")
        if isinstance(parameters, dict):
            del found[block, "parameters"]
            own, passed_on = _divide(parameters, options_of_kind)
            found |= {(block, "parameters", key): value for key, value in own.items()}
            ignored += [(block, "parameters", key) for key in passed_on if key in DRIVER_PARAMETERS]
            if kept := {key: value for key, value in passed_on.items() if key not in DRIVER_PARAMETERS}:
                found[block, "parameters"] = kept
        for path, value in found.items():
            key = str(path[-1])
            option = OPTION_NAMES.get(key, key)
            if value != "":
                options[option], written_at[option] = value, path
    return options, written_at, ignored


def _divide(parameters: dict[str, Any], options_of_kind: Container[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those that are options of this kind, and those that it passes on."""
    if "parameters" not in options_of_kind:
        return parameters, {}
    own = {key: value for key, value in parameters.items() if key in options_of_kind and key != "ssl"}
    return own, {key: value for key, value in parameters.items() if key not in own}
