"""Where the rows of a target are. Only its settings say that, and in words that only the target understands."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from app.connectors.options.constraints import normalize_name
from app.domain.secret_names import is_secret_option
from app.domain.without_secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.connectors.destinations.singer.options import TargetOptions

_DIGITS: Final = 16
# How fast targets of Meltano's SDK and of PipelineWise load, and how much they check: not where.
_PACE: Final = frozenset({
    "batch_size_rows", "batch_wait_limit_seconds", "batch_size_mb", "disable_table_cache", "flush_all_streams",
    "max_parallelism", "parallelism", "validate_records",
})  # fmt: skip


def place_of(options: TargetOptions, settings: dict[str, Any]) -> dict[str, str]:
    """By the keys of the destination: which program it is, in any version, and a digest of each setting.

    Secrets have no part in it, so that they can be renewed.
    """
    place: dict[str, str] = {"type": options.type}
    if options.package:
        place["package"] = normalize_name(re.split(r"[\[=@]", options.package[0])[0])
    if options.executable:
        place["executable"] = options.executable
    if options.command:
        words = shlex.split(options.command) if isinstance(options.command, str) else options.command
        place["command"] = _digest(list(_without_secret_arguments(words)))
    for name, value in without_secrets(settings).items():
        if name not in _PACE:
            place[f"settings.{name}"] = _digest(value)
    return place


def _without_secret_arguments(words: Sequence[str]) -> Iterator[Any]:
    """Without the value of an option such as `--password`, which may be a word of its own."""
    for before, word in pairwise(["", *words]):
        if not is_secret_option(before):
            yield without_secrets(word)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]
