"""Keys of Jitsu Classic (v1.44.8) that Syncline accepts but ignores, so that the YAML of its users works.

Each of them gives a warning. A key that is in no list here is a mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.config.classic.oauth import OAUTH_SECTIONS
from app.config.problems import PlaceOf, Problem
from app.connectors.options.complaints import KeyPath, render_path
from app.domain.naming import CLASSIC

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.config.entry import Entry

_SECTIONS = """
airbyte-bridge api_keys batch_uploader clickhouse compatibility coordination events experimental geo
geo_resolvers global_destinations log maxmind meta node singer-bridge snowflake sql_debug_log streaming
sync-tasks synchronization_service system transform ui users_recognition
"""
_SERVER_KEYS = """
always_redirect_to_configurator api_keys_reload_sec auth auth_reload_sec cache config configurator_redirect_https
configurator_urn disable_signature disable_skip_events_warn disable_version_reminder
disable_welcome_page event_enrichment fields_configuration geo_resolvers_reload_sec log log_http_errors max_columns
max_event_size metrics name plugins_cache public_url static_files_dir strict_auth_tokens telemetry ua volumes
"""
_DESTINATION_KEYS = """
break_on_error caching data_layout enabled enrichment geo_data_resolver_id log mode only_tokens package
post_handle_destinations staged streaming_threads_count users_recognition
"""
KEY_OPTION = "primary_key_fields"
SECTIONS = frozenset(_SECTIONS.split())
SERVER_KEYS = frozenset(_SERVER_KEYS.split())
DESTINATION_KEYS = frozenset(_DESTINATION_KEYS.split())
SOURCE_KEYS = frozenset({"notifications", "post_handle_destinations", "project_name", "source_id"})
LOSSES = {
    "notifications": "nothing is posted to Slack about this source",
    "post_handle_destinations": (
        "nothing is started after a load, such as a job of dbt Cloud; 'syncline run --wait' and GET /tasks tell when a "
        "load has ended"
    ),
}
"""What users miss without a key."""
COLLECTION_KEYS = frozenset({"mode"})
DOTTED_SECTIONS = frozenset({"configurator", "notifications", "server", *OAUTH_SECTIONS})
"""Sections whose keys may be written with dots."""


def lift_key(entry: Entry, written: dict[str, Any]) -> tuple[dict[str, Any], dict[str, KeyPath]]:
    """`written` with the key of Classic's tables as an option, if their naming is wanted, and the path of that.

    Otherwise a warning says what would load on into them.
    """
    layout = written.get("data_layout")
    key = layout.get(KEY_OPTION) if isinstance(layout, dict) else None
    if not isinstance(layout, dict) or not key:
        return written, {}
    path = ("data_layout", KEY_OPTION)
    rest = {name: value for name, value in layout.items() if name != KEY_OPTION}
    others = {name: value for name, value in written.items() if name != "data_layout"}
    others |= {"data_layout": rest} if rest else {}
    if written.get("naming") != CLASSIC:
        message = "ignored: to load on into the tables of Jitsu Classic, set 'naming: classic' at this destination"
        entry.warn(path, message)
        return others, {}
    return others | {KEY_OPTION: key}, {KEY_OPTION: path}


def without_classic_keys(
    entry: Entry, value: dict[str, Any], keys: Iterable[str], below: KeyPath = ()
) -> dict[str, Any]:
    """`value`, which is `below` the entry, without Classic's `keys`; a warning names those that were there."""
    kept, ignored = without_ignored(value, keys)
    lost = [key for key in ignored if key in LOSSES and value[key]]
    entry.warnings += ignored_warning(entry.path + below, [key for key in ignored if key not in lost], entry.place)
    for key in lost:
        entry.warn((*below, key), f"is ignored: {LOSSES[key]}")
    return kept


def without_ignored(mapping: dict[str, Any], keys: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """`mapping` without Classic's `keys`, and those that were there. `log.path` belongs to the section `log`."""
    known = frozenset(keys)
    ignored = [key for key in mapping if key in known or key.partition(".")[0] in known]
    return {key: value for key, value in mapping.items() if key not in ignored}, ignored


def ignored_warning(path: KeyPath, ignored: list[str], place: PlaceOf) -> list[Problem]:
    """One warning for all the keys that were left out below `path`."""
    if not ignored:
        return []
    keys = ", ".join(sorted(ignored))
    message = f"ignored: keys of Jitsu Classic that have no effect here: {keys}"
    return [Problem(render_path(path), message, place((*path, ignored[0])))]
