"""One part of the catalogue while it is read: what it says, and everything that is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from app.config.problems import PlaceOf, Problem, model_problems, problem_at, unexpected
from app.config.substitution import Substitution
from app.connectors.options.complaints import KeyPath, unknown_name
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Model = TypeVar("Model", bound=BaseModel)


@dataclass(slots=True)
class Entry:
    """The value at `path`, placeholders replaced; problems and warnings gather here while it is read."""

    path: KeyPath
    written: Any
    environment: Mapping[str, str] = field(repr=False)
    place: PlaceOf
    value: Any = field(init=False, repr=False)
    secrets: frozenset[str] = field(init=False, repr=False)
    warnings: list[Problem] = field(default_factory=list)
    _problems: list[Problem] = field(default_factory=list)

    def __post_init__(self) -> None:
        substitution = Substitution(self.environment, self.place)
        self.value = substitution.apply(self.written, self.path)
        self._problems += substitution.problems
        # A webhook's address is all that is needed to use it.
        hook = self.path == ("notifications",)
        self.secrets = frozenset(substitution.secrets) | secrets_in(self.value, secret=hook)

    @property
    def id(self) -> str:
        return str(self.path[-1])

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, the first finding at each path, without secrets."""
        redact = Redactor(self.secrets).redact
        first: dict[str, Problem] = {}
        for problem in self._problems:
            first.setdefault(problem.path, replace(problem, message=redact(problem.message)))
        return tuple(first.values())

    def refuse(self, below: KeyPath, message: str) -> None:
        """Note a problem at the key `below` this part."""
        self._problems.append(problem_at(self.path + below, message, self.place))

    def refuse_unexpected(self, error: Exception) -> None:
        """Note a mistake of Syncline's own: this part is refused, the others are read."""
        self._problems.append(unexpected(error, self.path, self.place))

    def warn(self, below: KeyPath, message: str) -> None:
        """Note what need not be mended at the key `below` this part."""
        self.warnings.append(problem_at(self.path + below, message, self.place))

    def validate(self, model: type[Model], value: Any, below: KeyPath = ()) -> Model | None:
        """`value` as `model`; None if that is impossible, with the reasons noted."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self._problems += model_problems(error, model, self.path + below, self.place)
            return None

    def refuse_type(self, type_: Any, valid: Iterable[str]) -> None:
        """Note that the connector's type is not one of `valid`."""
        if isinstance(type_, str):
            self.refuse(("type",), unknown_name("type", type_, valid))
        else:
            self.refuse(("type",), f"must be a string; valid: {', '.join(sorted(valid))}")
