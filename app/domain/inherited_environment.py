"""The environment variables that child processes inherit: only those named here, so that no other secrets leak.

Settings of pip, uv, Docker and proxies may contain credentials, which these programs need.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSTEM: Final = frozenset({"PATH", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE"})

_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_NETWORK: Final = frozenset(
    {
        *_PROXIES,
        *(name.lower() for name in _PROXIES),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    }
)

_USER: Final = frozenset({"HOME", "USER", "LOGNAME", "NETRC", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"})

_DOCKER: Final = frozenset(
    {
        "DOCKER_API_VERSION",
        "DOCKER_AUTH_CONFIG",
        "DOCKER_CERT_PATH",
        "DOCKER_CONFIG",
        "DOCKER_CONTENT_TRUST",
        "DOCKER_CONTENT_TRUST_SERVER",
        "DOCKER_CONTEXT",
        "DOCKER_CUSTOM_HEADERS",
        "DOCKER_DEFAULT_PLATFORM",
        "DOCKER_HOST",
        "DOCKER_TLS",
        "DOCKER_TLS_VERIFY",
    }
)

# https://pip.pypa.io/en/stable/cli/pip_install: what decides which packages come from where. PIP_TARGET and PIP_USER
# are missing, because they would install packages outside of our virtual environment.
_PIP: Final = frozenset(
    {
        "PIP_BUILD_CONSTRAINT",
        "PIP_CACHE_DIR",
        "PIP_CERT",
        "PIP_CLIENT_CERT",
        "PIP_CONFIG_FILE",
        "PIP_CONSTRAINT",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
        "PIP_INDEX_URL",
        "PIP_ISOLATED",
        "PIP_KEYRING_PROVIDER",
        "PIP_LOG",
        "PIP_NO_BINARY",
        "PIP_NO_BUILD_ISOLATION",
        "PIP_NO_CACHE_DIR",
        "PIP_NO_INDEX",
        "PIP_NO_PROXY_ENV",
        "PIP_ONLY_BINARY",
        "PIP_PRE",
        "PIP_PREFER_BINARY",
        "PIP_PROXY",
        "PIP_PYPI_URL",
        "PIP_QUIET",
        "PIP_REQUIRE_HASHES",
        "PIP_RESUME_RETRIES",
        "PIP_RETRIES",
        "PIP_ROOT_USER_ACTION",
        "PIP_TIMEOUT",
        "PIP_TRUSTED_HOST",
        "PIP_UPLOADED_PRIOR_TO",
        "PIP_USE_DEPRECATED",
        "PIP_USE_FEATURE",
        "PIP_VERBOSE",
    }
)

# https://docs.astral.sh/uv/reference/environment
_UV: Final = frozenset(
    {
        "UV_BUILD_CONSTRAINT",
        "UV_CACHE_DIR",
        "UV_CONCURRENT_BUILDS",
        "UV_CONCURRENT_DOWNLOADS",
        "UV_CONCURRENT_INSTALLS",
        "UV_CONFIG_FILE",
        "UV_CONSTRAINT",
        "UV_CREDENTIALS_DIR",
        "UV_DEFAULT_INDEX",
        "UV_EXCLUDE_NEWER",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_GITHUB_TOKEN",
        "UV_HTTP_CONNECT_TIMEOUT",
        "UV_HTTP_RETRIES",
        "UV_HTTP_TIMEOUT",
        "UV_INDEX",
        "UV_INDEX_STRATEGY",
        "UV_INDEX_URL",
        "UV_INSECURE_HOST",
        "UV_KEYRING_PROVIDER",
        "UV_LINK_MODE",
        "UV_NATIVE_TLS",
        "UV_NO_BINARY",
        "UV_NO_BUILD",
        "UV_NO_BUILD_ISOLATION",
        "UV_NO_CACHE",
        "UV_NO_CONFIG",
        "UV_NO_INDEX",
        "UV_OFFLINE",
        "UV_OVERRIDE",
        "UV_PRERELEASE",
        "UV_REQUEST_TIMEOUT",
        "UV_REQUIRE_HASHES",
        "UV_RESOLUTION",
        "UV_SYSTEM_CERTS",
    }
)
# The names of these variables contain the index's name, which the user chooses.
_CREDENTIALS_OF_AN_INDEX: Final = re.compile(r"UV_INDEX_\w+_(USERNAME|PASSWORD)")

# Where environments of packages are, and whether an attempt may make them.
_INSTALLATION: Final = frozenset({"SYNCLINE_CONNECTORS_DIR", "SYNCLINE_INSTALL"})

_PROGRAM: Final = _SYSTEM | _NETWORK
_DOCKER_CLIENT: Final = _PROGRAM | _DOCKER | {"HOME"}
_ATTEMPT: Final = _PROGRAM | _USER | _DOCKER | _PIP | _UV | _INSTALLATION


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """For a database server: the path of programs, language and time zone."""
    return _only(environment, _SYSTEM)


def program_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """For external programs such as taps and connectors: the same, and network settings."""
    return _only(environment, _PROGRAM)


def docker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """For the Docker client: the same, and how to reach the engine and log in to registries."""
    return _only(environment, _DOCKER_CLIENT)


def attempt_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """For the process of an attempt: all of these, the user, and where packages are and come from."""
    credentials = {name: value for name, value in environment.items() if _CREDENTIALS_OF_AN_INDEX.fullmatch(name)}
    return _only(environment, _ATTEMPT) | credentials


def _only(environment: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name in names}
