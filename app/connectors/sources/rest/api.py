"""An API as dlt knows it: its configured resources, and their pages with the state that they leave."""

from __future__ import annotations

import copy
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from app.connectors.dlt.runtime import chain, describe_error, isolate, translate_errors
from app.connectors.sources.rest.casting import cast_texts
from app.connectors.sources.rest.validation import check_config
from app.domain.errors import ConfigurationError, LoginRefusedError, RetryLaterError
from app.domain.redaction import Redactor
from app.domain.secret_values import secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    from dlt.extract import DltResource, DltSource
    from dlt.sources.helpers.rest_client.auth import AuthConfigBase

    from app.connectors.contract.passes import Log

_STATE_KEY: Final = "syncline"
_UNAUTHORIZED: Final = 401
_PERMANENT: Final = frozenset({400, _UNAUTHORIZED, 404, 405, 422})


class Api:
    """`resources` by name, parents before their children. With `may_change`, the next attempt may have another login.

    Raises:
        InvalidConfigError: `config` has a wrong key or value.
        ConfigurationError: dlt cannot make resources of `config`; in its words, with secrets masked.
    """

    def __init__(self, config: dict[str, Any], *, home: Path, log: Log, may_change: bool = False) -> None:
        self._may_change = may_change
        # Below, dlt's objects replace secrets.
        self._written = copy.deepcopy(config)
        isolate(home)
        cast_texts(config)
        check_config(config)
        with translate_errors("dlt does not accept the configuration", config=config, permanent=True):
            self._source = self._make_source(config, log)
        self.resources: dict[str, DltResource] = dict(self._source.resources)

    def pages(self, names: Sequence[str], state: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
        """Pages of the resources `names`, each with its resource; `state` is dlt's, and covers all pages so far.

        A parent that is not in `names` is read for its children.
        """
        from dlt.common.configuration.container import Container  # noqa: PLC0415 -- dlt takes seconds
        from dlt.common.configuration.specs.config_section_context import ConfigSectionContext  # noqa: PLC0415
        from dlt.common.pipeline import StateInjectableContext  # noqa: PLC0415
        from dlt.extract.pipe_iterator import ManagedPipeIterator  # noqa: PLC0415
        from dlt.extract.source import SourceInjectableContext, SourceSchemaInjectableContext  # noqa: PLC0415

        chosen = self._source.with_resources(*names)
        # As `DltSource.__iter__` does it, which would drop the state and flatten the pages.
        contexts = [
            ConfigSectionContext(sections=("sources", _STATE_KEY), source_state_key=_STATE_KEY),
            StateInjectableContext(state={"sources": {_STATE_KEY: {"resources": state}}}),
            SourceSchemaInjectableContext(chosen.schema),
            SourceInjectableContext(chosen),
        ]
        with ExitStack() as stack:
            for context in contexts:
                stack.enter_context(Container().injectable_context(context))
            iterator: Any = ManagedPipeIterator.from_pipes(chosen.resources.selected_pipes)
        with iterator:
            iterator.set_context(contexts)
            while True:
                with translate_errors("cannot read", config=self._written), self._classify_errors():
                    found = next(iterator, None)
                if found is None:
                    return
                name = found.pipe.name
                if name in names:
                    yield name, found.item if isinstance(found.item, list) else [found.item]

    def is_in_order(self, names: Sequence[str]) -> bool:
        """Whether the state between two pages covers exactly the rows before it."""
        if len(names) != 1:
            return False
        resource = self.resources[names[0]]
        incremental = _incremental(resource)
        return incremental is not None and incremental.row_order == "asc" and self._parent(resource) is None

    def is_incremental(self, name: str) -> bool:
        """Whether the resource, or a parent, continues from its last cursor value."""
        resource: Any = self.resources[name]
        while resource is not None:
            if _incremental(resource) is not None:
                return True
            resource = self._parent(resource)
        return False

    def columns(self, name: str) -> dict[str, Any]:
        """The configured columns of the resource, as dlt describes them: those of its key, and those with hints."""
        columns: dict[str, Any] = dict(self.resources[name].compute_table_schema()["columns"])
        return columns

    def cursor_column(self, name: str) -> str | None:
        """The column of the resource's incremental cursor; None if it lies inside an object."""
        from dlt.common.jsonpath import extract_simple_field_name  # noqa: PLC0415 -- dlt takes seconds

        incremental = _incremental(self.resources[name])
        return None if incremental is None else extract_simple_field_name(incremental.cursor_path)

    def lag(self, name: str) -> float | None:
        incremental = _incremental(self.resources[name])
        return None if incremental is None else incremental.lag

    def close(self) -> None:
        """Closes the connections that are kept for the next request."""
        self._session.close()

    def identify_by(self, name: str, key: Sequence[str]) -> None:
        """Says which columns of the resource tell its rows apart: rows that come again are recognised."""
        self.resources[name].explicit_args["client"].key = key

    def look_back(self, name: str, lookback: timedelta) -> None:
        """Begins before the last cursor value of the resource and its parents; raises `ConfigurationError`."""
        from app.connectors.sources.rest.incremental import Lookback  # noqa: PLC0415 -- dlt takes seconds

        resource: Any = self.resources[name]
        while resource is not None:
            incremental = _incremental(resource)
            if incremental is not None and incremental.lag and not isinstance(incremental.lag, Lookback):
                raise ConfigurationError(
                    f"resource {resource.name!r}: 'lookback' and dlt's 'lag' do the same thing: remove one of them"
                )
            if incremental is not None:
                incremental.lag = Lookback(lookback.total_seconds())
            resource = self._parent(resource)

    @contextmanager
    def _classify_errors(self) -> Iterator[None]:
        """Tells apart errors that trying again cannot help, and those that it can help only later.

        Raises:
            ConfigurationError: trying again cannot help.
            LoginRefusedError: the login is refused, but may be another one for the next attempt.
            RetryLaterError: the API says when to come back.
        """
        from app.connectors.sources.rest.waits import when_to_return  # noqa: PLC0415 -- dlt takes seconds

        try:
            yield
        except Exception as error:
            for each in chain(error):
                response = getattr(each, "response", None)
                status = getattr(response, "status_code", None)
                if isinstance(each, ConfigurationError) or status in _PERMANENT:
                    renewable = status == _UNAUTHORIZED and self._may_change
                    kind = LoginRefusedError if renewable else ConfigurationError
                    raise kind(f"cannot read: {describe_error(error, self._written)}") from None
                if response is not None and (at := when_to_return(response)):
                    raise RetryLaterError(f"cannot read: {describe_error(error, self._written)}", at=at) from None
            raise

    def _parent(self, resource: DltResource) -> DltResource | None:
        parent = resource._pipe.parent  # noqa: SLF001 -- dlt exposes it nowhere else
        return None if parent is None else self.resources.get(parent.name)

    def _make_source(self, config: Any, log: Log) -> DltSource:
        from dlt.common.schema import Schema  # noqa: PLC0415 -- dlt takes seconds
        from dlt.extract import DltSource, incremental  # noqa: PLC0415
        from dlt.sources import rest_api  # noqa: PLC0415
        from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials  # noqa: PLC0415

        from app.connectors.sources.rest.client import Client  # noqa: PLC0415
        from app.connectors.sources.rest.incremental import Incremental, apply_lag  # noqa: PLC0415
        from app.connectors.sources.rest.session import make_session  # noqa: PLC0415

        # Before secrets become objects, which dlt would not mask.
        rest_api._validate_config(config)  # noqa: SLF001 -- it is done too late otherwise
        auths = list(_create_auths(config))
        tokens = [each for each in auths if isinstance(each, OAuth2ClientCredentials)]
        self._session = make_session(tokens, log=log, redact=Redactor(secrets_in(self._written)).redact)
        config["client"]["session"] = self._session
        # dlt offers no way to choose these classes.
        vars(rest_api)["RESTClient"] = partial(Client, log=log)
        vars(incremental).update(JsonIncremental=Incremental, apply_lag_with_suppression=apply_lag)
        return DltSource(Schema(_STATE_KEY), _STATE_KEY, rest_api.rest_api_resources(config))


def _create_auths(config: dict[str, Any]) -> Iterator[AuthConfigBase]:
    """Replaces each `auth` by an object that can renew its token."""
    from dlt.sources.rest_api.config_setup import create_auth  # noqa: PLC0415 -- dlt takes seconds

    endpoints = [each.get("endpoint") for each in (config.get("resource_defaults") or {}, *_mappings(config))]
    for holder in [config["client"], *(endpoint for endpoint in endpoints if isinstance(endpoint, dict))]:
        if holder.get("auth") is None:
            continue
        auth = create_auth(holder["auth"])
        if getattr(auth, "location", None) == "cookie":
            raise ConfigurationError("auth: dlt cannot send a key in a cookie yet; set 'location' to header or query")
        if auth is not None:
            holder["auth"] = auth
            yield auth


def _mappings(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in config["resources"] if isinstance(each, dict)]


def _incremental(resource: DltResource) -> Any:
    """The resource's incremental as configured; None if it has none."""
    return resource.explicit_args.get("incremental_object")
