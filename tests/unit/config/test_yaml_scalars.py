"""Values that are pasted into a catalogue are read as they were."""

from __future__ import annotations

from typing import Any

import pytest

from app.config.documents import parse_document
from app.config.yaml_scalars import scalar


@pytest.mark.parametrize(
    "value",
    [
        *("1e3", "+.5e1", "-.5", "0o17", "09", "0x1f", "1_000", "~", "null", "True", "no", "12:30", "2020-06-01", ""),
        *("plain", "a: b", "#x", "- x", "two\nlines", " x ", 'a "b"', "é"),
        *(1, -1.5, True, None, ["1e3", {"a": "no"}], {"1e3": ["09"]}),
    ],
)
def test_a_value_is_read_as_it_was(value: Any) -> None:
    assert parse_document(f"key: {scalar(value)}\n", "pasted").value == {"key": value}
