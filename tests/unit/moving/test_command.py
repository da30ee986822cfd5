"""`syncline import classic` without Redis: from a file or from the configurator, to a file."""

from __future__ import annotations

import http.server
import os
from typing import TYPE_CHECKING

import pytest
import yaml
from click.testing import CliRunner

from app.cli.main import cli
from app.config.reader import load_catalogue
from tests.servers.web import answering

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

TOKEN = "c0nfigurator-t0ken"
# As the configurator writes it: ids without their project, options in `config`, and comments.
EXPORT = """\
# This file is auto-generated
server:
  name: abcde # rename server if another name is desired
api_keys:
  - uid: k1
    jsAuth: js.k1
    serverAuth: s2s.k1
destinations:
  wh:
    type: postgres
    mode: stream
    data_layout:
      table_name_template: events
      primary_key_fields: [eventn_ctx_event_id]
    config: {host: db, port: 5432, db: app, schema: public, username: me, password: hunter22}
  hook:
    type: webhook
    mode: stream
    config: {url: "https://example.com", method: POST}
sources:
  ads:
    type: synthetic
    destinations: [wh]
    collections:
      - {name: report, type: report, table_name: ads_report, schedule: "@daily"}
    schedule: "@daily"
    project_name: mine
    notifications: {slack: null}
"""


SOURCES = '{"sources": {"p1.shop": {"type": "synthetic", "destinations": ["p1.none"], "collections": ["c"]}}}'


class _Configurator(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        answer = {
            f"/api/v1/jitsu/configuration?project_id=p1&token={TOKEN}": EXPORT,
            f"/api/v1/sources?token={TOKEN}": SOURCES,
            f"/api/v1/destinations?token={TOKEN}": '{"destinations": {"p1.none": {"type": "none"}}}',
        }.get(self.path)
        self.send_response(401 if answer is None else 200)
        self.end_headers()
        self.wfile.write((answer or "{}").encode())

    def log_message(self, *_arguments: object) -> None:
        """Keep the output of the tests clean."""


def take_over(directory: Path, origin: str, *arguments: str, code: int = 0, **environment: str) -> Result:
    given = {"SYNCLINE_CONFIG": str(directory / "syncline.yaml"), **environment}
    done = CliRunner().invoke(cli, ["import", "classic", "--from", origin, *arguments], env=given)
    assert done.exit_code == code, done.output
    return done


def test_the_configurator_s_export_becomes_a_catalogue_that_others_cannot_read(tmp_path: Path) -> None:
    with answering(http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Configurator)) as server:
        address = f"http://127.0.0.1:{server.server_address[1]}/api/v1/jitsu/configuration"
        url = f"{address}?project_id=p1&token=${{env.TOKEN}}"
        take_over(tmp_path, url, TOKEN=TOKEN)
        text = (tmp_path / "syncline.yaml").read_text()
        assert "unchanged" in take_over(tmp_path, url, TOKEN=TOKEN).stdout
        wrong = take_over(tmp_path, url, code=2, TOKEN="wr0ng-wr0ng")
        missing = take_over(tmp_path, url, code=2)
    assert wrong.stderr == f"syncline: --from: {address} answered 401\n"
    assert missing.stderr == (
        "syncline: --from: environment variable TOKEN is not set; set it, or give a default: ${env.NAME|default}\n"
    )
    assert f"# 'syncline import classic' made this from Jitsu Classic's '{address}'" in text
    assert TOKEN not in text
    written = yaml.safe_load(text)
    assert [*written["destinations"]] == ["wh"]
    assert written["destinations"]["wh"]["user"] == "me"
    assert written["sources"]["ads"]["collections"][0]["table_name"] == "ads_report"
    assert "# ~ 'hook' is left out, as no source loads into it" in text
    assert (tmp_path / "syncline.yaml").stat().st_mode & 0o077 == 0


def test_with_a_project_ids_are_those_of_its_server_and_tables_stay(tmp_path: Path) -> None:
    origin = tmp_path / "export.yaml"
    origin.write_text(EXPORT)
    take_over(tmp_path, str(origin))
    bare = load_catalogue(tmp_path / "syncline.yaml", {})
    take_over(tmp_path, str(origin), "--project", "p1", "--force")
    named = load_catalogue(tmp_path / "syncline.yaml", {})
    assert [*named.sources, *named.destinations] == ["p1.ads", "p1.wh"]
    assert named.sources["p1.ads"].destinations == ("p1.wh",)
    assert named.sources["p1.ads"].collections == bare.sources["ads"].collections
    lines = (tmp_path / "syncline.yaml").read_text().splitlines()
    assert "  # ~ notifications: is ignored" in lines[lines.index("  p1.ads:") - 1]


def test_what_a_configurator_has_stays_there(tmp_path: Path) -> None:
    """It may change that, as the catalogue of a running Classic."""
    origin = tmp_path / "eventnative.yaml"
    with answering(http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Configurator)) as server:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        origin.write_text(f"configurator: {{base_url: '{base}', admin_token: '${{env.TOKEN}}'}}\n")
        take_over(tmp_path, str(origin), TOKEN=TOKEN)
        catalogue = load_catalogue(tmp_path / "syncline.yaml", {"TOKEN": TOKEN})
    assert [*catalogue.sources] == ["p1.shop"]
    assert yaml.safe_load((tmp_path / "syncline.yaml").read_text()) == {
        "configurator": {"base_url": base, "admin_token": "${env.TOKEN}"}
    }


@pytest.mark.parametrize("named", ["sources.yaml", "file://{}/sources.yaml", "${{env.SOURCES}}"])
def test_the_catalogue_is_as_private_as_the_most_private_text_in_it(tmp_path: Path, named: str) -> None:
    origin, sources = tmp_path / "eventnative.yaml", tmp_path / "sources.yaml"
    origin.write_text(f"sources: '{named.format(tmp_path)}'\ndestinations: {{none: {{type: none}}}}\n")
    origin.chmod(0o644)
    sources.write_text(SOURCES.replace("p1.none", "none"))
    sources.chmod(0o600)
    take_over(tmp_path, str(origin), SOURCES=sources.read_text())
    catalogue = tmp_path / "syncline.yaml"
    assert [*yaml.safe_load(catalogue.read_text())["sources"]] == ["p1.shop"]
    assert catalogue.stat().st_mode & 0o777 == 0o600


def test_a_configuration_without_sources_is_told(tmp_path: Path) -> None:
    origin = tmp_path / "eventnative.yaml"
    origin.write_text("destinations: {}\n")
    assert take_over(tmp_path, str(origin)).stderr == (
        f"syncline: there are no sources in '{origin.name}': if Jitsu Classic gets them from a configurator, give the "
        "URL of its export with --from\n"
    )


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_the_catalogue_is_as_private_as_the_configuration(tmp_path: Path, mode: int) -> None:
    origin = tmp_path / "eventnative.yaml"
    origin.write_text(EXPORT)
    origin.chmod(mode)
    take_over(tmp_path, str(origin))
    umask = os.umask(0o077)
    os.umask(umask)
    assert (tmp_path / "syncline.yaml").stat().st_mode & 0o777 == mode & ~umask


def test_it_is_written_once_and_replaced_only_by_force(tmp_path: Path) -> None:
    origin, catalogue = tmp_path / "eventnative.yaml", tmp_path / "syncline.yaml"
    origin.write_text(EXPORT)
    done = take_over(tmp_path, str(origin)).stdout
    comments = f"{catalogue.read_text().count('# ~ ')} comments on what differs"
    assert done == f"'{catalogue}' is written: {comments}.\n"
    first = catalogue.read_text()
    assert take_over(tmp_path, str(origin)).stdout == f"'{catalogue}' is unchanged: {comments}.\n"
    origin.write_text(EXPORT.replace("@daily", "@hourly"))
    assert take_over(tmp_path, str(origin), code=2).stderr == (
        f"syncline: '{catalogue}' already exists: name another file with --config, or replace it with --force\n"
    )
    assert catalogue.read_text() == first
    assert take_over(tmp_path, str(origin), "--force").stdout == (
        f"The file that was there is now '{catalogue}.old'.\n'{catalogue}' is written: {comments}.\n"
    )
    assert (tmp_path / "syncline.yaml.old").read_text() == first


def test_what_is_missing_here_and_what_cannot_be_used_yet_is_told(tmp_path: Path) -> None:
    origin = tmp_path / "eventnative.yaml"
    origin.write_text(EXPORT.replace("hunter22", "'${env.PW_HERE}'").replace("type: synthetic", "type: firebase"))
    missing, unusable = take_over(tmp_path, str(origin)).stderr.splitlines()
    assert missing == (
        f"syncline: {origin}:15: destinations.wh.config.password: environment variable PW_HERE is not set; set it, or "
        "give a default: ${env.NAME|default}; the catalogue has the placeholder, which needs a value where Syncline "
        "runs"
    )
    assert unusable == (
        "syncline: 1 part cannot be used yet: see the comments, correct them, and run "
        f"'syncline check {tmp_path}/syncline.yaml'"
    )


def test_the_configuration_itself_is_never_replaced(tmp_path: Path) -> None:
    origin = tmp_path / "eventnative.yaml"
    origin.write_text(EXPORT)
    refused = take_over(tmp_path, str(origin), "--config", str(origin), "--force", code=2)
    assert refused.stderr == f"syncline: '{origin}' is Jitsu Classic's: name another file with --config\n"


@pytest.mark.parametrize(
    ("project", "why"),
    [("p/1", "a name must not contain '/'"), ("", "a name must not be empty")],
)
def test_a_project_that_no_id_can_begin_with_is_refused(tmp_path: Path, project: str, why: str) -> None:
    origin = tmp_path / "eventnative.yaml"
    origin.write_text(EXPORT)
    refused = take_over(tmp_path, str(origin), "--project", project, code=2)
    assert refused.stderr == f"syncline: --project: {why}\n"
    assert not (tmp_path / "syncline.yaml").exists()
