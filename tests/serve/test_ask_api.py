"""Our own paths: what is asked and answered, streamed, kept and drawn."""

from __future__ import annotations

import base64
import io
import json
import time

import numpy as np
import pytest
from PIL import Image

from onethinker.engines.scripted import ScriptedEngine
from onethinker.inference import Model
from onethinker.media import MediaBudget, probe, write_image
from onethinker.tasks import TASKS
from onethinker.tasks.prompts import load_prompts
from onethinker.tools import make_tools
from onethinker.tools.engine import ToolEngine
from tests.serve.conftest import detail, scripted_model
from tests.tools.conftest import call


def data_url(file, kind="image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode()}"


def test_words_alone(client):
    told = client.post("/v1/ask", json={"question": "how are you"}).json()
    assert told["result"]["answer"] == "fine 0" and told["result"]["thinking"] == "0 media."
    assert told["result"]["task"] == "open_ended" and told["result"]["schema"] == "onethinker.result"
    assert told["finish"] == "stop" and told["media"] == [] and told["drawing"] == ""
    assert told["usage"]["total_tokens"] == told["usage"]["prompt_tokens"] + told["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("form", [False, True])
def test_a_box_on_a_picture_is_the_librarys_record(client, media, form):
    asked = {"question": "the disc", "task": "spatial_grounding"}
    if form:
        reply = client.post("/v1/ask", data=asked, files={"media": ("../../etc/x.html", media["wide"].read_bytes())})
    else:
        reply = client.post("/v1/ask", json=asked | {"media": [data_url(media["wide"])]})
    assert reply.status_code == 200, reply.text
    told = reply.json()
    ours = scripted_model().ask(media["wide"], "the disc", task="spatial_grounding").record()
    ours["media"][0]["name"] = ""
    assert told["result"] == ours
    assert told["result"]["boxes"][0]["pixels"] == [6.4, 6.4, 32.0, 19.2]


def test_a_path_a_verb(client, media):
    picture = {"media": ("x", media["square"].read_bytes())}
    told = client.post("/v1/ground", data={"question": "the disc"}, files=picture).json()
    assert told["result"]["task"] == "spatial_grounding" and told["result"]["value"] == [100, 200, 500, 600]
    assert client.post("/v1/caption", files=picture).json()["result"]["question"] == "Describe the picture."
    clip = {"media": ("x", media["even"].read_bytes())}
    reply = client.post("/v1/ground_time", data={"question": "it moves"}, files=clip)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert told["result"]["value"] == [0.5, 1.0] and told["result"]["media"][0]["frames"] == 6
    assert (
        client.post("/v1/segment", data={"question": "q"}, files=clip).json()["result"]["task"] == "video_segmentation"
    )
    assert (
        client.post("/v1/segment", data={"question": "q"}, files=picture).json()["result"]["task"]
        == "image_segmentation"
    )
    assert "leave it out" in detail(client.post("/v1/ocr", json={"task": "caption"}), 422)


def test_the_tasks(client):
    told = {task["name"]: task for task in client.get("/v1/tasks").json()["tasks"]}
    assert list(told) == list(TASKS)
    assert told["tracking"]["verb"] == "/v1/track" and told["tracking"]["takes"] == ["video"]
    assert told["multiple_choice"]["verb"] == ""


def events(reply) -> list[tuple[str, dict]]:
    assert reply.headers["content-type"].startswith("text/event-stream"), reply.text
    blocks = [block.split("\n") for block in reply.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def test_a_streamed_answer(client):
    told = events(client.post("/v1/ask", json={"question": "how are you", "stream": True}))
    assert [name for name, _ in told] == ["start", "delta", "result"]
    assert told[1][1]["text"] == "<think>0 media.</think><answer>fine 0</answer>"
    result = told[2][1]
    assert result["id"] == told[0][1]["id"] and result["result"]["answer"] == "fine 0"
    again = client.get(f"/v1/results/{result['id']}").json()
    assert again == result
    failed = events(client.post("/v1/ask", json={"question": "refuse me", "stream": True}))
    assert [name for name, _ in failed] == ["start", "problem"] and failed[1][1]["status"] == 422
    assert "task" in detail(client.post("/v1/ask", json={"question": "q", "task": "ocrr", "stream": True}), 422)


def test_a_result_is_kept_drawn_and_forgotten(client, media):
    picture = {"media": ("x", media["square"].read_bytes())}
    told = client.post("/v1/ground", data={"question": "the disc"}, files=picture).json()
    drawn = client.get(told["drawing"])
    plain = client.get(told["media"][0])
    assert drawn.headers["content-type"] == plain.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(plain.content)).tobytes() == Image.open(media["square"]).convert("RGB").tobytes()
    assert Image.open(io.BytesIO(drawn.content)).convert("RGB").tobytes() != Image.open(media["square"]).tobytes()
    assert detail(client.get(f"/v1/results/{told['id']}/media/1"), 404)
    assert client.delete(f"/v1/results/{told['id']}").status_code == 204
    assert "ask again" in detail(client.get(told["drawing"]), 404)


def test_a_clips_drawing_is_a_clip(client, media, tmp_path):
    clip = {"media": ("x", media["even"].read_bytes())}
    reply = client.post("/v1/ground_time", data={"question": "it moves"}, files=clip)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    (tmp_path / "drawn.mp4").write_bytes(client.get(told["drawing"]).content)
    assert probe(tmp_path / "drawn.mp4").frames == 6


def test_the_oldest_results_make_room(make_client):
    client = make_client(limits={"results": 2})
    ids = [client.post("/v1/ask", json={"question": "how are you"}).json()["id"] for _ in range(3)]
    assert [client.get(f"/v1/results/{id}").status_code for id in ids] == [404, 200, 200]


def test_results_expire(make_client):
    client = make_client(limits={"result_seconds": 0.05})
    told = client.post("/v1/ask", json={"question": "how are you"}).json()
    folder = client.app.app.state.service.store.root
    assert folder.stat().st_mode & 0o777 == 0o700
    time.sleep(0.1)
    assert detail(client.get(f"/v1/results/{told['id']}"), 404)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "question: expected what is asked or looked for"),
        ({"question": 5}, 422, "question: "),
        ({"question": "q", "colour": "red"}, 422, "colour: "),
        ({"question": "q", "task": "trackin"}, 422, "'tracking'"),
        ({"question": "q", "task": "tracking"}, 422, "takes video, came text"),
        ({"question": "q" * 2001}, 413, "at most 2,000"),
        ({"question": "q", "max_tokens": 101}, 422, "at most 100"),
        ({"question": "q", "temperature": 3}, 422, "temperature: "),
        ({"question": "q", "media": ["data:image/png,abc"]}, 422, "media[0]: expected data:image/png;base64"),
        ({"question": "q", "media": ["data:image/png;base64,@@@"]}, 422, "its base64 is damaged"),
        ({"question": "q", "media": ["/etc/passwd"]}, 403, "this server opens none"),
        ({"question": "q", "media": ["file:///etc/passwd"]}, 403, "expected a data URL or an http"),
        ({"question": "q", "media": ["http://example.org/a.png"]}, 403, "'example.org'"),
        ({"question": "q", "media": ["data:,"] * 4}, 413, "at most 3"),
        ({"question": "<image> <image>"}, 200, ""),
        ({"question": "refuse me"}, 422, "told to fail"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(client, body, status, words):
    reply = client.post("/v1/ask", json=body)
    if status == 200:
        assert reply.status_code == 200
    else:
        assert words in detail(reply, status)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400), (b"", "application/json", 400), (b"[" * 100_000, "application/json", 400),
        (b'"\xff"', "application/json", 400), (b"{}", "text/plain", 415), (b"{}", "", 415),
        (b"not a form", "multipart/form-data", 400), (b"not a form", "multipart/form-data; boundary=x", 400),
        (b"[]", "application/json", 422), (b'{"seed": 1e999}', "application/json", 422),
    ],
)  # fmt: skip
def test_bodies_that_cannot_be_read(client, content, kind, status):
    headers = {"content-type": kind} if kind else {}
    detail(client.post("/v1/ask", content=content, headers=headers), status)


def test_paths_and_methods_that_there_are_not(client):
    assert "no such path" in detail(client.get("/v1/nothing"), 404)
    detail(client.get("/v1/ask"), 405)
    assert client.get("/v1/results/x/media/-1").status_code == 404


def test_no_upload_is_left_behind(client, media):
    store = client.app.app.state.service.store
    before = len(list(store.root.iterdir()))
    detail(client.post("/v1/ask", data={"question": "refuse me"}, files={"media": media["square"].read_bytes()}), 422)
    assert len(list(store.root.iterdir())) == before == len(store)


def test_metrics_and_health(client):
    client.post("/v1/ask", json={"question": "how are you"})
    client.get("/v1/results/secret-path")
    page = client.get("/metrics").text
    for line in (
        'onethinker_answer_seconds_count{task="open_ended"}',
        "onethinker_batch_size_count",
        'onethinker_tokens_total{kind="answer",task="open_ended"}',
        "onethinker_queue 0.0",
        'onethinker_requests_total{path="/v1/ask",status="200"}',
        'onethinker_errors_total{status="404"}',
    ):
        assert line in page
    assert "secret-path" not in page
    assert client.get("/healthz").json() == {"status": "ok"}
    told = client.get("/readyz").json()
    way = {"batching": "between batches", "waiting": 0}
    assert told == {"status": "ok", "model": "mini", "models": ["mini"]} | way


def test_the_openapi_names_every_path_and_an_example(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/v1/ask", "/v1/track", "/v1/tasks", "/v1/chat/completions", "/healthz", "/metrics"} <= set(paths)
    body = paths["/v1/ask"]["post"]["requestBody"]["content"]
    assert body["application/json"]["examples"]["picture"]["value"]["task"] == "spatial_grounding"
    assert body["multipart/form-data"]["schema"]["properties"]["media"]["items"]["format"] == "binary"
    assert paths["/v1/ask"]["post"]["responses"]["429"]["content"]["application/problem+json"]


def test_turns_come_with_their_pictures(make_client, media) -> None:
    engine = ScriptedEngine(
        lambda request, _: (
            "<think>t</think><answer>red</answer>" if request.turns else call("zoom", box=[0, 0, 500, 500])
        )
    )
    model = Model(ToolEngine(engine, make_tools(["zoom"])), load_prompts("short"), MediaBudget(), 64)
    client = make_client(model, name="tools")
    told = client.post(
        "/v1/ask", data={"question": "Which?", "task": "ocr"}, files={"media": media["square"].read_bytes()}
    ).json()
    (turn,) = told["result"]["turns"]
    assert turn["tool"] == "zoom" and told["result"]["answer"] == "red"
    assert Image.open(io.BytesIO(base64.b64decode(turn["response"][0]["png"]))).width == 256  # 32 pixels, enlarged
    assert client.get(f"/v1/results/{told['id']}").json()["result"] == told["result"]
    assert client.get(told["drawing"]).status_code == 200


def test_a_chat_is_the_models_own_turn(make_client) -> None:
    """The client answers the call: what came back to a call answered here would be nowhere to be seen."""
    said = call("zoom", box=[0, 0, 500, 500])
    engine = ScriptedEngine(lambda request, _: "<answer>red</answer>" if request.turns else said)
    model = Model(ToolEngine(engine, make_tools(["zoom"])), load_prompts("short"), MediaBudget(), 64)
    client = make_client(model, name="tools")
    body = {"model": "tools", "messages": [{"role": "user", "content": "Which?"}]}
    assert client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["content"] == said
    told = client.post("/v1/ask", json={"question": "Which?"}).json()["result"]
    assert told["answer"] == "red" and told["turns"][0]["failed"]


def test_turns_may_be_megabytes_and_are_held_on_the_disk(make_client, tmp_path) -> None:
    """A decoder's reply is bounded, and what is held counts to `result_bytes`."""
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    file = write_image(tmp_path / "noise.png", noise)
    engine = ScriptedEngine(lambda request, _: SEGMENTED if request.turns else call("zoom", box=[0, 0, 1000, 1000]))
    model = Model(ToolEngine(engine, make_tools(["zoom"])), load_prompts("short"), MediaBudget(), 64)
    client = make_client(model, name="tools")
    data = {"question": "the disc", "task": "image_segmentation"}
    told = client.post("/v1/ask", data=data, files={"media": file.read_bytes()}).json()
    (turn,) = told["result"]["turns"]
    assert told["result"]["status"] == "ok" and told["result"]["masks"]
    kept = client.app.app.state.service.store.get(told["id"])
    assert kept.told["turns"] == [] and kept.size > len(turn["response"][0]["png"]) > 1 << 20
    assert client.get(f"/v1/results/{told['id']}").json() == told
    assert client.get(told["drawing"]).status_code == 200


SEGMENTED = (
    '<think>t</think><answer>{"boxes":[100,100,900,900],"positive_points":[[500,500],[400,400],[600,600]],'
    '"negative_points":[[20,20],[30,30],[40,40]]}</answer>'
)
