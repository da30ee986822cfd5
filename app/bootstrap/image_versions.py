"""Which versions of an Airbyte connector Docker Hub has: https://docs.docker.com/reference/api/hub/latest/."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final

from app.domain.errors import ConfigurationError, SynclineError
from app.domain.visible import make_visible

HUB: Final = "https://hub.docker.com"

_MOST_PAGES: Final = 10
_LARGEST_PAGE: Final = 4 * 1024 * 1024
# Docker's rule for a part of a name: no slash, so that no other path can be asked for.
_IMAGE: Final = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*")


async def list_versions(image: str, *, hub: str = HUB) -> list[str]:
    """The tags of `airbyte/image` in the order of Docker Hub, the newest first; at most a thousand.

    Left out are `latest` and those of developers, as in Jitsu Classic.

    Raises:
        ConfigurationError: not the name of an image, or there is none with versions.
        SynclineError: Docker Hub does not answer, or not as it is documented.
    """
    if not _IMAGE.fullmatch(image):
        shown = make_visible(image)
        raise ConfigurationError(f"{shown!r} is not the name of an Airbyte connector's image; write source-name")
    versions = [each for each in await _tags(image, hub) if each != "latest" and "dev" not in each]
    if not versions:
        raise ConfigurationError(f"Docker Hub has no versions of airbyte/{image}")
    return versions


async def _tags(image: str, hub: str) -> list[str]:
    url, tags = f"{hub}/v2/repositories/airbyte/{image}/tags?page_size=100", list[str]()
    for _ in range(_MOST_PAGES):
        page = await asyncio.to_thread(_read, url)
        try:
            tags += [str(each["name"]) for each in page["results"]]
            following = page.get("next")
        except (AttributeError, KeyError, TypeError):
            raise SynclineError("the answer of Docker Hub does not list tags") from None
        # Docker Hub decides which page comes next, but not from where.
        if not isinstance(following, str) or not following.startswith(f"{hub}/"):
            break
        url = following
    return tags


def _read(url: str) -> Any:
    from app.config.remote import RemoteText, UnreadableError  # noqa: PLC0415 (httpx is slow to import)

    try:
        return json.loads(RemoteText(url, largest=_LARGEST_PAGE).read())
    except UnreadableError as error:
        raise SynclineError(f"Docker Hub cannot be asked: {error}") from None
    except (ValueError, RecursionError):
        raise SynclineError("the answer of Docker Hub is not valid JSON") from None
