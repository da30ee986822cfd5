"""A URL that was signed again is the same file, and its signature is kept nowhere."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.connectors.sources.files.storage import Storage, mask_address
from app.domain.errors import SynclineError
from app.domain.redaction import mask_secrets
from app.domain.secret_values import secrets_in
from tests.connectors.sources.files.filing import Filing, csv_of, serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.connectors.attempts import Told, Warehouse

# Two signatures of one file, as the services write them.
SIGNED = {
    "azure": (
        "sv=2022-11-02&st=2026-01-01T00%3A00%3A00Z&se=2026-12-01T00%3A00%3A00Z&sr=b&sp=r&sig=hunter2AAAA%3D",
        "sp=racwdl&sv=2024-05-04&sr=b&spr=https&se=2027-12-01T00%3A00%3A00Z&sip=10.0.0.1-10.0.0.9&sig=hunter2BBBB%3D",
    ),
    "azure, short": ("se=2026-12-01&sig=hunter2AAAA", "se=2027-12-01&sig=hunter2BBBB"),
    "azure, of a user": (
        "skoid=1&sktid=2&skt=2026&ske=2027&sks=b&skv=2022-11-02&sv=2022-11-02&sr=c&sig=hunter2AAAA",
        "skoid=3&sktid=4&skt=2027&ske=2028&sks=b&skv=2024-11-04&sv=2024-11-04&sr=c&scid=5&saoid=6&sig=hunter2BBBB",
    ),
    "azure, of an account": (
        "sv=2022-11-02&ss=b&srt=o&sp=r&se=2026-12-01&spr=https&sig=hunter2AAAA",
        "sv=2022-11-02&ss=bf&srt=co&sp=rl&se=2027-12-01&spr=https&sig=hunter2BBBB",
    ),
    "azure, of a policy": ("sv=2022-11-02&si=one&sr=c&sig=hunter2AAAA", "sv=2022-11-02&si=two&sr=c&sig=hunter2BBBB"),
    "amazon 4": tuple(
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=hunter2{day}%2F{day}%2Feu%2Fs3%2Faws4_request"
        f"&X-Amz-Date={day}T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=hunter2{day}{more}"
        for day, more in (("20260101", ""), ("20270101", "&X-Amz-Security-Token=hunter2CCCC&x-id=GetObject"))
    ),
    "amazon 2": (
        "AWSAccessKeyId=hunter2DDDD&Expires=1&Signature=hunter2AAAA%3D",
        "AWSAccessKeyId=hunter2EEEE&Signature=hunter2BBBB%3D&x-amz-security-token=hunter2CCCC&Expires=2",
    ),
    "google 4": tuple(
        f"X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=hunter2{day}&X-Goog-Date={day}T000000Z"
        f"&X-Goog-Expires=900&X-Goog-SignedHeaders=host&X-Goog-Signature=hunter2{day}"
        for day in ("20260101", "20270101")
    ),
    "google 2": (
        "GoogleAccessId=a%40b&Expires=1&Signature=hunter2AAAA",
        "GoogleAccessId=c%40d&Expires=2&Signature=hunter2BBBB",
    ),
    "cloudfront": (
        "Expires=1&Signature=hunter2AAAA~&Key-Pair-Id=hunter2KKKK",
        "Policy=hunter2PPPP_&Signature=hunter2BBBB~&Key-Pair-Id=hunter2LLLL",
    ),
    "upper case": ("SV=1&SE=2&SIG=hunter2AAAA", "SV=3&SE=4&SIG=hunter2BBBB"),
    "lower case": (
        "x-amz-date=1&x-amz-expires=2&x-amz-signature=hunter2AAAA",
        "x-amz-date=3&x-amz-expires=4&x-amz-signature=hunter2BBBB",
    ),
    "encoded names": (
        "%73ig=hunter2AAAA&%73e=1&X%2DAmz%2DSignature=hunter2CCCC&X%2dAmz%2dDate=1",
        "s%69g=hunter2BBBB&s%65=2&X-Amz%2DSignature=hunter2DDDD&X-%41mz-Date=2",
    ),
    "token": ("token=hunter2AAAA&expires=1", "token=hunter2BBBB&expires=2&token_path=%2F"),
    "token, short": ("token=hunter2AAAA&expire=1", "token=hunter2BBBB&expire=2"),
    **{
        f"akamai, {name}": tuple(f"{name}=st=1~exp={day}~acl=%2F*~data=hunter2AAAA~hmac={day:064}" for day in (7, 8))
        for name in ("hdnea", "hdnts", "hdntl", "__token__", "of_any_name")
    },
    "google, media": (
        "Expires=1&KeyName=one&Signature=hunter2AAAA",
        "Expires=2&KeyName=two&Signature=hunter2BBBB&FullPath=1&Starts=1",
    ),
    "azure, of a table": ("sv=1&tn=one&spk=1&epk=2&sig=hunter2AAAA", "sv=2&tn=one&spk=3&epk=4&sig=hunter2BBBB"),
    "alibaba": (
        "OSSAccessKeyId=hunter2KKKK&Expires=1&Signature=hunter2AAAA",
        "OSSAccessKeyId=hunter2LLLL&Expires=2&Signature=hunter2BBBB&security-token=hunter2CCCC",
    ),
    "alibaba 4": (
        "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=hunter2KKKK&x-oss-date=1&x-oss-signature=hunter2AAAA",
        "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=hunter2LLLL&x-oss-date=2&x-oss-signature=hunter2BBBB",
    ),
    "alibaba, cdn": tuple(f"auth_key=17000000{day:02}-0-hunter2AAAA-{day:032}" for day in (7, 8)),
    "tencent": tuple(
        f"q-sign-algorithm=sha1&q-ak=hunter2AAAA&q-sign-time={day}%3B9&q-key-time={day}%3B9&q-header-list=host"
        f"&q-url-param-list=&q-signature=hunter2{day}"
        for day in ("0007", "0008")
    ),
    "tencent, cdn": tuple(f"sign=17000000{day:02}-0-hunter2AAAA-{day:032}" for day in (7, 8)),
    "tencent, video": ("t=5f&us=a&sign=hunter2AAAA", "t=6f&us=b&sign=hunter2BBBB"),
    "backblaze": ("Authorization=3_hunter2AAAA", "Authorization=3_hunter2BBBB"),
    "cloudflare": tuple(f"verify=17000000{day:02}-hunter2AAAA{day:032}%3D" for day in (7, 8)),
    "nginx": ("md5=hunter2AAAA&expires=1", "md5=hunter2BBBB&expires=2"),
    "discord": ("ex=1&is=2&hm=hunter2AAAA", "ex=3&is=4&hm=hunter2BBBB"),
}


@pytest.mark.parametrize("key", [None, ["id"]])
@pytest.mark.parametrize("scheme", SIGNED)
def test_a_url_that_was_signed_again_is_the_same_file(tmp_path: Path, scheme: str, key: list[str] | None) -> None:
    shelf = Filing(tmp_path, parameters={"add_columns": ["_file"]}, collection={"primary_key": key} if key else {})
    shelf.write("a.csv", csv_of(range(3)))
    first, second = SIGNED[scheme]
    with serving(shelf.inbox) as server:
        rows, bookmark = shelf.read(path=f"{server.url}/a.csv?part=1&{first}")
        again, after = shelf.read(bookmark, path=f"{server.url}/a.csv?part=1&{second}")
        others, _ = shelf.read(after, path=f"{server.url}/a.csv?part=2&{second}")
    assert (len(rows), again, after) == (3, [], bookmark)
    assert len(others) == 3, "what is no signature tells files apart"
    assert "hunter2" not in f"{rows} {others} {bookmark}"


@pytest.mark.parametrize("scheme", SIGNED)
def test_a_signature_is_a_secret_in_logs(scheme: str) -> None:
    for query in SIGNED[scheme]:
        address = f"https://host/a.csv?{query}"
        for text in (f"GET {address}", f"GET https://host/?at=1 led to {address} and https://host/?at=1"):
            assert "hunter2" not in mask_secrets(text)
        assert any("hunter2" in secret for secret in secrets_in({"path": [address]}))


@pytest.mark.parametrize(
    "query",
    [
        "st=CA&se=1&sp=2",
        "expires=1&policy=2",
        "Policy=1",
        "sv=1",
        "x-id=1",
        "versionId=1",
        "x-oss-process=image/info",
        "t=1",
        "sign=up",
    ],
)
def test_a_parameter_of_the_same_name_without_a_signature_belongs_to_the_file(query: str) -> None:
    assert mask_address(f"https://host/a.csv?{query}") == f"https://host/a.csv?{query}"


def said(told: Told) -> str:
    return " ".join(map(str, told.messages))


@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_a_signature_is_in_no_line_error_row_or_bookmark_of_an_attempt(tmp_path: Path, warehouse: Warehouse) -> None:
    filing = Filing(tmp_path, {"warehouse": warehouse.options()}, parameters={"add_columns": ["_file"]})
    filing.write("a.csv", csv_of(range(3)))
    filing.write("b.csv", csv_of(range(3, 5)))

    def paths(which: int) -> list[str]:
        names = ("a.csv", "a.csv?versionId=1", "b.csv")
        schemes = ("azure", "amazon 4", "cloudfront")
        return [
            f"{server.url}/{name}{'&' if '?' in name else '?'}{SIGNED[scheme][which]}"
            for name, scheme in zip(names, schemes, strict=True)
        ]

    with serving(filing.inbox) as server:
        filing.parameters["path"] = paths(0)
        told = [filing.run()]
        assert told[0].finished.rows_written == 8
        filing.parameters["path"] = paths(1)
        told.append(filing.run())
        assert told[1].finished.records_read == 0
        twice = filing.run(path=[paths(0)[0], paths(1)[0]])
        assert "two addresses differ only in their secrets" in twice.failed.error
        filing.write("b.csv", "id,text\n1\n")
        filing.parameters["path"] = [each.replace("a.csv", "c.csv") for each in paths(0)]
        told += [twice, filing.run()]
        assert "does not exist" in told[-1].failed.error
        told.append(filing.run(path=paths(1)[2]))
        assert "b.csv has changed since it was loaded" in told[-1].failed.error
    told.append(filing.run(path=paths(1)))  # nobody answers
    assert "cannot read http://127.0.0.1" in told[-1].failed.error
    kept = warehouse.execute("SELECT bookmark, standing FROM loaded._syncline_bookmarks")
    files = sorted(warehouse.execute("SELECT DISTINCT _file FROM loaded.made"))
    assert files == [(f"{server.url}/{name}",) for name in ("a.csv", "a.csv?versionId=1", "b.csv")]
    everything = f"{kept} {files} {' '.join(map(said, told))}"
    assert not [part for part in ("hunter2", "sig=", "se=2026", "X-Amz", "Policy") if part in everything]


def test_signatures_that_an_earlier_release_kept_are_taken_out_of_the_bookmark(tmp_path: Path) -> None:
    shelf = Filing(tmp_path)
    shelf.write("a.csv", csv_of(range(3)))
    with serving(shelf.inbox) as server:
        url = f"{server.url}/a.csv"
        _, bookmark = shelf.read(path=url)
        assert bookmark
        earlier = bookmark.replace(url, f"{url}?se=2026-12-01&sig=hunter2AAAA")
        records, after = shelf.read(earlier, path=f"{url}?se=2027-12-01&sig=hunter2BBBB")
        shelf.collection["sync_mode"] = "full_refresh"
        refreshed, later = shelf.read(earlier, path=f"{url}?se=2027-12-01&sig=hunter2BBBB")
    assert (records, refreshed) == ([], [])
    assert list(json.loads(after or "")["files"]) == list(json.loads(later or "")["files"]) == [url]


@pytest.mark.parametrize("mode", ["incremental", "full_refresh"])
def test_a_file_whose_parameter_an_earlier_release_masked_is_not_loaded_again(tmp_path: Path, mode: str) -> None:
    shelf = Filing(tmp_path)
    shelf.collection["sync_mode"] = mode
    shelf.write("a.csv", csv_of(range(3)))
    with serving(shelf.inbox) as server:
        url = f"{server.url}/a.csv?part=1&object_key="
        _, bookmark = shelf.read(path=f"{url}a")
        earlier = (bookmark or "").replace("object_key=a", "object_key=***")
        assert "***" in earlier
        records, after = shelf.read(earlier, path=f"{url}a")
        assert records == []
        assert list(json.loads(after or "")["files"]) == [f"{url}a"]
        assert shelf.read(earlier, path=f"{url}a".replace("part=1", "part=2"))[0] != [], "another file"
        shelf.write("a.csv", csv_of(range(4)))
        assert shelf.read(earlier, path=f"{url}a")[0] != [], "it has changed"


def test_an_error_of_a_library_that_repeats_the_url_has_no_signature(tmp_path: Path) -> None:
    address = f"https://host/a.csv?part=1&{SIGNED['amazon 4'][0]}"
    storage = Storage([address], {}, work_dir=tmp_path)
    with pytest.raises(SynclineError) as failed, storage.translate_errors("a.csv"):
        raise RuntimeError(f"cannot GET {address}")
    assert str(failed.value) == "cannot read a.csv: cannot GET https://host/a.csv?part=1"
