"""One part of the catalogue while it is read: its value, and everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.config.problems import PlaceOf, Problem, problem_at, unexpected
from app.config.substitution import Replaced, Substitution
from app.connectors.options.complaints import KeyPath, complaints, must_be
from app.domain.choices import choose_one, nearest, unknown_name
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class Entry:
    """The value at `path`, placeholders replaced; problems and warnings gather here while it is read.

    Relative paths in it start at `directory`. `plain_words` are those of its document, by their paths in it.
    """

    path: KeyPath
    written: Any
    environment: Mapping[str, str] = field(repr=False)
    place: PlaceOf
    directory: Path
    replaced: Replaced = field(default_factory=Replaced, repr=False)
    plain_words: frozenset[KeyPath] = field(default=frozenset(), repr=False)
    value: Any = field(init=False, repr=False)
    secrets: frozenset[str] = field(init=False, repr=False)
    from_files: bool = field(init=False)
    warnings: list[Problem] = field(default_factory=list)
    _problems: list[Problem] = field(default_factory=list)
    _unresolved: list[KeyPath] = field(init=False)

    def __post_init__(self) -> None:
        substitution = Substitution(self.environment, self.place, replaced=self.replaced)
        self.value = substitution.apply(self.written, self.path)
        self._problems += substitution.problems
        self._unresolved = substitution.unresolved
        self.from_files = substitution.from_files
        self.warnings += substitution.warnings
        # Whoever knows a webhook's URL can use it.
        hook = self.path == ("notifications",)
        self.secrets = frozenset(substitution.secrets) | secrets_in(self.value, secret=hook)

    @property
    def id(self) -> str:
        return str(self.path[-1])

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong: the first problem at each path, without secrets."""
        redact = Redactor(self.secrets).redact
        first: dict[str, Problem] = {}
        for problem in self._problems:
            first.setdefault(problem.path, replace(problem, message=redact(problem.message)))
        return tuple(first.values())

    def refuse(self, below: KeyPath, message: str) -> None:
        """Note a problem at the key `below` this part, unless it only follows from a placeholder without a value."""
        if not self.is_unresolved(below):
            self._problems.append(problem_at(self.path + below, message, self.place))

    def refuse_unexpected(self, error: Exception) -> None:
        """Note a bug in Syncline: this part is refused, the others are read."""
        self._problems.append(unexpected(error, self.path, self.place))

    def warn(self, below: KeyPath, message: str) -> None:
        """Note a warning at the key `below` this part."""
        self.warnings.append(problem_at(self.path + below, message, self.place))

    def validate(
        self, model: type[Model], value: Any, below: KeyPath = (), *, written_at: Mapping[str, KeyPath] | None = None
    ) -> Model | None:
        """`value` as `model`; None if that is impossible, with the reasons noted.

        `written_at` has the paths of those of its keys that the user wrote elsewhere below `below`.
        """
        try:
            return model.model_validate(value)
        except ValidationError as error:
            for key_path, message in complaints(error, model, value):
                path = below + _as_written(key_path, written_at or {})
                if not self.holds_unresolved(path):
                    self.refuse(path, message)
            return None

    def is_unresolved(self, below: KeyPath = ()) -> bool:
        """Whether the value at the key `below` this part lacks the value of a placeholder."""
        path = self.path + below
        return any(path[: len(lacking)] == lacking for lacking in self._unresolved)

    def holds_unresolved(self, below: KeyPath = ()) -> bool:
        """Whether the value at the key `below` this part, or one in it, lacks the value of a placeholder."""
        path = self.path + below
        return any(path == lacking[: len(path)] for lacking in self._unresolved)

    def refuse_type(self, written: Mapping[str, Any], what: str, valid: Sequence[str]) -> None:
        """Note why the `type` in `written` is not one of `valid`; `what` is a source type or a destination type."""
        type_ = written.get("type")
        misspelled = misspelling_of("type", written)
        if isinstance(type_, list | dict):
            self.refuse(("type",), must_be(("a string",), type_))
        elif type_ not in (None, ""):
            self.refuse(("type",), unknown_name(what, type_, valid))
        elif misspelled is not None:
            self.refuse((misspelled,), "unknown key; did you mean 'type'?")
        else:
            self.refuse(("type",), f"is missing; {choose_one(self.id, valid)}")


def misspelling_of(key: str, written: Mapping[str, Any]) -> str | None:
    """What was probably written instead of `key`."""
    return None if key in written else next((str(other) for other in written if nearest(str(other), [key])), None)


def _as_written(path: KeyPath, written_at: Mapping[str, KeyPath]) -> KeyPath:
    return written_at.get(str(path[0]), path[:1]) + path[1:] if path else path
