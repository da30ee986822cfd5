"""`${env.NAME}`, `${file./path}`, `${env.A|file./path|default}` and `${env.NAME:int}` in the values of a catalogue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.config.files import NamedFiles
from app.config.placeholder import PLACEHOLDER, Placeholder
from app.config.problems import PlaceOf, Problem, nowhere, problem_at
from app.domain.secret_names import is_secret_name
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.connectors.options.complaints import KeyPath

_LITERAL = re.compile(
    r"\$\{(?!(?-i:env|file)\.)\s*(?P<kind>(?:env|file)\.|)(?P<name>[A-Za-z_/][\w./-]*)\s*(?:[|:}]|$)", re.IGNORECASE
)
_REMEDY: Final = "write the file, correct its path, or give a default: ${file./path|default}"
MOST_PLACEHOLDERS: Final = 100_000


class Known(NamedTuple):
    """What a text became, its secrets, and whether some of it came from files."""

    value: str
    secrets: frozenset[str]
    from_files: bool


@dataclass(slots=True)
class Replaced:
    """What the texts of one catalogue became, so that aliases of a long text are replaced once, and its `files`.

    `left` is how many placeholders it may still have. One that has no value becomes `stand_in`, unless that is None.
    """

    texts: dict[str, Known] = field(default_factory=dict, repr=False)
    left: int = MOST_PLACEHOLDERS
    files: NamedFiles = field(default_factory=NamedFiles)
    stand_in: str | None = None


@dataclass(slots=True)
class Substitution:
    """Replaces placeholders from `environment` and files; collects what is missing and what is secret.

    Alternatives are tried from left to right. A variable or file that is empty counts as missing (as in Jitsu Classic).
    The first alternative that is neither `env.NAME` nor `file./path` is the default, with everything after it. The
    content of a file is secret; a newline at its end is removed. Replaced values are not searched for placeholders
    again, and keys are not replaced. `unresolved` has the paths of the values that could not be replaced; `from_files`
    says whether the content of a file is among the values.

    A placeholder with a type, which must be the whole value, becomes a value of this type; all others become text.

    Substitutions in the same catalogue share `replaced`.
    """

    environment: Mapping[str, str]
    place: PlaceOf = nowhere
    problems: list[Problem] = field(default_factory=list)
    unresolved: list[KeyPath] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    from_files: bool = False
    replaced: Replaced = field(default_factory=Replaced)
    _has_too_many: bool = False

    def apply(self, value: Any, path: KeyPath = ()) -> Any:
        """A copy of `value` with the placeholders in all of its strings replaced."""
        if isinstance(value, dict):
            return {key: self.apply(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.apply(inner, (*path, index)) for index, inner in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return self._replace_once(value, path)
        return value

    def _replace_once(self, text: str, path: KeyPath) -> Any:
        """What `text` becomes, from memory if that was simple."""
        if text in self.replaced.texts:
            known = self.replaced.texts[text]
            self.secrets |= known.secrets
            self.from_files |= known.from_files
            return known.value
        count = text.count("${")
        if count > self.replaced.left:
            self._refuse_too_many(path)
            return ""
        self.replaced.left -= count
        before, self.secrets = self.secrets, set()
        from_files, self.from_files = self.from_files, False
        noted = len(self.problems) + len(self.warnings)
        replaced = self._replace(text, path)
        # Problems and warnings name their path, and only text cannot be changed by whoever gets it.
        if isinstance(replaced, str) and len(self.problems) + len(self.warnings) == noted:
            self.replaced.texts[text] = Known(replaced, frozenset(self.secrets), self.from_files)
        self.secrets |= before
        self.from_files |= from_files
        return replaced

    def _replace(self, text: str, path: KeyPath) -> Any:
        self._warn_of_literals(text, path)
        if whole := PLACEHOLDER.fullmatch(text):
            return self._replace_whole(whole, path)
        return PLACEHOLDER.sub(lambda found: self._replace_part(found, path), text)

    def _replace_whole(self, found: re.Match[str], path: KeyPath) -> Any:
        try:
            placeholder = Placeholder.parse(found, whole=True)
            text, origin = self._resolve(placeholder)
            value = placeholder.convert(text, origin)
        except ValueError as error:
            self._refuse(path, str(error))
            return ""
        if not self.secrets.isdisjoint(secrets_in(text, secret=True)):
            # As a number, a secret may be written differently.
            self.secrets |= secrets_in(value, secret=True)
        return value

    def _replace_part(self, found: re.Match[str], path: KeyPath) -> str:
        try:
            return self._resolve(Placeholder.parse(found, whole=False))[0]
        except ValueError as error:
            self._refuse(path, str(error))
            return ""

    def _resolve(self, placeholder: Placeholder) -> tuple[str, str]:
        """The text, and where it comes from; raises ValueError if there is none."""
        missing: list[str] = []
        for kind, name in placeholder.alternatives:
            text, why = self._variable(name) if kind == "env" else self._file(name)
            if text:
                return text, f"environment variable {name}" if kind == "env" else f"file {name}"
            missing.append(why)
        if placeholder.default is None and self.replaced.stand_in is not None:
            return self.replaced.stand_in, "the stand-in"
        if placeholder.default is None:
            raise ValueError(_describe(missing))
        return placeholder.default, "the default"

    def _variable(self, name: str) -> tuple[str, str]:
        value = self.environment.get(name, "")
        if is_secret_name(name):
            self.secrets |= secrets_in(value, secret=True)
        return value, name

    def _file(self, name: str) -> tuple[str, str]:
        """The content of a file, or why it cannot be read; the reason never quotes the content."""
        found = self.replaced.files.read(name)
        if found.problem:
            return "", f"file {name} {found.problem}"
        try:
            value = found.data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            return "", f"file {name} cannot be read: not valid UTF-8"
        self.from_files |= bool(value)
        self.secrets |= secrets_in(value, secret=True)
        return value, f"file {name} is empty"

    def _warn_of_literals(self, value: str, path: KeyPath) -> None:
        """For what looks like a placeholder of another program: it may be meant as it is, as in SQL or a command."""
        literals = dict.fromkeys((found["kind"], found["name"]) for found in _LITERAL.finditer(value))
        if not literals:
            return
        # A password may look like this by chance.
        secret = any(is_secret_name(str(part)) for part in path) or secrets_in(value)
        for kind, name in literals:
            form = f"${{{kind.lower() or 'env.'}{name}}}"
            written, right = ("'${…}'", "${env.NAME}") if secret else (f"'${{{kind}{name}}}'", form)
            message = f"{written} is not a placeholder and stays as it is; if it should be replaced, write {right}"
            self.warnings.append(problem_at(path, message, self.place))

    def _refuse_too_many(self, path: KeyPath) -> None:
        message = f"the catalogue has more than {MOST_PLACEHOLDERS:,} placeholders; equal texts count once"
        if self._has_too_many:
            self.unresolved.append(path)
        else:
            self._refuse(path, message)
        self._has_too_many = True

    def _refuse(self, path: KeyPath, message: str) -> None:
        self.unresolved.append(path)
        self.problems.append(problem_at(path, message, self.place))


def _describe(missing: list[str]) -> str:
    """What to do about `missing`: names of variables, and sentences about files."""
    names = [each for each in missing if not each.startswith("file ")]
    files = [each for each in missing if each.startswith("file ")]
    if not names:
        return f"{', and '.join(files)}; {_REMEDY}"
    problems = [f"environment variable {' or '.join(names)} is not set", *files]
    if files:
        return f"{', and '.join(problems)}; set the variable, or {_REMEDY}"
    return f"{', and '.join(problems)}; set it, or give a default: ${{env.NAME|default}}"
