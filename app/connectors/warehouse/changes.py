"""What a table still lacks: steps that can be taken later, and the columns that it will have then."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from app.connectors.warehouse.session import Session

    Step: TypeAlias = Callable[[], object]


class Changes:
    """`columns` are those of the table after all `steps`: key of the name → (name, type). `added` are new in it."""

    def __init__(self, session: Session, columns: dict[str, tuple[str, str]]) -> None:
        self._session = session
        self.columns = dict(columns)
        self.added: list[str] = []
        self.steps: list[Step] = []

    def run(self, *statements: str) -> None:
        """Adds a step for each of the statements."""
        self.steps += [partial(self._session.run, statement) for statement in statements]

    def carry_out(self) -> None:
        take(self.steps)


def take(steps: Iterable[Step]) -> None:
    for step in steps:
        step()
