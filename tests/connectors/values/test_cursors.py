"""Texts of cursors in the order of what they mean, or of what they are, or in none that anybody could know."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.connectors.values.cursors import CursorText, UnorderedError, is_misplaced


def is_later(value: str, than: str) -> bool:
    return CursorText(value) > than


@pytest.mark.parametrize(
    "ascending",
    [
        ["2024-05-01T10:00:00Z", "2024-05-01T10:00:00.25Z", "2024-05-01T10:00:00.5Z", "2024-05-01T10:00:01Z"],
        ["2024-10-27T02:30:00+02:00", "2024-10-27T02:10:00+01:00", "2024-10-27T01:20Z", "2024-10-26 21:30:00-0400"],
        ["2024-10-27T02:30:00+02:00[Europe/Berlin]", "2024-10-27T02:10:00+01:00[Europe/Berlin]", "2024-10-27 01:20Z"],
        ["2024-10-27 02:10:00 CET", "2024-10-27 02:30:00 CET"],
        ["2024-05-01T09:00:00", "2024-05-01 10:00:00", "2024-05-01T10:00:00.000000001+00:00", "20240501T100001Z"],
        ["2024-04-30", "2024-05-01T00:00:01Z", "2024-05-02"],
        ["-1000", "-2", "0", "007", "99.5", "999", "1000", "100000000000000000000"],
        ["Mon, 06 May 2024 10:00:00 GMT", "Tue, 07 May 2024 10:00:00 +0200", "Fri, 10 May 2024 10:00:00 GMT"],
        ["", "a", "b", "ba"],
        ["65a1f09b8c", "6612345678", "66b0000000"],
        ["0", "10045", "10046-B", "10047"],
        ["1.10", "1.10.1", "1.9"],
        ["9" * 4001, "1" + "0" * 4001, "1" + "0" * 5000],
        ["1" + "0" * 5000, "2" + "0" * 5000 + "a"],
        ["Sun", "Sunny 1", "Sunny 2"],
        ["2024-05", "2024-06", "2024-10"],
        ["", "2024-05-01T10:00:00Z"],
        ["0000-00-00 00:00:00", "2024-05-01 10:00:00"],
        ["", "0000-00-00", "2024-05-01"],
        ["2024/05/01", "2024/06/01", "2024/10/01"],
        ["2024-9-1", "2024-9-2"],
        ["1e5", "9e5"],
        ["INV-0998", "INV-0999", "INV-1000"],
        ["0a12f", "12a3f", "1a23f"],
        ["a-9", "b-10"],
        ["65dec1234a01", "65dec1234b02"],
        ["0191dec0-1dec-7000-8000-000000000001", "0191dec0-1dec-7000-8000-000000000002"],
        ["65dec01f00", "65feb01f00"],
        ["2024-W05-1", "2024-W06-1"],
        ["2024Q4", "2025Q1"],
        ["Maya 1", "Maya 2"],
    ],
)
def test_texts_are_in_the_order_of_what_they_mean(ascending: list[str]) -> None:
    for one, two in itertools.combinations(ascending, 2):
        assert is_later(two, one)
        assert not is_later(one, two)
        assert max(CursorText(one), two) == two
        assert max(one, CursorText(two)) == two
        assert min(CursorText(two), one) == one


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ("1000a", "999"),
        ("pending", "2024-05-01T10:00:00Z"),
        ("01:30:00 PM", "12:30:00 PM"),
        ("2024-05-01 01:30 pm", "2024-05-01 12:30 pm"),
        ("2024-10-1", "2024-9-1"),
        ("2024-10-01", "2024-9-30"),
        ("2024/10/1", "2024/9/1"),
        ("1e6", "9e5"),
        ("1714557600", "2024-05-01T10:00:00Z"),
        ("2024-05-01", "2024-05-01T10:00:00Z"),
        ("01/06/2024", "02/05/2024"),
        ("Sun, 27 Oct 2024 02:10:00 CET", "Sun, 27 Oct 2024 02:30:00 CEST"),
        ("Sun, 27 Oct 2024 02:10:00 GMT", "Mon, 28 Oct 2024 02:30:00 CET"),
        ("Sun, 27 Oct 2024 02:10:00", "Mon, 28 Oct 2024 02:30:00"),
        ("Sun Oct 27 02:10:00 2024", "Mon Oct 28 02:10:00 2024"),
        ("Sunday, 27-Oct-24 02:10:00 GMT", "Monday, 28-Oct-24 02:10:00 GMT"),
        ("01-Jan-2025", "31-Dec-2024"),
        ("5 October 2024 10:00", "7 June 2024 10:00"),
        ("Apr 5, 2025", "Feb. 1, 2024"),
        ("2024-Apr-01", "2024-Feb-01"),
        ("01JAN2025", "31DEC2024"),
        ("44 BC", "50 BC"),
        ("Feb 1, 2025", "Jan 2, 2025"),
        ("Jan 2, 2025", "Feb 1, 2025"),
        ("01 Feb 2024", "02 Jan 2025"),
        ("01-FEB-24", "02-JAN-25"),
        ("01FEB2024", "02JAN2025"),
        ("2024-Feb-01", "2024-Jan-02"),
        ("January", "February"),
        ("01/02/24", "30/01/24"),
        ("01.02.", "30.01."),
        ("Q1 2025", "Q4 2024"),
        ("1Q25", "4Q24"),
        ("Week 1, 2025", "Week 52, 2024"),
        ("05/2024", "12/2023"),
        ("2024-10-27 02:10:00 CET", "2024-10-27 02:30:00 CEST"),
        ("2024-10-27 02:10 GMT+1", "2024-10-27 02:30 GMT+2"),
        ("2024-10-27 02:10 Europe/Berlin", "2024-10-27 02:30 Europe/Berlin"),
        ("2024-10-27T00:10:00Z", "2024-10-27 02:30:00 CEST"),
        ("2024-10-27 02:40:00", "2024-10-27 02:30:00 CEST"),
        ("2025-05-01T10:00:00Z", "01/02/24"),
        ("0044-03-15 BC", "0043-03-15 BC"),
        ("(5.00)", "(3.00)"),
        ("1" + "0" * 5000 + "a", "2"),
        ("INV-1000", "INV-999"),
        ("v1.10.0", "v1.9.0"),
        ("a1" + "0" * 5000, "a2"),
    ],
)
def test_what_has_no_order_is_refused(value: str, other: str) -> None:
    with pytest.raises(UnorderedError, match="cannot tell which is later"):
        is_later(value, other)
    with pytest.raises(UnorderedError):
        max(CursorText(value), other)
    assert CursorText(value) != other


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        ("10", "9", True),
        ("INV-1000", "INV-999", True),
        ("2024-05-01 10:00:00", "2024-05-01T09:00:00", True),
        ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00+00:00", True),
        ("2024-05-01T10:00:00Z", "pending", True),
        ("01/06/2024", "02/05/2024", True),
        ("8", "9", False),
        ("2024-05-01T09:00:00Z", "2024-05-01T10:00:00.5Z", False),
        ("B", "a", False),
        ("é", "z", False),
        ("INV-998", "INV-999", False),
    ],
)
def test_a_collation_decides_where_the_meaning_does_not_contradict_it(
    value: str, before: str, *, expected: bool
) -> None:
    assert is_misplaced(value, before) is expected


def test_texts_that_begin_with_a_day_of_the_week_may_be_equal() -> None:
    assert not is_later("Sun, 27 Oct 2024 02:10:00 CET", "Sun, 27 Oct 2024 02:10:00 CET")


def test_a_text_and_a_number_have_no_order() -> None:
    with pytest.raises(UnorderedError, match='"1000" or 999: one is a string and the other is not'):
        max(CursorText("1000"), 999)


@pytest.mark.parametrize("begin", ["", "0", "1970-01-01", "2024-05-01"])
def test_a_value_to_begin_with_may_be_of_another_form(begin: str) -> None:
    assert is_later("2024-05-01T10:00:00Z", begin)


@given(some.lists(some.datetimes(), min_size=2), some.sampled_from(["%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%d %H:%M:%S"]))
def test_texts_of_one_form_are_in_the_order_that_they_had(moments: list, form: str) -> None:  # type: ignore[type-arg]
    texts = [f"{moment:%Y}".zfill(4) + moment.strftime(form)[len(f"{moment:%Y}") :] for moment in moments]
    assert max(map(CursorText, texts)) == max(texts)
    assert str(max(map(CursorText, texts))) == max(texts)
