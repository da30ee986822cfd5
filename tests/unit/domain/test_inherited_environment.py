"""What of a process's environment reaches the processes that it starts, and what does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.domain.inherited_environment import (
    attempt_environment,
    docker_environment,
    program_environment,
    server_environment,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVERYBODY = {"PATH", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE"}
NETWORK = {
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
}
DOCKER = {"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"}
USER = {"USER", "LOGNAME", "NETRC", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"}
INSTALLERS = {
    *("PIP_INDEX_URL", "PIP_CACHE_DIR", "UV_DEFAULT_INDEX", "UV_INDEX_MINE_USERNAME", "UV_INDEX_MINE_PASSWORD"),
    *("SYNCLINE_CONNECTORS_DIR", "SYNCLINE_INSTALL"),
}
NOBODY = {
    *("DATABASE_URL", "DATABASE_DIRECT_URL", "SYNCLINE_ADMIN_TOKEN", "SYNCLINE_CONFIG", "PGPASSWORD", "PGDATA"),
    # Each begins like one that is inherited.
    *("HTTP_BASIC_PASSWORD", "HTTP_PROXY_PASSWORD", "http_token", "ALL_PROXY_PASSWORD", "NO_PROXY_TOKEN"),
    *("PIP_TARGET", "PIP_USER", "UV_PUBLISH_TOKEN", "UV_INDEX_MINE_TOKEN", "DOCKER_PASSWORD", "CURL_TOKEN"),
    *("REQUESTS_TOKEN", "PATH_TO_SECRETS", "PYTHONPATH"),
}
ALL = dict.fromkeys(EVERYBODY | NETWORK | DOCKER | USER | INSTALLERS | NOBODY | {"HOME"}, "a")


@pytest.mark.parametrize(
    ("inherit", "names"),
    [
        (attempt_environment, EVERYBODY | NETWORK | DOCKER | USER | INSTALLERS | {"HOME"}),
        (docker_environment, EVERYBODY | NETWORK | DOCKER | {"HOME"}),
        (program_environment, EVERYBODY | NETWORK),
        (server_environment, EVERYBODY),
    ],
)
def test_a_child_inherits_what_is_named_and_nothing_that_only_begins_alike(
    inherit: Callable[[Mapping[str, str]], dict[str, str]], names: set[str]
) -> None:
    assert inherit(ALL) == dict.fromkeys(names, "a")
