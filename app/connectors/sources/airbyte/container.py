"""A connector's image as a container that ends with its attempt."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.connectors.programs.places import INSTALL, NEVER, may_fetch
from app.domain.errors import ConfigurationError
from app.domain.inherited_environment import docker_environment
from app.lifeline import GUARD_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

SEEN_AT: Final = Path("/syncline")
"""Where the container finds the directory of its attempt."""

_GRACE_SECONDS: Final = 10
# Waits until the attempt closes the pipe or ends for any reason: only the engine can end a container.
_GUARD: Final = 'cat >/dev/null; exec docker rm --force "$0" >/dev/null 2>&1'
# Removes containers that the guard left behind because it was killed as well.
_REMOVE_LEFTOVERS: Final = 'docker ps --all --quiet --filter "label=$0" | xargs -r docker rm --force >/dev/null 2>&1'


class Container:
    """Runs of `image`, one at a time, all under one name.

    An `owner` has only one: what a killed attempt left behind is removed. None: others may run at the same time.
    """

    def __init__(
        self, image: str, *, owner: str | None, work_dir: Path, network: str | None, options: Sequence[str]
    ) -> None:
        self._name = f"syncline-{uuid.uuid4().hex}"
        # Names of sources may hold characters that labels cannot.
        self._label = owner and f"syncline.owner={hashlib.sha256(owner.encode()).hexdigest()[:16]}"
        self._image = image
        self._work_dir = work_dir
        self._network = network
        self._options = options
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What the client of Docker needs to find its engine and the credentials of registries."""
        return docker_environment(os.environ)

    def command(self) -> list[str]:
        """What runs the image; a command of the protocol follows. From now on the container is guarded.

        Raises:
            ConfigurationError: `docker` is not on PATH, or the image is not there and must not be fetched.
        """
        docker = shutil.which("docker")
        if docker is None:
            raise ConfigurationError("'image' needs Docker, but the command docker is not on PATH")
        if not may_fetch(os.environ):
            self._require_image(docker)
        if self._guard is None:
            self._guard = self._start_guard()
        network = [] if self._network is None else ["--network", self._network]
        return [
            *(docker, "run", "--rm", "--interactive", "--init", "--log-driver", "none", "--name", self._name),
            *(("--label", self._label) if self._label else ()),
            # Only the user may read the files of the attempt.
            *("--user", f"{os.getuid()}:{os.getgid()}", "--env", "HOME=/tmp"),
            *("--mount", f"type=bind,source={self._work_dir},target={SEEN_AT}"),
            *network,
            *self._options,
            self._image,
        ]

    def _require_image(self, docker: str) -> None:
        found = subprocess.run(  # noqa: S603 -- the name is checked with the options
            [docker, "image", "inspect", self._image],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath} | self.environment,
        )
        if found.returncode:
            raise ConfigurationError(
                f"image {self._image} is not on this machine, and {INSTALL}={NEVER} forbids pulling it now: "
                f"run 'docker pull {self._image}'"
            )

    def _start_guard(self) -> subprocess.Popen[bytes]:
        environment = {"PATH": os.defpath, GUARD_VARIABLE: self._name} | self.environment
        if self._label:
            subprocess.run(  # noqa: S603 -- the label is ours
                ["/bin/sh", "-c", _REMOVE_LEFTOVERS, self._label],
                check=False,
                stdin=subprocess.DEVNULL,
                env=environment,
            )
        return subprocess.Popen(  # noqa: S603 -- the name is ours
            ["/bin/sh", "-c", _GUARD, self._name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
            # What kills the attempt's processes must not stop it.
            start_new_session=True,
        )

    def end(self) -> None:
        """Removes the container if it is there; may be called more than once."""
        guard, self._guard = self._guard, None
        if guard is None or guard.stdin is None:
            return
        guard.stdin.close()
        try:
            guard.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            guard.kill()
            guard.wait()
