"""What is known about a kind of source or destination without importing the code that reads or writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.connectors.options.types import Options
    from app.domain.connector import Connector


@dataclass(frozen=True, slots=True)
class SourceKind:
    """A kind of source: the models of its `config` and of a collection's `parameters`, None where these may be any.

    `where` names the class that reads it, `module:Class`, called as (options, parameters, job, *, work_dir, log); types
    of Jitsu Classic have none: `classic.jobs` turns them into other kinds. `offers` says whether it can be discovered
    by itself, or only for the collections that are named. `instead_of_intervals` says why intervals cannot be read, or
    what to do instead. `renews` names the document among the options that its program gets as its own configuration and
    may replace by a new one. One that `looks_back` can begin a `lookback` before its bookmark. One that
    `tells_versions` may send an older row after a newer one of the same key, and says which value orders them.
    `connector` says what reads a source with these options, without anything secret; None if that is Syncline with the
    package `library`. `bookmark_problem` names the function, `module:function`, that says why a bookmark cannot be
    used, called as (value, job); None if it may be anything. `tries` is what a check does, for users. `heavy`
    names the modules that take long to import, or much memory: attempts of other kinds never have them.
    """

    options: type[Options]
    parameters: type[Options] | None = None
    where: str | None = None
    offers: Literal["by itself", "by collection"] | None = None
    reads_intervals: bool = False
    instead_of_intervals: str = ""
    renews: str = ""
    looks_back: bool = False
    finds_its_collections: bool = False
    tells_versions: bool = False
    connector: Callable[[Any], Connector] | None = None
    library: str = "syncline"
    bookmark_problem: str | None = None
    tries: str = "what its connector checks"
    heavy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DestinationKind:
    """A kind of destination: the model of its options, `type` included, and the write modes that it supports.

    `where` names its class, `module:Class`, called as (options, fence, *, name, work_dir, log). One that keeps no
    bookmark also gets the bookmark that the store `remembered`, and the `data_dir` for its programs. Without
    `compares_versions`, a row in a later commit replaces the existing one, older or not. One that `folds_case` takes
    names of tables that differ only in case for one. A replacement removes the rows of all collections in the table if
    it `replaces_for_all`, otherwise only the collection's own. `renews` is as for a source; such a kind also gets what
    its program has `renewed`, as JSON.

    `trial` names the function that tries such a destination, `module:function`, called as (options, *, name, work_dir,
    data_dir, log); None if there is nothing to try. It leaves nothing behind; `tries` says for users what it does.

    `plan` names the function that describes tables as a load would make them, `module:function`, called as
    (options, tables, *, name, work_dir, log); None for a kind without columns. It leaves nothing behind either. `heavy`
    is as for a source.
    """

    options: type[Options]
    where: str
    write_modes: tuple[WriteMode, ...] = tuple(WriteMode)
    keeps_bookmark: bool = True
    compares_versions: bool = True
    folds_case: bool = False
    replaces_for_all: bool = True
    renews: str = ""
    trial: str | None = None
    tries: str = "nothing"
    plan: str | None = None
    heavy: tuple[str, ...] = ()
