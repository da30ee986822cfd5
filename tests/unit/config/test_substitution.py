"""`${env.…}` is replaced in every value, once, and what is missing has a path."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config.reader import load_catalogue
from app.config.substitution import MOST_PLACEHOLDERS, Replaced, Substitution

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True)
PLAIN = st.text().filter(lambda text: "${" not in text and "}" not in text)

REMEDY = "write the file, correct its path, or give a default: ${file./path|default}"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${env.A}", "1"),
        ("${env.NONE|env.A}", "1"),
        ("${env.NONE|env.GONE|x}", "x"),
        ("${env.NONE|}", ""),
        ("${env.EMPTY|fallback}", "fallback"),
        ("${env.NONE|a|env.A}", "a|env.A"),
        ("jdbc:${env.A}:${env.B}/x", "jdbc:1:two/x"),
        ("${env.NESTED}", "${env.A}"),
        ("$${env.A}", "$1"),
        ("${other}", "${other}"),
        ({"${env.A}": ["${env.A}", 5, None, True]}, {"${env.A}": ["1", 5, None, True]}),
    ],
)
def test_placeholders_become_values(written: Any, value: Any) -> None:
    substitution = Substitution({"A": "1", "B": "two", "EMPTY": "", "NESTED": "${env.A}"})
    assert substitution.apply(written) == value
    assert substitution.problems == []


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${env.X}", "environment variable X is not set; set it, or give a default: ${env.NAME|default}"),
        ("${env.X|env.Y}", "environment variable X or Y is not set; set it, or give a default: ${env.NAME|default}"),
        ("${env.}", "a placeholder's variable name is not valid; write ${env.NAME} or ${env.NAME|default}"),
        ("${env.A-B|c}", "a placeholder's variable name is not valid; write ${env.NAME} or ${env.NAME|default}"),
        ("x ${env.X", "a placeholder has no closing brace; write ${env.NAME} or ${env.NAME|default}"),
    ],
)
def test_a_missing_variable_is_named_with_its_path(written: str, message: str) -> None:
    substitution = Substitution({})
    substitution.apply({"config": [{"password": written}]}, ("sources", "load"))
    assert [str(problem) for problem in substitution.problems] == [f"sources.load.config[0].password: {message}"]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${env.INT:int}", 7),
        ("${env.INT:number}", 7),
        ("${env.REAL:number}", 1.5),
        ("${env.YES:bool}", True),
        ("${env.NO:bool}", False),
        ("${env.LIST:json}", ["a", {"b": 1.5}]),
        ("${env.NONE:int|12}", 12),
        ("${env.NONE:int|env.INT}", 7),
        ("${env.NONE|env.INT:int}", 7),
        ("${env.NONE|env.NONE:bool|true}", True),
        ("${env.INT}", "007"),
        ("${env.REAL}", "1.5e0"),
    ],
)
def test_a_placeholder_with_a_type_becomes_a_value_of_it(written: str, value: Any) -> None:
    environment = {"INT": "007", "REAL": "1.5e0", "YES": "True", "NO": "0", "LIST": ' ["a", {"b": 1.5}]'}
    substitution = Substitution(environment)
    replaced = substitution.apply({"at": [written]})["at"][0]
    assert (replaced, type(replaced)) == (value, type(value))
    assert substitution.problems == []


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "${env.X:int}",
            "environment variable X must be an integer, such as 100, as the placeholder has the type ':int'",
        ),
        ("${env.X:bool}", "environment variable X must be true or false, as the placeholder has the type ':bool'"),
        ("${env.X:json}", "environment variable X must be valid JSON, as the placeholder has the type ':json'"),
        ("${env.DEEP:json}", "environment variable DEEP must be valid JSON, as the placeholder has the type ':json'"),
        ("${env.BIG:number}", "environment variable BIG must be a number, such as 100 or 1.5, as the placeholder has"),
        ("${env.N:int|some}", "the default must be an integer, such as 100, as the placeholder has the type ':int'"),
        (
            "${env.X:-hunter2}",
            "a placeholder's type must be one of ':int', ':number', ':bool', ':json'; for a default, write",
        ),
        ("${env.X:int|env.Y:bool}", "a placeholder has several types (bool, int); write one"),
        ("a ${env.ONE:int}", "a placeholder with a type, such as ':int', must be the whole value"),
        ("${env.ONE:int}${env.ONE}", "a placeholder with a type, such as ':int', must be the whole value"),
    ],
)
def test_what_is_not_of_the_type_is_refused_without_the_value(written: str, message: str) -> None:
    substitution = Substitution({"X": "hunter2", "DEEP": "[" * 100_000, "BIG": "1e999", "ONE": "1"})
    substitution.apply({"at": written})
    (problem,) = substitution.problems
    assert str(problem).startswith(f"at: {message}")
    assert "hunter2" not in str(problem)
    assert substitution.unresolved == [("at",)]


def test_a_secret_is_masked_as_text_and_as_the_value_that_it_became(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("004711\n")
    (tmp_path / "with:int").write_text("text")
    substitution = Substitution({"API_TOKEN": "0012345", "CREDENTIALS": '{"user": "some", "more": ["word-word"]}'})
    written = ["${env.API_TOKEN:int}", f"${{file.{tmp_path}/pin:int}}", "${env.CREDENTIALS:json}"]
    assert substitution.apply(written) == [12345, 4711, {"user": "some", "more": ["word-word"]}]
    assert {"0012345", "12345", "004711", "4711", "word-word"} <= substitution.secrets
    assert substitution.apply(f"${{file.{tmp_path}/with:int|x}}") == ""
    assert substitution.apply(f"${{file.{tmp_path}/pin|x}}") == "004711"


LONG = "${env.A}" * (MOST_PLACEHOLDERS - 1)


def test_aliases_of_a_long_text_are_replaced_once(tmp_path: Path) -> None:
    """In all parts of a catalogue, each of which learns its secrets."""
    (tmp_path / "pin").write_text("hunter22")
    replaced = Replaced()
    first, second = (Substitution({"A": "x"}, replaced=replaced) for _ in range(2))
    results = [part.apply(LONG, (key,)) for part in (first, second) for key in range(50)]
    assert results[0] == "x" * (MOST_PLACEHOLDERS - 1)
    assert all(result is results[0] for result in results)
    assert [part.apply(f"${{file.{tmp_path}/pin}}") for part in (first, second)] == ["hunter22"] * 2
    assert (first.secrets, second.secrets) == ({"hunter22"}, {"hunter22"})
    assert (first.problems, second.problems, replaced.left) == ([], [], 0)


def test_too_many_placeholders_are_refused_before_they_are_replaced() -> None:
    """Those without a value are not remembered, because each problem has its own path."""
    source = "{type: singer, destinations: [w], collections: [a], config: {command: t, config: {a: *t, b: *t}}}"
    sources = "".join(f"  s{number}: {source}\n" for number in range(20))
    text = f"sources:\n  x: &t '{LONG}'\n{sources}destinations: {{w: {{type: none}}}}\n"
    problems = load_catalogue(text, {}).problems
    message = f"the catalogue has more than {MOST_PLACEHOLDERS:,} placeholders; equal texts count once"
    assert [f"{each.path}: {each.message}" for each in problems[1:]] == [
        f"sources.s{n}.config.config.a: {message}" for n in range(20)
    ]


def test_a_literal_is_warned_of_once_in_a_text() -> None:
    substitution = Substitution({})
    assert substitution.apply("${A} ${A} ${B}" * 20_000, ("at",)) == "${A} ${A} ${B}" * 20_000
    assert [warning.message.split(" ")[0] for warning in substitution.warnings] == ["'${A}'", "'${B}'"]


@given(PLAIN)
def test_a_text_without_placeholders_stays(text: str) -> None:
    assert Substitution({}).apply(text) == text


@given(before=PLAIN, name=NAMES, value=st.text(min_size=1), default=PLAIN, after=PLAIN)
def test_a_value_is_put_in_word_for_word(before: str, name: str, value: str, default: str, after: str) -> None:
    text = f"{before}${{env.{name}|{default}}}{after}"
    assert Substitution({name: value}).apply(text) == before + value + after


@given(before=PLAIN, name=NAMES, default=PLAIN.filter(lambda text: not text.startswith("env.")), after=PLAIN)
def test_a_default_is_put_in_word_for_word(before: str, name: str, default: str, after: str) -> None:
    assert Substitution({}).apply(f"{before}${{env.{name}|{default}}}{after}") == before + default + after


@given(st.dictionaries(NAMES, st.text(min_size=1), min_size=1), st.data())
def test_the_first_variable_that_is_set_wins(environment: dict[str, str], data: st.DataObject) -> None:
    asked = data.draw(st.lists(NAMES, min_size=1, max_size=4))
    substitution = Substitution(environment)
    result = substitution.apply("${" + "|".join(f"env.{name}" for name in asked) + "}")
    found = [environment[name] for name in asked if name in environment]
    assert result == (found[0] if found else "")
    assert bool(substitution.problems) == (not found)


def test_what_a_file_holds_is_put_in_and_is_secret(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter22\n")
    substitution = Substitution({"B": "two"})
    written = {"a": f"${{file.{secret}}}", "b": f"x ${{env.A|file.{secret}|no}} y", "c": f"${{env.B|file.{secret}}}"}
    assert substitution.apply(written) == {"a": "hunter22", "b": "x hunter22 y", "c": "two"}
    assert substitution.apply(f"${{file.{tmp_path}/none|default}}") == "default"
    assert (substitution.secrets, substitution.problems) == ({"hunter22"}, [])


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("${file./none}", "file /none cannot be read: No such file or directory; " + REMEDY),
        (
            "${env.A|file./none}",
            "environment variable A is not set, and file /none cannot be read: No such file or directory; "
            "set the variable, or " + REMEDY,
        ),
        ("${file.password}", "a placeholder has a relative file path; write ${file./path/to/file}"),
        ("${file./dev/null}", "file /dev/null is empty; " + REMEDY),
        ("${file./dev/zero}", "file /dev/zero is larger than 1 MiB; " + REMEDY),
        (f"${{file.{sys.executable}}}", "cannot be read: not valid UTF-8 or else is larger than 1 MiB"),
        ("${file./a\0b}", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_had_is_named(written: str, message: str) -> None:
    substitution = Substitution({})
    assert substitution.apply(written, ("password",)) == ""
    [problem] = substitution.problems
    assert any(part in problem.message for part in message.split(" or else "))
    assert problem.path == "password"


def test_the_value_of_a_variable_with_a_secret_name_is_secret_wherever_it_is_used() -> None:
    substitution = Substitution({"PG_PASSWORD": "hunter22", "PG_HOST": "db.internal"})
    substitution.apply("host=${env.PG_HOST} x=${env.PG_PASSWORD}")
    assert substitution.secrets == {"hunter22"}


@pytest.mark.parametrize(
    ("written", "warning"),
    [
        ("${HOST}", "'${HOST}' is not a placeholder and stays as it is; if it should be replaced, write ${env.HOST}"),
        ("a${Env.X}b", "'${Env.X}' is not a placeholder and stays as it is; if it should be replaced, write ${env.X}"),
        ("${ENV.X|y}", "'${ENV.X}' is not a placeholder and stays as it is; if it should be replaced, write ${env.X}"),
        (
            "${HOST:-x}",
            "'${HOST}' is not a placeholder and stays as it is; if it should be replaced, write ${env.HOST}",
        ),
        ("${ env.X }", "'${env.X}' is not a placeholder and stays as it is; if it should be replaced, write ${env.X}"),
        (
            "${File./run/a}",
            "'${File./run/a}' is not a placeholder and stays as it is; if it should be replaced, write ${file./run/a}",
        ),
        (
            "postgresql://me:${hunter22}@host/db",
            "'${…}' is not a placeholder and stays as it is; if it should be replaced, write ${env.NAME}",
        ),
    ],
)
def test_a_placeholder_of_another_form_stays_and_is_warned_of(written: str, warning: str) -> None:
    substitution = Substitution({"HOST": "h", "X": "x"})
    assert substitution.apply(written, ("host",)) == written
    assert [str(found) for found in substitution.warnings] == [f"host: {warning}"]
    assert substitution.problems == []


@pytest.mark.parametrize("written", ["${env.X}", "${env.NONE|HOST}", "$HOST", "{HOST}", "${}", "$${env.X}", "${1}"])
def test_what_is_no_placeholder_by_mistake_gives_no_warning(written: str) -> None:
    substitution = Substitution({"X": "x"})
    substitution.apply(written)
    assert substitution.warnings == []


def test_what_looks_like_a_placeholder_in_a_secret_is_not_shown() -> None:
    substitution = Substitution({})
    substitution.apply({"password": "${hunter22}"})
    [warning] = substitution.warnings
    assert warning.path == "password"
    assert "hunter22" not in warning.message
