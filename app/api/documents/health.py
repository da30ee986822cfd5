"""Whether a process is ready."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict  # pydantic reads the standard library's from Python 3.12 on

from app.api.documents.sources import RejectedSource  # noqa: TC001 - pydantic reads the annotations


class Readiness(TypedDict):
    """Whether requests can be served, and if not, why.

    Rejected sources and a rejected catalogue are reported, but do not make the process unready. `pages` is the path of
    the pages for people, if the process serves them.
    """

    status: Literal["ready", "not ready"]
    message: NotRequired[str]
    error: NotRequired[str]
    database: Literal["ok", "read-only", "moved", "refused", "unreachable"]
    schema_version: NotRequired[str]
    expected_schema_version: str
    draining: bool
    projection_lag_seconds: NotRequired[dict[str, float]]
    rejected: list[RejectedSource]
    config_problem: NotRequired[str]
    pages: NotRequired[str]
