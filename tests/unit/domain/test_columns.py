from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.domain.columns import ColumnRules, WrittenColumns


def test_patterns_are_names_with_a_star_or_a_question_mark() -> None:
    rules = ColumnRules(include=("id", "a*", "?b", "x.[y]"), exclude=("*_pii",))
    assert [
        field for field in ("id", "id2", "a", "a\nb", "cb", "b", "x.[y]", "x.y", "A", "a_pii") if rules.takes(field)
    ] == [
        "id",
        "a",
        "a\nb",
        "cb",
        "x.[y]",
    ]


def test_without_rules_there_is_nothing_to_do() -> None:
    assert WrittenColumns.model_validate({}).rules is None
    assert WrittenColumns.model_validate({"include": None, "exclude": []}).rules is None
    assert WrittenColumns.model_validate({"hash": "mail"}).rules == ColumnRules(hash=("mail",))


def test_only_names_count_as_named() -> None:
    rules = ColumnRules(include=("a", "b*"), exclude=("c",), rename={"a": "d?"}, hash=("e?",))
    assert [*rules.named_fields()] == [("include", "a"), ("exclude", "c"), ("rename", "a")]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"include": []}, "at least 1"),
        ({"rename": {"a": "c", "b": "c"}}, "'a' and 'b' cannot both become 'c'"),
        ({"rename": {"a": "_Syncline_row"}}, "reserved for Syncline's own columns"),
        ({"rename": {"a": "\u200b"}}, "characters that cannot be seen"),
        ({"rename": {"a": ""}}, "at least 1"),
        ({"exclude": ["a"], "rename": {"a": "b"}}, "renames 'a', but 'exclude' leaves it out"),
        ({"exclude": ["a*"], "hash": ["ab"]}, "hashes 'ab', but 'exclude' leaves it out"),
        ({"include": ["a"], "hash": ["b"]}, "hashes 'b', but 'include' does not take it"),
        ({"drop": ["a"]}, "Extra inputs"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(written: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("(", r"\(")):
        WrittenColumns.model_validate(written)


def test_a_pattern_may_hash_what_another_leaves_out() -> None:
    assert WrittenColumns.model_validate({"exclude": ["a_*"], "hash": ["*_mail"]}).rules
