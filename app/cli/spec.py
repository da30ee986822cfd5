"""`syncline sources spec`: which configuration a connector asks for."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from app.cli.running import json_text, reports_errors, run_asking, start, tell

_IMAGE: Final = re.compile(r"[^@=\s]+/[^@=\s]+:.+")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_TYPES: Final = ("airbyte", "singer")
_INDENT: Final = 6


@click.command(short_help="Show the configuration that a connector asks for.")
@click.argument("package")
@click.option(
    "--type", "type_", type=click.Choice(_TYPES), help="What PACKAGE is.  [default: its name tells, as tap-… does]"
)
@click.option("--json", "as_json", is_flag=True, help="Print the connector's own JSON Schema.")
@reports_errors
def spec(package: str, type_: str | None, *, as_json: bool) -> None:
    """Show the configuration that the Singer tap or Airbyte connector PACKAGE asks for, as YAML to paste.

    PACKAGE is written as in a catalogue: tap-name==1.2.3, airbyte-source-name==1.2.3, or an image such as
    airbyte/source-name:1.2.3. It is installed first, if it is not yet. Optional keys are comments.
    """
    from app.bootstrap.sources import specification_of
    from app.config.skeletons import skeleton

    kind = type_ or _type_of(package)
    origin = {"image" if _IMAGE.fullmatch(package) else "package": package}
    specification = run_asking(specification_of(start(), kind, origin, tell=tell))
    if as_json:
        click.echo(json_text(specification))
        return
    for line in (*_head(kind, origin), *skeleton(specification, indent=_INDENT)):
        click.echo(line)


def _type_of(package: str) -> str:
    name = _NAME.match(package)
    if _IMAGE.fullmatch(package) or (name and "source-" in name[0]):
        return "airbyte"
    if name and "tap-" in name[0]:
        return "singer"
    raise click.UsageError(f"the name {package!r} does not tell what it is: give '--type singer' or '--type airbyte'.")


def _head(kind: str, origin: dict[str, Any]) -> list[str]:
    from app.config.yaml_scalars import scalar

    ((key, package),) = origin.items()
    name = _NAME.match(package.rpartition("/")[2] if key == "image" else package)
    id_ = re.sub(r".*(source-|tap-)", "", name[0]) if name else ""
    return [
        "sources:",
        f"  {scalar(id_ or kind)}:",
        f"    type: {kind}",
        "    destinations: []  # the names of your destinations",
        "    config:",
        f"{' ' * _INDENT}{key}: {scalar(package)}",
    ]
