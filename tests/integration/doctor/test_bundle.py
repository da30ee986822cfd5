"""The archive for a bug report has what helps, and no secret wherever one stands."""

from __future__ import annotations

import json
import resource
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from app.config.settings import Settings
from app.doctor.bounded import bounded
from app.doctor.bundle import check_target, contents_of, write_bundle
from app.doctor.catalogue import look
from app.doctor.finding import fail
from app.doctor.installation import Installation
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.events import TASK_FAILED
from app.domain.task import Status
from tests.integration.doctor.looking import with_catalogue
from tests.unit.domain.secret_examples import LONGER_TEXTS, SECRET, SECRET_VALUES

if TYPE_CHECKING:
    from tests.harness import Store

PLAIN = """
server: {admin_token: SECRET}
sources:
  load: {type: synthetic, destinations: [nowhere], collections: [made]}
  shop:
    type: sql
    destinations: [nowhere]
    config: {url: "postgresql://me:${env.SHOP_PASSWORD}@127.0.0.1:1/shop"}
    collections: [{name: users, parameters: {query: "SELECT id FROM users"}}]
destinations:
  nowhere: {type: none}
notifications: {slack: {url: "https://hooks.example/SECRET"}}
""".replace("SECRET", SECRET)


async def bundle_of(path: Path, text: str, url: str | None = None) -> dict[str, str]:
    """What the archive has after a look at the catalogue, and at the database if there is one."""
    installation = with_catalogue(path, text, url=url, SYNCLINE_DATA_DIR=path.parent / "data")
    found = await bounded("catalogue", look(installation), seconds=60)
    return await contents_of(installation, found)


def catalogue_with(value: Any) -> str:
    """A catalogue with this value wherever a value can be, valid or not."""
    return json.dumps(
        {
            "server": {"admin_token": "a-token", "more": value},
            "sources": {
                "load": {"type": "synthetic", "destinations": ["nowhere"], "collections": ["made"]},
                "tap": {
                    "type": "singer",
                    "destinations": ["nowhere"],
                    "config": {"command": ["tap"], "config": {"note": value, "list": [value, {"deep": value}]}},
                    "collections": [{"name": "a", "parameters": {"select": [value]}}],
                },
            },
            "destinations": {"nowhere": {"type": "none"}, "other": {"type": "none", "note": value}},
        }
    )


@pytest.mark.parametrize("text", LONGER_TEXTS.values(), ids=LONGER_TEXTS.keys())
async def test_no_secret_of_a_text_is_in_the_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SOME_TEXT", text)
    contents = await bundle_of(tmp_path / "syncline.yaml", catalogue_with(text))
    assert [name for name, content in contents.items() if SECRET in content] == []
    assert "***" in contents["catalogue.json"]


@pytest.mark.parametrize("text", [LONGER_TEXTS["login"], LONGER_TEXTS["option"]])
async def test_no_secret_in_the_place_of_a_name_is_in_the_bundle(tmp_path: Path, text: str) -> None:
    contents = await bundle_of(tmp_path / "syncline.yaml", json.dumps({"sources": {text: {"type": text}}}))
    assert [name for name, content in contents.items() if SECRET in content] == []


@pytest.mark.parametrize("value", SECRET_VALUES, ids=repr)
async def test_no_secret_by_its_name_is_in_the_bundle(tmp_path: Path, value: Any) -> None:
    contents = await bundle_of(tmp_path / "syncline.yaml", catalogue_with(value))
    assert [name for name, content in contents.items() if SECRET in content] == []


async def test_short_secrets_and_numbers_are_masked_too(tmp_path: Path) -> None:
    value = {
        "password": "abc",
        "tokens": [1234567, "xyz"],
        "api_key": {"a": "ghi"},
        "empty_password": "",
        "pin": 1234567,
        "command": ["tap", "--password", "abc", "--fast"],
    }
    contents = await bundle_of(tmp_path / "syncline.yaml", catalogue_with(value))
    note = json.loads(contents["catalogue.json"])["destinations"]["other"]["note"]
    assert note == {
        "password": "***",
        "tokens": ["***", "***"],
        "api_key": {"a": "***"},
        "empty_password": "",
        "pin": "***",
        "command": ["tap", "--password", "***", "--fast"],
    }


@pytest.mark.parametrize(
    ("command", "masked"),
    [
        (f"vault login {SECRET}", "vault ***"),
        (["sh", "-c", f"echo {SECRET}"], ["sh", "***", "***"]),
        (f"X={SECRET} vault read", "*** ***"),
        ([f"X={SECRET}", "vault"], ["***", "***"]),
        ({"sh": SECRET}, {"sh": "***"}),
        ("pass-of-db", "pass-of-db"),
        ("", ""),
        ([], []),
    ],
)
async def test_of_a_password_s_command_only_the_program_is_in_it(tmp_path: Path, command: Any, masked: Any) -> None:
    contents = await bundle_of(tmp_path / "syncline.yaml", catalogue_with({"password_command": command}))
    assert json.loads(contents["catalogue.json"])["destinations"]["other"]["note"] == {"password_command": masked}
    assert [name for name, content in contents.items() if SECRET in content] == []


async def test_the_environment_and_the_store_leave_no_secret_and_no_row_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store, database_url: str
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    monkeypatch.setenv("PWD", "/srv")
    worker = await store.worker()
    claim = await store.claimed(worker)
    error = f"Key (email)=(somebody@example.org) exists; password={SECRET}"
    assert await store.end(worker, claim, type_=TASK_FAILED, status=Status.FAILED, error=error)
    contents = await bundle_of(tmp_path / "syncline.yaml", PLAIN, database_url)
    assert set(contents) == {
        *("README.txt", "findings.json", "versions.json", "settings.json", "catalogue.json", "errors.json"),
        "notes.json",
    }
    everything = "".join(contents.values())
    assert SECRET not in everything
    assert "somebody@example.org" not in everything
    [event] = json.loads(contents["errors.json"])
    assert (event["type"], event["status"], event["source"], event["collection"]) == ("TaskFailed", "FAILED", "s", "c")
    catalogue = json.loads(contents["catalogue.json"])
    assert catalogue["sources"]["shop"]["config"]["url"] == "postgresql://me:***@127.0.0.1:1/shop"
    assert catalogue["sources"]["shop"]["collections"][0]["parameters"] == {"query": "SELECT id FROM users"}
    assert catalogue["notifications"] == {"slack": {"url": "***"}}
    versions, settings = json.loads(contents["versions.json"]), json.loads(contents["settings.json"])
    assert versions["postgres"]
    assert versions["packages"]["asyncpg"]
    assert settings["environment"]["SYNCLINE_DATA_DIR"] == str(tmp_path / "data")
    assert settings["postgres"]["server_encoding"] == "UTF8"
    assert json.loads(contents["notes.json"]) == []


async def test_a_webhook_s_url_is_a_secret_even_in_a_catalogue_that_cannot_be_used(tmp_path: Path) -> None:
    contents = await bundle_of(tmp_path / "syncline.yaml", PLAIN.replace("server:", "servr:"))
    assert json.loads(contents["catalogue.json"])["notifications"] == {"slack": {"url": "***"}}
    assert [name for name, content in contents.items() if SECRET in content] == []


async def test_sources_in_a_file_of_their_own_are_in_it(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text(f"load: {{type: synthetic, config: {{password: {SECRET}}}}}")
    text = "sources: sources.yaml\ndestinations: {nowhere: {type: none}}"
    contents = await bundle_of(tmp_path / "syncline.yaml", text)
    assert json.loads(contents["sources.json"]) == {"load": {"type": "synthetic", "config": {"password": "***"}}}


async def test_what_cannot_be_read_is_a_note(tmp_path: Path) -> None:
    contents = await bundle_of(tmp_path / "syncline.yaml", f"sources: [{SECRET}")
    assert "catalogue.json" not in contents
    [note] = json.loads(contents["notes.json"])
    assert "not valid YAML" in note
    assert SECRET not in "".join(contents.values())


async def test_a_secret_in_a_finding_is_masked_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PASSWORD", SECRET)
    installation = Installation(Settings(SYNCLINE_DATA_DIR=tmp_path), config=None)
    contents = await contents_of(installation, [fail("database", f"login {SECRET} is unknown", f"Create {SECRET}")])
    [finding] = json.loads(contents["findings.json"])
    assert finding == {"name": "database", "state": "fail", "text": "login *** is unknown", "remedy": "Create ***"}


def test_the_archive_holds_its_files_in_one_directory(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    write_bundle(path, {"a.json": "[]\n"}, overwrite=False)
    with tarfile.open(path) as archive:
        [member] = archive.getmembers()
        content = archive.extractfile(member)
        assert content is not None
        assert (member.name, member.uname, content.read()) == ("syncline-doctor/a.json", "", b"[]\n")


def test_nothing_is_replaced_and_no_link_is_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link.tar.gz"
    link.symlink_to(target)
    with pytest.raises(ConfigurationError, match="exists: name another file, or use --overwrite"):
        check_target(link, overwrite=False)
    with pytest.raises(ConfigurationError, match="exists: name another file, or use --overwrite"):
        write_bundle(link, {}, overwrite=False)
    assert not target.exists()
    write_bundle(link, {}, overwrite=True)
    assert not link.is_symlink()
    assert not target.exists()


@pytest.mark.parametrize("name", ["missing/b.tar.gz", "."])
def test_a_target_that_cannot_be_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the path of a file in an existing directory"):
        check_target(tmp_path / name, overwrite=True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this directory, in which nothing can be changed")
@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("name", ["version", "b.tar.gz"])
def test_a_directory_that_takes_nothing_is_one_line(name: str, *, overwrite: bool) -> None:
    with pytest.raises(SynclineError, match=r"^(cannot write '/proc/|--bundle: '/proc/version' exists)"):
        write_bundle(Path("/proc") / name, {}, overwrite=overwrite)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, *, overwrite: bool) -> None:
    path = tmp_path / "b.tar.gz"
    if overwrite:
        path.write_text("old")
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, most))
    try:
        with pytest.raises(SynclineError, match=r"^cannot write .*: file too large$"):
            write_bundle(path, {"a.json": "[]\n"}, overwrite=overwrite)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
    assert [each.read_text() for each in tmp_path.iterdir()] == ["old"] * overwrite


def test_a_disk_that_takes_nothing_leaves_no_half(tmp_path: Path) -> None:
    with pytest.raises(SynclineError, match=r"^cannot write .*: no such file or directory$"):
        write_bundle(tmp_path / "gone" / "b.tar.gz", {}, overwrite=False)
