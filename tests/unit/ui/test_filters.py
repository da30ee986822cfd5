"""The filter field of a list."""

from __future__ import annotations

import pytest

from app.ui.filters import read_filter

KNOWN = ("source", "state")


@pytest.mark.parametrize(
    ("typed", "takes"),
    [
        ("", True),
        ("ORD", True),
        ("shop orders", True),
        ("shop customers", False),
        ("source:sho", True),
        ("source:crm", False),
        ("state:Failing orders", True),
        ("state:fine", False),
        ('"p.o"', True),
        ('"open quote', False),
        ("sorce:crm", True),
    ],
)
def test_words_are_in_the_name_and_qualifiers_in_one_thing(typed: str, *, takes: bool) -> None:
    assert read_filter(typed, KNOWN).takes("shop.orders", {"source": "shop", "state": "failing"}.__getitem__) is takes


def test_what_is_not_understood_is_told() -> None:
    assert read_filter("sorce:crm", KNOWN).problem == (
        "unknown qualifier 'sorce'; did you mean 'source'? choose one of source, state"
    )
    assert read_filter("source:crm", KNOWN).problem is None
