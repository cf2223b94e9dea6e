"""Tools and several answers through the library: what a result holds, says and writes."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from onethinker.engines.base import Turn
from onethinker.engines.scripted import ScriptedEngine
from onethinker.inference import Model, Question
from onethinker.inference.record import read_turn
from onethinker.inference.rows import Row, row_key
from onethinker.inference.transcript import SIDE, SMALL
from onethinker.media import MediaBudget
from onethinker.segment import Segmenter
from onethinker.tasks.prompts import load_prompts
from onethinker.tools import make_tools
from onethinker.tools.engine import ToolEngine
from tests.tools.conftest import call

PICTURE = Image.new("RGB", (64, 64), "red")
DONE = "<think>t</think><answer>red</answer>"


def model(engine, **fields) -> Model:
    return Model(engine, load_prompts("short"), MediaBudget(), 64, **fields)


def test_a_result_holds_its_turns(tmp_path) -> None:
    zoom = call("zoom", box=[0, 0, 500, 500])
    engine = ScriptedEngine(lambda request, _: DONE if request.turns else zoom)
    result = model(ToolEngine(engine, make_tools(["zoom"]))).ask(PICTURE, "Which colour?", task="ocr")
    assert result.value == "red" and result.agreement is None
    (turn,) = result.record()["turns"]
    assert turn["tool"] == "zoom" and turn["text"] == zoom and not turn["failed"]
    (file,) = result.save_turns(tmp_path / "turns")
    assert base64.b64decode(turn["response"][0]["png"]) == file.read_bytes()
    assert Image.open(file).getpixel((0, 0)) == (255, 0, 0)
    drawn = Image.open(tmp_path / "turns" / "transcript.png").convert("RGB")
    reds = sum(pixel == (255, 0, 0) for pixel in drawn.getdata())
    assert drawn.width == 860 and reds > 2 * 290**2  # the picture, and the region that zoom gave back
    assert read_turn(turn) == result.turns[0]


def test_passages_are_drawn_and_times_stand_below_their_frames(tmp_path) -> None:
    def drawn(*response) -> Image.Image:
        engine = ScriptedEngine(lambda request, _: DONE)
        result = model(engine).ask(PICTURE, "Which colour?", task="ocr")
        return replace(
            result, turns=(Turn("<think>x</think>" + call("look", start=0, end=1), response, "look"),)
        ).transcript()

    none, passage = drawn(""), drawn("[a#1] " + "words " * 60)
    assert passage.height > none.height + 60
    one, two = drawn("<1.0 seconds>", _png()), drawn("<1.0 seconds>", _png(), "<2.0 seconds>", _png())
    assert one.height - two.height == SIDE - SMALL


def _png() -> bytes:
    made = io.BytesIO()
    PICTURE.save(made, "PNG")
    return made.getvalue()


def test_of_several_answers_the_agreed_one() -> None:
    said = ["A", "B", "nothing of it", "B"]
    engine = ScriptedEngine(lambda request, i: f"<think>t</think><answer>{said[i]}</answer>")
    asked = model(engine, samples=4)
    result = asked.ask(PICTURE, "Which?", options=["A. red", "B. green"])
    assert result.value == "B" and result.agreement == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="1 or more"):
        model(engine, samples=0)


def test_what_turns_the_reading_direction_is_spelled_out_in_the_drawing() -> None:
    """A passage is drawn in the order of its letters, and none of them stops the drawing."""

    def drawn(*words: str) -> list[bytes]:
        result = model(ScriptedEngine(lambda request, _: DONE)).ask(None, "?", task="ocr")
        return [replace(result, turns=(Turn("x", (w,), "search"),)).transcript().tobytes() for w in words]

    turned, spelled = drawn("[a] \u202eabc \x07", "[a] \\u202eabc \\x07")
    assert turned == spelled and drawn("\ud800")


def test_rows_are_answered_anew_with_another_number_of_samples() -> None:
    one, eight, again = (
        row_key(model(ScriptedEngine({}), samples=n), Row("r", Question(None, "?"))) for n in (1, 8, 1)
    )
    assert one == again != eight


def test_what_could_not_be_asked_has_no_vote() -> None:
    def script(request, i: int) -> str:
        if i == 0:
            raise ValueError("a tool failed")
        return f"<think>t</think><answer>{'?ABB'[i]}</answer>"

    result = model(ScriptedEngine(script), samples=4).ask(PICTURE, "Which?", options=["A. red", "B. green"])
    assert result.value == "B" and result.agreement == pytest.approx(1 / 2)


class Filled(Segmenter):
    """The whole box, whatever is in it."""

    identity = "filled"
    step = 1.0

    def segment_image(self, image, box, positive, negative):
        width, height = image.size
        x1, x2 = (round(x * width / 1000) for x in (box[0], box[2]))
        mask = np.zeros((height, width), bool)
        mask[:, x1:x2] = True
        return mask

    def start(self, frame, prompt, before, after):
        raise NotImplementedError


def test_a_mask_is_the_majority_of_several(monkeypatch) -> None:
    """Pixels that two of three answers' masks hold; of one that has no points there is no mask to count."""
    spans = [(0, 375), (312, 625), (250, 1000), None]

    def script(request, i: int) -> str:
        box = f'"boxes":[{spans[i][0]},0,{spans[i][1]},1000],' if spans[i] else ""
        points = '"positive_points":[[5,5],[6,6],[7,7]],"negative_points":[[9,9],[8,8],[7,9]]'
        return f"<think>t</think><answer>{{{box}{points}}}</answer>"

    monkeypatch.setattr("onethinker.inference.model.make_segmenter", lambda name: Filled())
    result = model(ScriptedEngine(script), samples=4).ask(PICTURE, "the disc", task="image_segmentation")
    held = result.masks.data[0].any(axis=0)
    width = PICTURE.width
    assert len(result.others) == 2
    assert held.tolist() == [0.25 <= x / width < 0.625 for x in range(width)]
    with_mask, plain = result.draw()[0][0], replace(result, others=()).draw()[0][0]
    assert with_mask.tobytes() != plain.tobytes()
