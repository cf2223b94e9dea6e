"""Runs over HTTP: listed, filtered, opened as results, and nothing outside of their folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

from onethinker.media import write_image
from onethinker.sample import Sample
from onethinker.serve.limits import Limits
from onethinker.serve.problems import Problem
from onethinker.serve.runs import Place, Runs
from tests.serve.conftest import detail
from tests.serve.runs_made import BOX, STEAL, row, write_run

SAID = "<think>I look.</think><answer>{}</answer>"
DISC = Sample("disc", "spatial_grounding", "image", "Find the disc.", BOX, media=("disc.png",))
WORDS = Sample("words", "open_ended", "text", "What is it?", "a disc")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("runs")
    root = base / "runs"
    first = [row(DISC, SAID.format(BOX)), row(DISC, "no tags", index=1, status="no_answer", reward=0.0)]
    second = [row(WORDS, SAID.format("a <b>disc</b>"), reward=float("nan")), row(DISC, SAID.format(BOX), reward=1.5)]
    write_run(root / "demo" / "rl", [first, second], [DISC, WORDS], STEAL)
    write_image(root / "demo" / "world" / "train" / "disc.png", np.full((40, 60, 3), 90, np.uint8))
    called = {"text": "<think>I zoom.", "tool": "zoom", "failed": False, "response": "[picture 1]"}
    turned = [row(WORDS, SAID.format("a disc"), turns=json.dumps(turns)) for turns in ([called], {}, [1])]
    write_run(root / "demo" / "tools", [turned])
    write_run(base / "outside", [first], report="secret")
    (root / "linked").symlink_to(base / "outside")
    (root / "sly").mkdir()
    (root / "sly" / "rollouts").symlink_to(base / "outside" / "rollouts")
    (root / "sly" / "report.html").symlink_to(base / "outside" / "report.html")
    return root


@pytest.fixture(scope="module")
def client(make_client: Callable[..., TestClient], root: Path) -> TestClient:
    return make_client(runs=root, token="secret", limits={"report_bytes": 100_000})


GO = {"authorization": "Bearer secret"}


def test_listed_and_filtered(client: TestClient) -> None:
    assert client.get("/v1/runs").status_code == 401
    client.headers.update(GO)
    runs = {run["name"]: run for run in client.get("/v1/runs").json()}
    assert runs["demo/rl"] == {"name": "demo/rl", "steps": 2, "report": True} and "linked" not in runs

    def asked(**query: object) -> list[tuple[int, str, float | None]]:
        rows = client.get("/v1/rollouts", params={"run": "demo/rl", **query}).json()["rows"]
        return [(r["step"], r["id"], r["reward"]) for r in rows]

    assert asked() == [
        (2, "words", None),
        (2, "disc", 1.5),
        (1, "disc", 1.4),
        (1, "disc", 0.0),
    ]  # the newest step first
    assert asked(min_reward=1.45) == [(2, "disc", 1.5)] and asked(status="no_answer") == [(1, "disc", 0.0)]
    assert asked(task="open_ended") == [(2, "words", None)] and asked(step=1, max_reward=1) == [(1, "disc", 0.0)]
    seen, after = [], ""
    while True:
        page = client.get("/v1/rollouts", params={"run": "demo/rl", "after": after, "limit": 1}).json()
        seen += [r["at"] for r in page["rows"]]
        if not (after := page["after"]):
            break
    assert seen == ["step-000002:0", "step-000002:1", "step-000001:0", "step-000001:1"]


def test_opened_as_a_result(client: TestClient) -> None:
    client.headers.update(GO)
    told = client.post("/v1/rollouts/open", json={"run": "demo/rl", "at": "step-000001:0"}).json()
    answered = told["answered"]
    assert answered["result"]["boxes"][0]["pixels"] == [6, 8, 30, 24] and not told["note"]
    assert told["truth"]["boxes"][0]["box"] == [100, 200, 500, 600] and told["row"]["components"] == {"iou": 0.9}
    assert client.get(answered["media"][0]).content[1:4] == b"PNG"
    assert client.get(answered["drawing"]).status_code == 200
    assert client.get(f"/v1/results/{answered['id']}").json() == answered
    thumb = client.get("/v1/rollouts/thumb", params={"run": "demo/rl", "at": "step-000001:0"})
    assert thumb.headers["content-type"] == "image/jpeg" and thumb.content[:2] == b"\xff\xd8"
    turns = [
        client.post("/v1/rollouts/open", json={"run": "demo/tools", "at": f"step-000001:{n}"}).json()["answered"][
            "result"
        ]
        for n in range(3)
    ]
    assert [[turn["tool"] for turn in one["turns"]] for one in turns] == [["zoom"], [], []]
    words = client.post("/v1/rollouts/open", json={"run": "demo/rl", "at": "step-000002:0"}).json()
    assert words["answered"]["media"] == [] and words["answered"]["result"]["answer"] == "a <b>disc</b>"


def test_a_report_opens_without_a_token_and_without_an_origin(client: TestClient) -> None:
    client.headers.update(GO)
    address = client.post("/v1/reports", params={"run": "demo/rl"}).json()["address"]
    del client.headers["authorization"]
    page = client.get(address)
    policy = page.headers["content-security-policy"]
    assert page.text == STEAL and "sandbox allow-scripts" in policy and "allow-same-origin" not in policy
    assert "script-src 'sha256-" in policy and "script-src 'unsafe" not in policy
    assert "any more" in detail(client.get("/reports/guessed"), 404)
    client.headers.update(GO)


@pytest.mark.parametrize("run", ["../outside", "/etc", "linked", "..", "a\0b", "demo/rl/../../../outside", "x" * 999])
def test_nothing_outside(client: TestClient, run: str) -> None:
    client.headers.update(GO)
    told = detail(client.get("/v1/rollouts", params={"run": run}), 404)
    assert "/v1/runs lists them" in told and "outside" not in told
    assert client.post("/v1/reports", params={"run": run}).status_code == 404
    assert client.post("/v1/rollouts/open", json={"run": run, "at": "step-000001:0"}).status_code == 404


def test_links_within_a_run(client: TestClient) -> None:
    client.headers.update(GO)
    assert client.get("/v1/rollouts", params={"run": "sly"}).status_code == 404
    assert client.post("/v1/reports", params={"run": "sly"}).status_code == 404
    for at in ("", "1", "step-000001:-1", "step-000001:x", "../x:1", "step-000001:99", "gone:0", "१:१"):
        asked = client.post("/v1/rollouts/open", json={"run": "demo/rl", "at": at})
        assert asked.status_code in (404, 422), (at, asked.text)


def test_hostile_rollouts(tmp_path: Path) -> None:
    """A file that unpacks to much, one text for all rows, a file cut in half, other columns: each is a sentence."""
    runs = Runs(tmp_path, Limits(report_bytes=300_000))
    good = row(DISC, SAID.format(BOX))
    write_run(tmp_path / "bomb", [[good | {"response": "a" * 1_000_000 + str(n)} for n in range(4)]])
    folder = write_run(tmp_path / "same", [[good] * 5000]) / "rollouts"
    table = pq.read_table(folder / "step-000001.parquet")
    same = pa.DictionaryArray.from_arrays(pa.array([0] * 5000, pa.int32()), pa.array(["a" * 2_000_000]))
    place = table.schema.get_field_index("response")  # 10 GB, which are one text in the file
    pq.write_table(table.set_column(place, "response", same), folder / "step-000001.parquet")
    folder = write_run(tmp_path / "cut", [[good]]) / "rollouts"
    file = folder / "step-000001.parquet"
    file.write_bytes(file.read_bytes()[:-200])
    (tmp_path / "other" / "rollouts").mkdir(parents=True)
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other" / "rollouts" / "step-000001.parquet")
    write_run(tmp_path / "typed", [[good | {"tokens": "nine"}]])
    write_run(tmp_path / "empty", [[dict.fromkeys(good) | {"id": "x", "tokens": 1}, good]])
    assert runs.rollout("empty", Place("step-000001", 0))["finish"] == ""
    for name, words in {
        "typed": "'tokens'",
        "bomb": "unpacked",
        "same": "at most",
        "cut": "does not hold rollouts",
        "other": "another version",
    }.items():
        with pytest.raises(Problem, match=words):
            runs.rollout(name, Place("step-000001", 0))


def test_media_outside_are_not_shown(tmp_path: Path) -> None:
    """A run whose questions' file names a picture elsewhere, and one whose question is no longer the data's."""
    write_image(tmp_path / "private.png", np.zeros((8, 8, 3), np.uint8))
    root = tmp_path / "runs"
    sly = Sample("sly", "spatial_grounding", "image", "Find it.", BOX, media=("../../../private.png",))
    write_run(root / "rl", [[row(sly, SAID.format(BOX)), row(DISC, BOX)]], [sly, DISC])
    runs = Runs(root, Limits())
    assert runs.sample("rl", runs.rollout("rl", Place("step-000001", 0))) is None
    other = row(DISC, BOX) | {"question": "Find the square."}
    assert runs.sample("rl", other) is None
    assert quote(str(root)) not in str(runs.listed())
