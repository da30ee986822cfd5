"""`syncline run`, `tasks`, `logs`, `cancel`, `status`, `pause`, `resume` and `ui`, as people type them anywhere."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.cluster import TOKEN, Api, Cluster, wait_until
from tests.acceptance.laptop import NOBODY, Laptop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = f"""
server: {{admin_token: {TOKEN}}}
sources:
  load:
    type: synthetic
    destinations: [nowhere]
    owner: data team
    labels: [gold]
    collections:
      - {{name: quick, labels: pii, description: fast}}
      - {{name: "a b%c", parameters: {{log_lines: 2}}}}
      - {{name: slow, parameters: {{seconds: 2, records: 4000, log_lines: 4}}}}
      - {{name: endless, parameters: {{seconds: 600}}}}
      - {{name: broken, max_attempts: 1, parameters: {{fail_rate: 1}}}}
destinations:
  nowhere: {{type: none}}
"""


@pytest.fixture(scope="module")
def cluster(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("api"), CONFIG, module_database_url) as cluster:
        cluster.worker()
        yield cluster


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Api:
    return cluster.api()


@pytest.fixture(scope="module")
def laptop(api: Api) -> Laptop:
    return Laptop(api.address)


def test_a_run_is_followed_to_its_end(laptop: Laptop) -> None:
    done = laptop.call("run", "load", "quick", "--follow")
    assert re.fullmatch(r"load\.quick requested: task load_quick_[0-9a-f-]{36}\n", done.stderr)
    *lines, end = done.stdout.splitlines()
    assert re.fullmatch(r"load\.quick succeeded in [\d.]+ (s|min): [\d,]+ rows", end)
    assert len(lines) >= 2
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z  (info |warn |error)  [^\[]", line) for line in lines)


def test_all_collections_of_a_source_are_run_unless_some_are_named(laptop: Laptop, api: Api) -> None:
    done = laptop.call("run", "load", "a b%c", "quick", "a b%c", "--follow")
    assert len(done.stderr.splitlines()) == 2
    of = [line.split("  ")[0] for line in done.stdout.splitlines() if "rows" not in line.split("  ")[0]]
    assert set(of) == {"a b%c", "quick"}
    asked = laptop.call("run", "load", "--json")
    tasks = [json.loads(line) for line in asked.stdout.splitlines()]
    assert [task["collection"] for task in tasks] == ["quick", "a b%c", "slow", "endless", "broken"]
    assert asked.stderr == ""
    again = json.loads(laptop.call("run", "load", "endless", "--json").stdout)
    assert again == {**tasks[3], "is_new": False}
    assert laptop.call("cancel", "load", "endless", "--note", "enough").stdout.split()[0] == tasks[3]["task_id"]
    for task in tasks:
        api.ended(task["task_id"])


def test_a_failure_is_an_exit_code_and_a_sentence(laptop: Laptop) -> None:
    done = laptop.call("run", "load", "quick", "broken", "--wait", code=1)
    ends = sorted(done.stdout.splitlines())
    assert re.fullmatch(r"load\.broken failed in [\d.]+ (s|min): .+", ends[0])
    assert ends[1].startswith("load.quick succeeded ")
    document = json.loads(laptop.call("run", "load", "broken", "--wait", "--json", code=1).stdout)
    assert (document["status"], document["collection"]) == ("FAILED", "broken")


def test_a_terminal_shows_progress_and_nothing_of_it_stays(laptop: Laptop) -> None:
    with laptop.terminal("run", "load", "slow", "--follow") as terminal:
        terminal.wait_for("rows read")
        assert terminal.wait() == 0
    last = re.split(r"\r?\n|\r\x1b\[K", terminal.shown.strip())[-1]
    assert re.fullmatch(r"load\.slow succeeded in [\d.]+ (s|min): 0 rows", last)
    running = re.findall(r"\r\x1b\[K(load\.slow running, [^\r]*)", terminal.shown)
    assert running
    assert all(len(line) < 80 for line in running)


def test_ctrl_c_leaves_the_task_running_and_says_how_to_go_on(laptop: Laptop, api: Api) -> None:
    with laptop.terminal("run", "load", "endless", "-f") as terminal:
        terminal.wait_for("running")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 130
    found = re.search(
        r"The task goes on: see 'syncline logs -f (\S+)', or end it with 'syncline cancel \1'\.", terminal.shown
    )
    assert found
    task_id = found[1]
    assert api.task(task_id)["status"] == "RUNNING"
    canceled = laptop.call("cancel", task_id).stdout
    assert canceled in {
        f"{task_id} is running, and will be canceled within seconds.\n",
        f"{task_id} is canceled.\n",  # it may be by then
    }
    followed = laptop.call("logs", "-f", task_id, code=1)
    assert followed.stderr == "load.endless was canceled\n"
    assert laptop.call("cancel", task_id).stdout == f"{task_id} is canceled.\n"
    ended = api.run("load", "quick")
    api.ended(ended)
    late = laptop.call("cancel", ended, code=1)
    assert late.stderr.startswith(f"syncline: {ended} had ended before: load.quick succeeded ")


def test_the_log_of_the_last_task_of_a_collection(laptop: Laptop, api: Api) -> None:
    task_id = api.run("load", "a b%c")
    api.ended(task_id)
    shown = laptop.call("logs", "load", "a b%c")
    assert shown.stderr == f"syncline: task {task_id}\n"
    assert len(shown.stdout.splitlines()) == len(api.log(task_id))
    lines = [json.loads(line) for line in laptop.call("logs", task_id, "--json").stdout.splitlines()]
    assert lines == [{"task_id": task_id, **line} for line in api.log(task_id)]
    tail = laptop.call("logs", task_id, "--tail", "1", "--json")
    assert [json.loads(line) for line in tail.stdout.splitlines()] == lines[-1:]
    assert laptop.call("logs", "-f", "-n", "1", task_id, "--json").stdout == tail.stdout
    alone = laptop.call("logs", "load", code=2)
    assert alone.stderr == (
        "syncline: 'load' is not a task's id; give one, or a source and a collection with a space between\n"
    )


def test_the_newest_tasks_of_all_sources(laptop: Laptop, api: Api) -> None:
    failed = api.run("load", "broken")
    api.ended(failed)
    newest = json.loads(laptop.call("tasks", "--failed", "--limit", "1", "--json").stdout)
    assert newest == api.task(failed)
    head, row = laptop.call("tasks", "--status", "failed", "--source", "load", "--limit", "1").stdout.splitlines()
    assert head.split() == ["CREATED", "COLLECTION", "STATUS", "TOOK", "ROWS", "TASK", "ERROR"]
    assert row.split()[1:3] == ["load.broken", "failed"]
    assert failed in row
    assert laptop.call("tasks", "--source", "nothing", "--since", "1h").stderr == "No tasks.\n"
    before = laptop.call("tasks", "--source", "load", "--as-of", "2026-01-01T00:00:00Z", "--json", code=0)
    assert before.stdout == ""
    now = laptop.call(
        "tasks", "--source", "load", "--as-of", newest["finished_at"], "--failed", "--limit", "1", "--json"
    )
    assert json.loads(now.stdout)["id"] == failed


def test_the_state_of_every_collection_worst_first(laptop: Laptop, api: Api) -> None:
    api.ended(api.run("load", "broken"))
    api.ended(api.run("load", "quick"))
    assert laptop.call("pause", "load", "a b%c", "--until", "2100-01-01", "--note", "month end").stdout == (
        "load.a b%c is paused until 2100-01-01T00:00:00Z.\n"
    )
    shown = laptop.call("status")
    assert shown.stderr == "1 of 5 collections failing.\n"
    head, first, *rest = shown.stdout.splitlines()
    assert head.split() == ["COLLECTION", "STATE", "NEXT", "DESCRIPTION"]
    assert re.match(r"load\.broken +failing +on request +failed (just now|.* ago)(, \d+ in a row)?: ", first)
    assert any(re.match(r"load\.a b%c +paused +on request +paused by admin .*: month end", line) for line in rest)
    documents = [json.loads(line) for line in laptop.call("status", "load", "--json").stdout.splitlines()]
    assert documents[0]["condition"] == "failing"
    assert laptop.call("resume", "load", "a b%c").stdout == "load.a b%c goes on.\n"
    assert laptop.call("resume", "load", "a b%c").stdout == "load.a b%c was not paused.\n"


def test_the_status_of_what_somebody_answers_for(laptop: Laptop) -> None:
    def names(*arguments: str) -> set[str]:
        shown = laptop.call("status", *arguments, "--json").stdout
        return {json.loads(line)["collection"] for line in shown.splitlines()}

    assert names("--owner", "data team") == names("--label", "gold") == names()
    assert names("--owner", "data team", "--label", "gold", "--label", "pii") == {"quick"}
    [quick] = laptop.call("status", "--label", "pii", "--json").stdout.splitlines()
    assert {key: json.loads(quick)[key] for key in ("owner", "labels", "description")} == {
        "owner": "data team",
        "labels": ["gold", "pii"],
        "description": "fast",
    }
    nobody = laptop.call("status", "--owner", "data", "--label", "gold")
    assert (nobody.stdout, nobody.stderr) == ("", "No collection has this owner and these labels.\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "lod"), "unknown source 'lod'; did you mean 'load'?"),
        (("run", "load", "quik"), "source 'load' has no collection 'quik'; did you mean 'quick'? choose one of "),
        (("logs", "load", "quik"), "source 'load' has no collection 'quik'; did you mean 'quick'? choose one of "),
        (("pause", "lod"), "unknown source 'lod'; did you mean 'load'?"),
        (("status", "lod"), "unknown source 'lod'; did you mean 'load'?"),
        (("cancel", "load", "quick"), "load.quick has no active task"),
        (("logs", "load_quick_1"), "load_quick_1"),
    ],
)
def test_a_mistake_says_what_there_is_instead(laptop: Laptop, arguments: tuple[str, ...], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=laptop.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode in {1, 2, 4}
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_is_refused_does_not_hold_up_the_others(laptop: Laptop) -> None:
    done = laptop.call("run", "load", "quik", "quick", "--wait", code=1)
    assert done.stderr.startswith("syncline: source 'load' has no collection 'quik'")
    assert done.stdout.startswith("load.quick succeeded ")


def test_a_token_that_is_wrong_and_an_api_that_is_not_there(api: Api) -> None:
    refused = Laptop(api.address, token="wrong").call("status", code=2)
    assert refused.stderr.startswith(f"syncline: {api.address} refuses the token: Admin token does not match")
    away = Laptop(NOBODY).call("run", "load", code=3)
    assert away.stderr.startswith(f"syncline: {NOBODY} does not answer: ")
    other = Laptop(f"{api.address}/elsewhere").call("status", code=4)
    assert other.stderr.count("\n") == 1


def test_a_run_outlives_an_api_that_is_away_for_a_while(cluster: Cluster) -> None:
    api = cluster.api()
    address = api.address
    with Laptop(address).terminal("run", "load", "endless", "-f") as terminal:
        terminal.wait_for("running")
        api.process.kill()
        terminal.wait_for("; trying again")
        back = cluster.start("api", "--port", address.rpartition(":")[2])
        wait_until("the API is back", Api(back, address).is_ready)
        Laptop(address).call("cancel", "load", "endless")
        assert terminal.wait() == 1
        back.stop()
    assert terminal.shown.count("trying again") == 1
    assert "load.endless was canceled" in terminal.shown


@pytest.mark.parametrize(("ui", "path"), [("{}", "/"), ("{prefix: /tools/syncline}", "/tools/syncline/")])
def test_the_pages_are_opened_in_a_browser(module_database_url: str, tmp_path: Path, ui: str, path: str) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o700)
    with Cluster(tmp_path, CONFIG.replace("server: {", f"server: {{ui: {ui}, "), module_database_url) as cluster:
        address = cluster.api().address
        laptop = Laptop(address.replace("//", "//somebody:word@"))
        laptop.environment["BROWSER"] = f"{browser} %s"
        assert laptop.call("ui", "--no-open").stdout == f"{address}{path}\n"
        assert not opened.exists()
        assert laptop.call("ui").stdout == f"{address}{path}\n"
        assert opened.read_text() == f"{address}{path}\n"
        laptop.environment["BROWSER"] = "/nonexistent/browser %s"
        nowhere = laptop.call("ui")
        assert (nowhere.stdout, nowhere.stderr) == (
            f"{address}{path}\n",
            "syncline: no browser can be opened here: open this address in one\n",
        )


def test_an_api_without_pages_says_how_to_get_them(module_database_url: str, tmp_path: Path) -> None:
    config = CONFIG.replace("server: {", "server: {ui: {enabled: false}, ")
    with Cluster(tmp_path, config, module_database_url) as cluster:
        address = cluster.api().address
        assert Laptop(address).call("ui", code=1).stderr == (
            f"syncline: {address} serves no pages: set 'server.ui.enabled' to true in its catalogue, and restart it\n"
        )
    away = Laptop(NOBODY).call("ui", code=3)
    assert away.stderr.startswith(f"syncline: {NOBODY} does not answer: ")
