"""No process gets the whole environment of its starter by accident: whoever starts one says what it gets."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from tests.servers.postgres import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = sorted((ROOT / "app").rglob("*.py"))
STARTING = {
    "subprocess": {"Popen", "run", "call", "check_call", "check_output"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "psutil": {"Popen"},
}
# It replaces the whole environment in what it forks, which tests/unit/execution/test_forking.py tries.
FORKING = ROOT / "app" / "attempt" / "server.py"
# They take no `env`, or start a shell.
FORBIDDEN = {
    "subprocess": {"getoutput", "getstatusoutput"},
    "os": {
        "system",
        "popen",
        "fork",
        "forkpty",
        "execl",
        "execlp",
        "execv",
        "execvp",
        "spawnl",
        "spawnlp",
        "spawnv",
        "spawnvp",
    },
    "multiprocessing": {"Process", "Pool"},
}


def problems(tree: ast.AST) -> Iterator[str]:
    """Each start of a process in `tree` that does not say which environment it gets."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name)):
                if name in STARTING.get(module, ()) and all(keyword.arg != "env" for keyword in node.keywords):
                    yield f"{node.lineno}: {module}.{name} without env="
                if name in FORBIDDEN.get(module, ()):
                    yield f"{node.lineno}: {module}.{name}"
            case ast.ImportFrom(module=str(module), names=names):
                starters = STARTING.get(module, set()) | FORBIDDEN.get(module, set())
                for imported in names:
                    if imported.name in starters:
                        yield f"{node.lineno}: {imported.name} must be called as {module}.{imported.name}"


def test_every_process_is_started_with_an_environment_of_its_own() -> None:
    found = {
        str(file.relative_to(ROOT)): list(problems(ast.parse(file.read_text()))) for file in FILES if file != FORKING
    }
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_the_starts_of_processes_are_seen() -> None:
    calls = [
        node.func.attr
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) in STARTING
    ]
    assert {"Popen", "run", "create_subprocess_exec"} <= set(calls)


@pytest.mark.parametrize(
    "code",
    [
        "subprocess.run(['a'])",
        "asyncio.create_subprocess_exec('a', stdin=None)",
        "os.system('a')",
        "from subprocess import Popen",
    ],
)
def test_a_start_without_an_environment_is_found(code: str) -> None:
    assert list(problems(ast.parse(code)))
