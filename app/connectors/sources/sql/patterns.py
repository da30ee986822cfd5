"""Which of a database's tables a collection takes: patterns with `*` and `?`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.connectors.programs.excerpts import join_names
from app.connectors.warehouse.layout import OWN_COLUMNS
from app.domain.choices import nearest
from app.domain.collection import ALL
from app.domain.errors import ConfigurationError
from app.domain.patterns import is_pattern, matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.connectors.sources.sql.dialect import FoundTable
    from app.connectors.sources.sql.options import SqlOptions, SqlParameters
    from app.domain.collection import CollectionJob

_OWN_TABLES = "_syncline_"


@dataclass(frozen=True, slots=True)
class Chosen:
    """`tables` by their names; `missing` are names without wildcards, and `idle` other patterns, that match none."""

    tables: dict[str, FoundTable]
    missing: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def unknown_error(self, name: str) -> ConfigurationError:
        """For one of `missing`."""
        return ConfigurationError(f"the database has no table {name!r}. {_choices(name, self.known)}")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Tables that match one of `include`, all if that is empty, and none of `exclude`.

    A pattern with a dot is `schema.name`. One without is the name of a table in `schema`, or in any schema if that is
    None. Views are taken with `views`, or if one of `include` is their name.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    views: bool = False
    schema: str | None = None

    @classmethod
    def of(cls, options: SqlOptions, parameters: SqlParameters, collection: CollectionJob) -> Patterns:
        """Raises `ConfigurationError` if there is only something to exclude from one table."""
        include = parameters.include
        if not include and (named := parameters.table or collection.type) != ALL:
            if not is_pattern(named):
                raise ConfigurationError(
                    f"'exclude' needs several tables to exclude some from, but the collection reads {named!r}: set "
                    "'type: all', or 'include'"
                )
            include = (named,)
        return cls(include, parameters.exclude, parameters.views, options.schema_)

    @property
    def searched_schema(self) -> str | None:
        """The only schema in which tables can be; None for all."""
        return None if any("." in pattern for pattern in self.include) else self.schema

    def choose(self, found: Sequence[FoundTable]) -> Chosen:
        """Those of all tables in `searched_schema` that the collection takes.

        Raises:
            ConfigurationError: there are none.
        """
        named = {self._name(table): table for table in found if not _is_own(table)}
        taken = {name: table for name, table in named.items() if self._takes(table)}
        missing = tuple(
            each for each in self.include if not any(self._matches(table, each) for table in named.values())
        )
        if not taken:
            raise self._none_error(tuple(named), missing)
        needless = (each for each in self.exclude if not any(_matches(table, each) for table in named.values()))
        return Chosen(
            taken,
            missing=tuple(each for each in missing if not is_pattern(each)),
            idle=(*(each for each in missing if is_pattern(each)), *needless),
            known=tuple(named),
        )

    def _takes(self, table: FoundTable) -> bool:
        matching = [each for each in self.include if self._matches(table, each)]
        if self.include and not matching:
            return False
        if table.is_view and not (self.views or any(not is_pattern(each) for each in matching)):
            return False
        if not self.include and self.schema is not None and table.home != self.schema:
            return False
        return not any(_matches(table, each) for each in self.exclude)

    def _matches(self, table: FoundTable, pattern: str) -> bool:
        return _matches(table, pattern) and ("." in pattern or self.schema in (None, table.home))

    def _name(self, table: FoundTable) -> str:
        """As a collection of this source alone would name it."""
        is_default = table.schema is None if self.schema is None else table.home == self.schema
        return table.name if is_default else f"{table.home}.{table.name}"

    def _none_error(self, names: tuple[str, ...], missing: tuple[str, ...]) -> ConfigurationError:
        where = f"schema {self.schema!r}" if self.searched_schema else "the database"
        if not names:
            return ConfigurationError(f"{where} has no tables that this login can see")
        if missing:
            return ConfigurationError(
                f"no table in {where} matches {join_names(missing)}. {_choices(missing[0], names)}"
            )
        why = "'exclude' leaves none" if self.exclude else "only views match: set 'views: true', or name them"
        return ConfigurationError(f"no table in {where} is to be loaded: {why}. {_choices('', names)}")


def _matches(table: FoundTable, pattern: str) -> bool:
    name = f"{table.home}.{table.name}" if "." in pattern else table.name
    return matches(name, pattern)


def _is_own(table: FoundTable) -> bool:
    """Whether Syncline has made the table: a destination may be in the same database."""
    return table.name.startswith(_OWN_TABLES) or not OWN_COLUMNS.isdisjoint(table.columns)


def _choices(name: str, names: tuple[str, ...]) -> str:
    hint = f"Did you mean {near!r}? " if (near := nearest(name, names)) else ""
    return f"{hint}There are {join_names(names)}"
