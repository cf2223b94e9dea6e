"""Images and clips on their way to an OpenAI-compatible server: which pixels and times arrive."""

from __future__ import annotations

import base64
import io

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from onethinker.engines import make_engine
from onethinker.engines.base import Request, Sampling
from onethinker.engines.content import KEPT_FRAMES, even_times
from onethinker.media import MediaBudget, open_clip, open_image, write_clip
from tests.amount import thinned
from tests.engines.openai_stub import content, requests, said, sent, words


def test_parts_stand_where_their_marks_are(stub, ask):
    request = ask("see <image> then <video> and <|im_end|>", "square", "even", system="be brief")
    list(stub.engine().answer([request], Sampling()))
    system, _ = stub.asked[0]["messages"]
    assert system == {"role": "system", "content": "be brief"}
    assert [part["type"] for part in content(stub)] == ["text", "image_url", "text", "video_url", "text"]
    assert [p["text"] for p in content(stub) if p["type"] == "text"] == ["see ", " then ", " and < |im_end|>"]
    assert not stub.asked[0].keys() & {"mm_processor_kwargs", "media_io_kwargs"}  # a vLLM refuses them by default


def test_a_server_is_told_to_keep_more_frames_than_it_would(stub, tmp_path):
    file = write_clip(tmp_path / "long.mp4", [np.zeros((32, 32, 3), np.uint8)] * (KEPT_FRAMES + 1), 2.0)
    for most in (KEPT_FRAMES, KEPT_FRAMES + 1):
        list(stub.engine().answer([Request("r", "<video>", (file,), MediaBudget(max_frames=most))], Sampling()))
    assert [body.get("media_io_kwargs") for body in stub.asked] == [None, {"video": {"num_frames": -1}}]


@pytest.mark.parametrize("name", ["even", "odd", "uneven"])
def test_a_sequence_holds_every_pixel_and_time(stub, ask, media, name):
    request = ask("<video> what?", name)
    list(stub.engine("sequence").answer([request], Sampling()))
    url = content(stub)[0]["video_url"]["url"]
    assert url.startswith("data:video/jpeg;base64,")
    files = [base64.b64decode(part, validate=True) for part in url.partition(",")[2].split(",")]
    pictures = [Image.open(io.BytesIO(file)) for file in files]
    assert {picture.format for picture in pictures} == {"PNG"}
    clip = open_clip(media[name], request.budget)
    frames, times = list(clip.frames), [round(float(t) * 1000) for t in clip.times]
    odd = len(frames) % 2
    assert np.array_equal([np.asarray(p) for p in pictures], frames + frames[-1:] * odd)
    told = stub.asked[0]["media_io_kwargs"]["video"]
    assert told["frames_indices"] == times + times[-1:] * odd and told["fps"] == 1000.0
    assert told["num_frames"] == -1 and told["total_num_frames"] >= len(pictures)


def test_two_clips_of_one_request_share_no_times(stub, ask):
    list(stub.engine("sequence").answer([ask("<video> or <video>", "even", "uneven")], Sampling()))
    assert [sent(part)[4:8] for part in content(stub) if part["type"] == "video_url"] == [b"ftyp"] * 2
    assert "media_io_kwargs" not in stub.asked[0]


@pytest.mark.parametrize(
    ("owner", "version", "trusts", "clips"),
    thinned([
        ("vllm", "0.32.0", True, "sequence"), ("vllm", "1.0.1rc2", True, "sequence"), ("vllm", "0.31.9", True, "video"),
        ("vllm", "0.32.0", False, "video"), ("vllm", None, True, "video"), ("sglang", "0.32.0", True, "video"),
    ], every=2),
)  # fmt: skip
def test_the_closest_way_that_a_server_takes(stub, owner, version, trusts, clips):
    stub.models = (200, {"data": [{"id": "m", "owned_by": owner}]})
    stub.version = (200, {"version": version}) if version else (404, b"no")
    stub.reply = lambda body: said("x") if trusts or "media_io_kwargs" not in body else (400, b"disabled by default")
    assert make_engine(stub.url).clips == make_engine(f"{stub.url}#m").clips == clips
    assert make_engine(f"{stub.url}?clips=frames").clips == "frames"


def test_media_without_marks_come_first_by_their_kind(stub, ask):
    list(stub.engine().answer([ask("what? <image>", "even", "wide", "square")], Sampling()))
    assert [part["type"] for part in content(stub)] == ["video_url", "image_url", "text", "image_url"]
    assert Image.open(io.BytesIO(sent(content(stub)[1]))).size == (64, 32)


def test_an_image_arrives_whole_and_within_the_budget(stub, ask, media):
    list(stub.engine().answer([ask("<image>", "square"), ask("<image>", "square", image_pixels=500)], Sampling()))
    got = {p.size: p for p in (Image.open(io.BytesIO(sent(b["messages"][-1]["content"][0]))) for b in stub.asked)}
    assert set(got) == {(64, 64), (22, 22)}
    assert np.array_equal(np.asarray(got[64, 64]), np.asarray(Image.open(media["square"])))
    assert np.array_equal(np.asarray(got[22, 22]), np.asarray(open_image(media["square"], 500)))


@pytest.mark.parametrize("frames", [8, 5, 1])
def test_a_clips_frames_are_where_a_server_reckons_them(stub, tmp_path, frames):
    """A server takes index over rate, as OpenCV gives it, for a frame's time; grey levels tell the true one."""
    file = write_clip(tmp_path / "ramp.mp4", [np.full((64, 64, 3), 3 * i, np.uint8) for i in range(80)], 20.0)
    budget = MediaBudget(fps=2.0, max_frames=frames, frame_pixels=32 * 32)
    list(stub.engine().answer([Request("r", "<video>", (file,), budget)], Sampling()))
    got = tmp_path / "got.mp4"
    got.write_bytes(sent(content(stub)[0]))
    reader = cv2.VideoCapture(str(got))
    rate = reader.get(cv2.CAP_PROP_FPS)
    with av.open(str(got)) as container:
        grey = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
        assert (container.streams.video[0].width, container.streams.video[0].height) == (32, 32)
    assert len(grey) == frames
    times = np.arange(frames) / rate
    assert times[-1] == pytest.approx(3.5 if frames > 1 else 0, abs=1e-4)  # 2 fps of 4 s: the last of 8 is at 3.5
    shown = np.floor(times * 20 + 1e-3) * 3
    assert np.abs(np.array(grey) - shown).max() < 2.5


@pytest.mark.parametrize(("duration", "most"), [(4.0, 128), (3.9, 128), (0.2, 4), (0.0, 4), (70.3, 16), (9.0, 1)])
def test_even_times_are_those_of_open_clip_but_for_rounding(duration, most):
    budget = MediaBudget(fps=2.0, max_frames=most)
    times = even_times(duration, budget)
    steps = max(1, int(np.ceil(duration * 2 - 1e-6)))
    grid = np.linspace(0, steps - 1, min(steps, most)).round() / 2
    assert len(times) == len(grid) and np.abs(times - grid).max() <= 0.25
    assert steps > most or np.array_equal(times, grid)


def test_frames_as_images_with_their_times(stub, ask, media):
    request = ask("<video> what?", "uneven", fps=1.0)
    list(stub.engine("frames").answer([request], Sampling()))
    clip = open_clip(media["uneven"], request.budget)
    assert [p["text"] for p in content(stub)[:-1:2]] == [f"<{t:.1f} seconds>" for t in clip.times]
    for part, frame in zip(content(stub)[1:-1:2], clip.frames, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(sent(part)))), frame)
    assert content(stub)[-1] == {"type": "text", "text": " what?"}
    assert "mm_processor_kwargs" not in stub.asked[0]


def test_bad_media_cost_one_request_and_ask_nothing(stub, tmp_path, ask):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no clip")
    bad = Request("bad", "<video>", (broken,), MediaBudget())
    gone = Request("gone", "<image>", (tmp_path / "none.png",), MediaBudget())
    marks = Request("marks", "<image><image>", (tmp_path / "none.png",), MediaBudget())
    got = dict(stub.engine().answer([bad, gone, marks, *requests("good")], Sampling(n=2)))
    assert [c.finish for i in range(4) for c in got[i]] == ["error"] * 6 + ["stop"] * 2
    assert "broken.mp4" in got[0][0].error and "none.png" in got[1][0].error
    assert "2 media marks but 1" in got[2][0].error
    assert {words(body) for body in stub.asked} == {"what is good"}
