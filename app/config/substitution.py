"""`${env.NAME}`, `${file./path}` and `${env.A|file./path|default}` in the values of a catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.config.files import read_bytes
from app.config.problems import PlaceOf, Problem, nowhere, problem_at
from app.domain.secret_values import is_secret_name, secrets_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.connectors.options.complaints import KeyPath

_PLACEHOLDER = re.compile(r"\$\{(?P<alternatives>(?:env|file)\.[^}]*)(?P<end>\}?)")
_LITERAL = re.compile(
    r"\$\{(?!(?-i:env|file)\.)\s*(?P<kind>(?:env|file)\.|)(?P<name>[A-Za-z_/][\w./-]*)\s*(?:[|:}]|$)", re.IGNORECASE
)
_ALTERNATIVE = re.compile(r"(?P<kind>env\.|file\.(?=/))(?P<name>[^|]*)(?P<bar>\|?)(?P<rest>.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORM = "write ${env.NAME} or ${env.NAME|default}"
_LARGEST_FILE_BYTES = 1 << 20


@dataclass(slots=True)
class Substitution:
    """Replaces placeholders from `environment` and files; collects what is missing and what is secret.

    Alternatives are tried from left to right. A variable or file that is empty counts as missing (as in Jitsu Classic).
    The first alternative that is neither `env.NAME` nor `file./path` is the default, with everything after it. The
    content of a file is secret; a newline at its end is removed. Replaced values are not searched for placeholders
    again, and keys are not replaced. `unresolved` has the paths of the values that could not be replaced.
    """

    environment: Mapping[str, str]
    place: PlaceOf = nowhere
    problems: list[Problem] = field(default_factory=list)
    unresolved: list[KeyPath] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def apply(self, value: Any, path: KeyPath = ()) -> Any:
        """A copy of `value` with the placeholders in all of its strings replaced."""
        if isinstance(value, dict):
            return {key: self.apply(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.apply(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            self._warn_of_literals(value, path)
            return _PLACEHOLDER.sub(lambda found: self._resolve(found, path), value)
        return value

    def _resolve(self, found: re.Match[str], path: KeyPath) -> str:
        if not found["end"]:
            self._refuse(path, f"a placeholder has no closing brace; {_FORM}")
            return ""
        rest, missing = found["alternatives"], []
        if rest.startswith("file.") and not rest.startswith("file./"):
            self._refuse(path, "a placeholder has a relative file path; write ${file./path/to/file}")
            return ""
        while alternative := _ALTERNATIVE.fullmatch(rest):
            name, rest = alternative["name"], alternative["rest"]
            if alternative["kind"] == "env." and not _NAME.fullmatch(name):
                self._refuse(path, f"a placeholder's variable name is not valid; {_FORM}")
                return ""
            value, why = self._variable(name) if alternative["kind"] == "env." else self._file(name)
            if value:
                return value
            missing.append(why)
            if not alternative["bar"]:
                self._refuse(path, _describe(missing))
                return ""
        return rest

    def _variable(self, name: str) -> tuple[str, str]:
        value = self.environment.get(name, "")
        if is_secret_name(name):
            self.secrets |= secrets_in(value, secret=True)
        return value, name

    def _file(self, name: str) -> tuple[str, str]:
        """The content of a file, or why it cannot be read; the reason never quotes the content."""
        try:
            raw = read_bytes(Path(name), _LARGEST_FILE_BYTES + 1)
            if len(raw) > _LARGEST_FILE_BYTES:
                return "", f"file {name} is larger than 1 MiB"
            value = raw.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not valid UTF-8"
            return "", f"file {name} cannot be read: {reason}"
        self.secrets |= secrets_in(value, secret=True)
        return value, f"file {name} is empty"

    def _warn_of_literals(self, value: str, path: KeyPath) -> None:
        """For what looks like a placeholder of another program: it may be meant as it is, as in SQL or a command."""
        for found in _LITERAL.finditer(value):
            # A password may look like this by chance.
            secret = any(is_secret_name(str(part)) for part in path) or secrets_in(value)
            form = f"${{{found['kind'].lower() or 'env.'}{found['name']}}}"
            written, right = ("'${…}'", "${env.NAME}") if secret else (f"'${{{found['kind']}{found['name']}}}'", form)
            message = f"{written} is not a placeholder and stays as it is; if it should be replaced, write {right}"
            self.warnings.append(problem_at(path, message, self.place))

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.unresolved.append(path)
        self.problems.append(problem_at(path, message, self.place))


def _describe(missing: list[str]) -> str:
    """What to do about `missing`: names of variables, and sentences about files."""
    names = [each for each in missing if not each.startswith("file ")]
    files = [each for each in missing if each.startswith("file ")]
    if not names:
        return f"{', and '.join(files)}; {_FORM}"
    problems = [f"environment variable {' or '.join(names)} is not set", *files]
    return f"{', and '.join(problems)}; set it, or give a default: ${{env.NAME|default}}"
