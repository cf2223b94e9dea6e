"""The verbs: which task each asks, of which media, one by one and in batches."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from onethinker.engines.scripted import ScriptedEngine
from onethinker.inference import Model
from onethinker.media import MediaBudget, MediaError, probe
from onethinker.sample.answer import Status
from onethinker.tasks.prompts import load_prompts

POINTS = '"positive_points": [[3, 3], [3, 4], [5, 5]], "negative_points": [[9, 9], [90, 9], [9, 90]]'
CALLS = {
    "query": (("square",), ("What is it?",), "open_ended", "What is it?"),
    "caption": (("square",), (), "caption", "Describe the picture."),
    "ocr": (("square",), (), "ocr", "What does the text say?"),
    "detect": (("square",), (["disc", "ring"],), "detection", "disc, ring"),
    "point": (("square",), ("the discs",), "pointing", "the discs"),
    "ground": (("square",), ("the disc",), "spatial_grounding", "the disc"),
    "ground_time": (("even",), ("it moves",), "temporal_grounding", "it moves"),
    "ground_tube": (("even",), ("it moves",), "spatial_temporal_grounding", "it moves"),
    "track": (("even",), ([10, 20.4, 30, 40],), "tracking", "Given the bounding box [10, 20, 30, 40] of the target"),
    "segment": (("square",), ("the disc",), "image_segmentation", "Please segment the disc."),
}


@pytest.mark.parametrize("verb", CALLS)
def test_each_verb_asks_its_task(verb, model_saying, media):
    (name,), words, task, question = CALLS[verb]
    result = getattr(model_saying("<think>.</think><answer>x</answer>"), verb)(media[name], *words)
    assert result.task == task and result.question.startswith(question)
    assert result.media == (media[name].resolve(),) and result.names == (media[name].name,)


def test_what_a_verb_does_not_take_is_refused(model_saying, media):
    model = model_saying("")
    with pytest.raises(MediaError, match=r"spatial_grounding takes a picture; even\.mp4 is a clip"):
        model.ground(media["even"], "the disc")
    with pytest.raises(MediaError, match=r"tracking takes a clip; square\.png is a picture"):
        model.track(media["square"], [0, 0, 10, 10])
    with pytest.raises(MediaError, match=r"expected \[x1, y1, x2, y2\], each 0 to 1000"):
        model.track(media["even"], [0, 0, 1200, 10])
    with pytest.raises(MediaError, match="expected what to look for"):
        model.ground(media["square"])
    with pytest.raises(MediaError, match="is no medium; expected a path"):
        model.query([3], "What?")


def test_media_of_every_form_reach_the_engine(model_saying, media):
    model = model_saying("<think>.</think><answer>yes</answer>")
    png, mp4 = media["square"].read_bytes(), media["even"].read_bytes()
    gif = BytesIO()
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "green", "blue", "white")]
    frames[0].save(gif, "GIF", save_all=True, append_images=frames[1:], duration=250)
    forms = [(str(media["square"]), "image"), (png, "image"), (np.zeros((8, 8), np.uint8), "image"),
             (frames[0], "image"), (mp4, "video"), (gif.getvalue(), "video")]  # fmt: skip
    for given, modality in forms:
        assert model.query(given, "Is it?").sample.modality == modality
    for given in (frames, np.stack([np.asarray(frame) for frame in frames])):
        result = model.query(given, "Is it?", fps=2)
        assert result.sample.modality == "video"
        assert probe(result.media[0]).duration == pytest.approx(2.0)
    with pytest.raises(MediaError, match="say how many a second they are, fps="):
        model.query(np.zeros((4, 8, 8, 3), np.uint8), "Is it?")
    with pytest.raises(MediaError, match="frames of one size, found 32×32 and 40×30"):
        model.query([frames[0], Image.new("RGB", (32, 32))], "Is it?", fps=2)
    with pytest.raises(MediaError, match="fps=2 goes with a list of frames"):
        model.query(png, "Is it?", fps=2)
    with pytest.raises(MediaError, match="0 bytes; expected a whole picture or clip"):
        model.query(b"", "Is it?")


def test_a_batch_comes_as_it_is_answered_and_a_fault_costs_one(media, tmp_path):
    class Backwards(ScriptedEngine):
        def answer(self, requests, sampling):
            yield from reversed(list(super().answer(requests, sampling)))

    engine = Backwards(lambda request, index: f"<think>.</think><answer>{request.text[:60]}</answer>")
    model = Model(engine, load_prompts("short"), MediaBudget(), max_tokens=50)
    given = [media["square"], (media["wide"], "the ring"), tmp_path / "gone.png", media["even"]]
    results = list(model.query([(m, "What?") for m in (media["square"], media["wide"])]))
    assert [(r.index, r.media[0].name) for r in results] == [(1, "wide.png"), (0, "square.png")]
    results = {r.index: r for r in model.ground(given, "the disc")}
    assert {n: r.question for n, r in results.items()} == {0: "the disc", 1: "the ring", 2: "the disc", 3: "the disc"}
    assert [results[n].status for n in range(4)] == [Status.MALFORMED, Status.MALFORMED, Status.ERROR, Status.ERROR]
    assert "gone.png" in results[2].problem and "takes a picture" in results[3].problem
    assert list(model.query([])) == []
    with pytest.raises(MediaError, match="entry 0 of the list has no words"):
        model.ground([media["square"]])


def test_a_batch_is_told_of_a_failed_answer(model_saying, media):
    (result,) = model_saying("", fail=["0"]).caption([media["square"]])
    assert result.status is Status.ERROR and result.problem.endswith("told to fail") and result.value is None


def test_segment_takes_the_task_of_its_medium(model_saying, media):
    text = '<think>.</think><answer>{"time": 0.5, "boxes": [200, 200, 700, 700], ' + POINTS + "}</answer>"
    result = model_saying(text).segment(media["even"], "the disc")
    assert result.task == "video_segmentation" and result.ok
    assert result.masks.label == "the disc" and result.masks.data.shape[1:] == (32, 32)
