"""No value ever becomes part of a statement: what is sent to a database is a fixed text, and values beside it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SENDING = {
    "execute",
    "executemany",
    "fetch",
    "fetchrow",
    "fetchval",
    "fetchmany",
    "prepare",
    "cursor",
    "copy",
    "text",
    "script",
}
FILES = sorted((ROOT / "app").rglob("*.py"))
# Names of tables and columns are the user's there, and cannot be bound: they are quoted.
QUOTING = {ROOT / "app" / "connectors" / room for room in ("destinations", "warehouse")}
# A server in single-user mode knows no parameters. What stands there is a constant, and a password that we make. Nor
# does COPY, by which ADBC reads: names are quoted there, and the bounds of a key are literals with all quotes doubled.
UNBINDABLE = {
    ROOT / "app" / "bootstrap" / "postgres_cluster.py",
    *((ROOT / "app" / "connectors" / "sources" / "sql" / name) for name in ("postgres_parts.py", "postgres_reader.py")),
}
SQL_WORDS = re.compile(
    r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|CREATE|ALTER|DROP|TRUNCATE|SET|COPY|LOCK|GRANT)\s", re.ASCII
)
SUPPRESSED = re.compile(r"# noqa: (?:\w+, )*S\d+(?P<why>.*)")


def sent(tree: ast.AST) -> Iterator[ast.expr]:
    """The first argument of everything that may be sent to a database."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in SENDING
            and node.args
        ):
            yield node.args[0]


def made_up(expression: ast.expr) -> bool:
    """Whether a text is put together there of other parts than named statements: an f-string, a sum, `%`, `.format`."""
    if is_named(expression):
        return False
    for node in ast.walk(expression):
        match node:
            case ast.JoinedStr(values=parts):
                if any(isinstance(part, ast.FormattedValue) and not is_named(part.value) for part in parts):
                    return True
            case ast.BinOp() | ast.Call(func=ast.Attribute(attr="format" | "join")):
                return True
    return False


def is_named(expression: ast.AST) -> bool:
    """`_SQL[…]`: whatever the name is, the texts are those of the `.sql` files."""
    match expression:
        case ast.Subscript(value=ast.Name(id="_SQL")):
            return True
    return False


@pytest.mark.parametrize(
    "path", [path for path in FILES if not QUOTING & {*path.parents}], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_statement_is_put_together(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert [ast.unparse(argument) for argument in sent(tree) if made_up(argument)] == []
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) and made_up(node)]
    assert path in UNBINDABLE or [ast.unparse(text) for text in texts if SQL_WORDS.search(ast.unparse(text))] == []


@pytest.mark.parametrize(
    "path", [path for path in FILES if QUOTING & {*path.parents}], ids=lambda path: str(path.relative_to(ROOT))
)
def test_where_names_are_quoted_the_rule_is_set_aside_for_nothing_else(path: Path) -> None:
    for line in path.read_text().splitlines():
        if found := SUPPRESSED.search(line):
            assert "S608" in line
            assert re.fullmatch(r" -- (a )?quoted identifiers?", found["why"]), line


def test_a_security_rule_is_set_aside_only_with_a_reason() -> None:
    for folder in ("app", "deploy", "migrations", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            for line in path.read_text().splitlines():
                if found := SUPPRESSED.search(line):
                    assert len(found["why"]) >= len(" -- pip"), f"{path}: {line}"


def test_the_rule_finds_what_it_forbids() -> None:
    for source in (
        "c.execute(f'SELECT {x}')",
        "c.fetch('SELECT ' + x)",
        "c.fetchval('SELECT %s' % x)",
        "c.execute('SELECT {}'.format(x).encode())",
        "sqlalchemy.text(f'SELECT {x}')",
    ):
        assert [made_up(argument) for argument in sent(ast.parse(source))] == [True], source
    for source in ("c.execute(_SQL[f'drop_{x}'], f'{y}')", "c.execute('SELECT $1', x + y)"):
        assert [made_up(argument) for argument in sent(ast.parse(source))] == [False], source
