"""What strangers send: hostile media cost one request each; paths, names and folders stay ours."""

from __future__ import annotations

import asyncio
import io
import sys

import pytest
from PIL import Image

from onethinker.serve.decoders import Decoders
from onethinker.serve.limits import Limits
from onethinker.serve.problems import Problem
from tests.serve import hostile
from tests.serve.conftest import detail

SLOW = ("PNG whose data go on", "PNG with 500 MB", "GIF of 2,500", "zip bomb", "GIF of 30,000")
QUICK = [trial for trial in hostile.media() if not trial[0].startswith(SLOW)]


@pytest.fixture(scope="module")
def bounded(make_client):
    return make_client(
        limits={"pixels": 1_000_000, "media_bytes": 4 << 20, "frames": 2_000, "decode_seconds": 10.0,
                "decode_bytes": 1 << 29}
    )  # fmt: skip


def check(client, name, content, statuses):
    reply = client.post("/v1/ask", data={"question": "what is it?"}, files={"media": ("../x.svg", content)})
    assert reply.status_code in statuses, f"{name}: {reply.status_code} {reply.text}"
    if reply.status_code != 200:
        words = detail(reply, reply.status_code)
        assert words.startswith("media[0]: ") and "onethinker-serve" not in words and "Traceback" not in words, words


@pytest.mark.parametrize(("name", "content", "statuses"), QUICK, ids=[trial[0] for trial in QUICK])
def test_hostile_media(bounded, name, content, statuses):
    check(bounded, name, content, statuses)


@pytest.mark.slow
def test_bombs(bounded):
    for name, content, statuses in hostile.media():
        if name.startswith(SLOW):
            check(bounded, name, content, statuses)
    assert bounded.get("/readyz").status_code == 200


def test_after_all_of_them_a_picture_is_still_read_and_nothing_lies_about(bounded, media):
    reply = bounded.post("/v1/ask", data={"question": "q"}, files={"media": media["square"].read_bytes()})
    assert reply.status_code == 200
    store = bounded.app.app.state.service.store
    assert {folder.name for folder in store.root.iterdir()} == set(store._kept)


def test_files_have_no_names_of_the_clients(bounded, media):
    names = ("../../../tmp/owned.png", "/etc/cron.d/x", "a\0b.png", "x" * 500, "con.svg")
    for name in names:
        files = {"media": (name.replace("\0", "%00"), media["square"].read_bytes())}
        reply = bounded.post("/v1/ask", data={"question": "q"}, files=files)
        assert reply.status_code == 200, reply.text
        told = reply.json()
        folder = bounded.app.app.state.service.store.get(told["id"]).folder
        assert sorted(file.name for file in folder.iterdir()) == ["0.exact.ppm", "0.upload", "answer.json"]
        assert told["result"]["media"][0]["name"] == ""


def test_a_picture_turned_by_its_exif_is_upright_in_pixels_and_drawing(bounded):
    made, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20), "red").save(made, "JPEG", exif=exif)
    told = bounded.post("/v1/ground", data={"question": "the disc"}, files={"media": made.getvalue()}).json()
    assert (told["result"]["media"][0]["width"], told["result"]["media"][0]["height"]) == (20, 40)
    width, height = Image.open(io.BytesIO(bounded.get(told["drawing"]).content)).size
    assert width < height


@pytest.mark.parametrize(
    "path",
    ["../secret.png", "/etc/passwd", "a/../../secret.png", "link.png", "", ".", "nothing.png", "a\0.png", "folder"],
)
def test_paths_stay_under_the_media_root(make_rooted, path):
    words = detail(make_rooted.post("/v1/ask", json={"question": "q", "media": [path]}), 404)
    assert words == "media[0]: no such file under the media root"


@pytest.fixture(scope="module")
def make_rooted(make_client, tmp_path_factory, media):
    outside = tmp_path_factory.mktemp("outside")
    root = outside / "root"
    (root / "folder").mkdir(parents=True)
    for file in (outside / "secret.png", root / "folder" / "good.png"):
        file.write_bytes(media["square"].read_bytes())
    (root / "link.png").symlink_to(outside / "secret.png")
    return make_client(media_root=root)


def test_a_file_under_the_media_root_is_opened_and_stays(make_rooted):
    told = make_rooted.post("/v1/ask", json={"question": "q", "media": ["folder/good.png"]}).json()
    assert make_rooted.get(told["media"][0]).status_code == 200
    assert make_rooted.delete(f"/v1/results/{told['id']}").status_code == 204
    assert make_rooted.post("/v1/ask", json={"question": "q", "media": ["folder/good.png"]}).status_code == 200


def lost(job, **limits):
    async def run():
        decoders = Decoders(Limits(decoders=1, **limits))
        try:
            with pytest.raises(Problem) as told:
                await decoders.run(job, "media[0]")
            decoders.limits = Limits(decoders=1)  # how busy the machine is decides nothing
            fine = await decoders.run({"do": "record", "told": TOLD, "media": [], "files": []}, "media")
            assert fine["record"]["answer"] == "A"
            return told.value, decoders.replaced
        finally:
            await decoders.close()

    return asyncio.run(run())


TOLD = {"task": "multiple_choice", "modality": "text", "question": "q", "options": ["A. x"], "meta": {},
        "response": "<think>x</think><answer>A</answer>", "finish": "stop", "model": "m", "tokens": 1,
        "seconds": 0.0, "turns": []}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the bound on memory is Linux's")
def test_a_decoder_that_needs_too_much_memory_time_or_dies_is_replaced(tmp_path):
    big = tmp_path / "big.png"
    Image.new("RGB", (6000, 6000)).save(big)
    job = {"do": "prepare", "file": str(big), "out": str(tmp_path / "o"), "kind": "any", "budget": {}, "pixels": 10**9,
           "frames": 10, "seconds": 10}  # fmt: skip
    problem, _ = lost(dict(job), decode_bytes=64 << 20)
    assert problem.status == 413 and "64 MiB" in problem.detail
    problem, replaced = lost(dict(job), decode_seconds=0.3)
    assert problem.status == 413 and "more than 0.3 s" in problem.detail and replaced == 1
    problem, replaced = lost({"do": "prepare", "file": "\0"})
    assert problem.status == 422
