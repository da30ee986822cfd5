"""`${env.NAME}` and `${env.A|env.B|default}` in the values of a configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.config.problems import KeyPath, PlaceOf, Problem, nowhere, problem_at
from app.domain.secret_values import is_secret_name, secrets_in

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\$\{env\.(?P<alternatives>[^}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORM = "write ${env.NAME} or ${env.NAME|default}"


@dataclass(slots=True)
class Substitution:
    """Replaces placeholders from `environment`; collects what is missing and what turned out to be secret.

    Alternatives are tried from left to right, a variable that is empty counts as missing (as in Jitsu Classic), and
    everything after the first alternative that is no `env.NAME` is the default, word for word. Values are never
    searched for placeholders again, and keys are left as they are.
    """

    environment: Mapping[str, str]
    place: PlaceOf = nowhere
    problems: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)

    def apply(self, value: Any, path: KeyPath = ()) -> Any:
        """`value` with the placeholders of every text in it replaced; a new value, the old one is untouched."""
        if isinstance(value, dict):
            return {key: self.apply(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.apply(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and "${env." in value:
            return _PLACEHOLDER.sub(lambda found: self._resolve(found, path), value)
        return value

    def _resolve(self, found: re.Match[str], path: KeyPath) -> str:
        if not found["end"]:
            self._refuse(path, f"a placeholder has no closing brace; {_FORM}")
            return ""
        rest, missing = "env." + found["alternatives"], []
        while rest.startswith("env."):
            name, bar, rest = rest.removeprefix("env.").partition("|")
            if not _NAME.fullmatch(name):
                self._refuse(path, f"a placeholder names no variable that can exist; {_FORM}")
                return ""
            if value := self.environment.get(name):
                if is_secret_name(name):
                    self.secrets |= secrets_in(value, secret=True)
                return value
            missing.append(name)
            if not bar:
                self._refuse(path, f"environment variable {' or '.join(missing)} is not set; {_FORM}")
                return ""
        return rest

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.problems.append(problem_at(path, message, self.place))
