"""Asking one question: the parsed answer, what is wrong with a bad one, and its drawing."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onethinker import inference
from onethinker.engines.base import EngineError
from onethinker.inference import model as model_file
from onethinker.media import MediaError, open_clip, probe
from onethinker.recipes import SHIPPED
from onethinker.recipes.answering import AskedAs
from onethinker.recipes.base import DataConfig
from onethinker.sample import DataError
from onethinker.sample.answer import Status
from onethinker.segment import Segmenter


def said(answer: str, thinking: str = "I look.") -> str:
    return f"<think>{thinking}</think><answer>{answer}</answer>"


def test_a_box_on_a_picture(model_saying, media, tmp_path):
    model = model_saying(said('{"boxes": [100, 200, 500, 600]}'))
    result = model.ask(media["square"], "the disc", task="spatial_grounding")
    assert result.status is Status.OK and result.problem == ""
    assert result.answer.thinking == "I look."
    assert list(result.value) == [100, 200, 500, 600]
    (request,) = model.engine.requests
    assert request.media == (media["square"].resolve(),)
    assert request.text.startswith("<image>") and "the disc" in request.text
    assert request.budget == model.budget
    assert (model.engine.sampling.temperature, model.engine.sampling.max_tokens) == (0.0, 50)
    (picture,), times = result.draw()
    assert times == [0.0]
    plain = Image.open(media["square"]).convert("RGB").resize(picture.size)
    assert np.abs(np.asarray(picture, int) - np.asarray(plain, int)).max() > 50
    file = result.save(tmp_path / "drawn.png")
    assert Image.open(file).size == picture.size


def test_a_span_on_a_clip(model_saying, media, tmp_path):
    result = model_saying(said('{"time": [0.5, 1.0]}')).ask(media["even"], "it moves", task="temporal_grounding")
    assert list(result.value) == [0.5, 1.0]
    frames, times = result.draw()
    assert len(frames) == len(times) == probe(media["even"]).frames, "every frame, at the clip's own rate"
    assert len(open_clip(result.save(tmp_path / "drawn.mp4")).frames) == len(frames)
    assert Image.open(result.save(tmp_path / "drawn.jpg")).size == frames[0].size
    with pytest.raises(MediaError, match=r"drawn\.xyz: drawings are written as"):
        result.save(tmp_path / "drawn.xyz")


def test_several_images_and_options(model_saying, media):
    model = model_saying(said("B"))
    result = model.ask([media["square"], media["wide"]], "Which is wider?", options=["A. first", "B. second"])
    assert (result.sample.task, result.value) == ("multiple_choice", "B")
    (request,) = model.engine.requests
    assert request.text.count("<image>") == 2 and "B. second" in request.text
    placed = model.ask([media["square"], media["wide"]], "Is <image> wider than <image>?", task="open_ended")
    assert placed.sample.modality == "image"
    assert "Is <image> wider than <image>?" in model.engine.requests[0].text
    with pytest.raises(DataError, match="1 <image>/<video> marks for 2 media"):
        model.ask([media["square"], media["wide"]], "Is <image> wide?")


@pytest.mark.parametrize(
    ("names", "modality", "marks"),
    [((), "text", ""), (("even",), "video", "<video>"), (("even", "square"), "video-image", "<video><image>")],
)
def test_modalities(names, modality, marks, model_saying, media):
    model = model_saying(said("yes"))
    result = model.ask([media[n] for n in names], "Is it?")
    assert (result.sample.task, result.sample.modality) == ("open_ended", modality)
    assert model.engine.requests[0].text.startswith(marks + "Is it?")
    if not names:
        assert result.draw() == ([], [])
        with pytest.raises(MediaError, match="nothing to draw on"):
            result.save(Path("x.png"))


@pytest.mark.parametrize(
    ("response", "status"),
    [
        (said("left, I think"), Status.MALFORMED),
        (said('{"boxes": [1, 2, 3]}'), Status.MALFORMED),
        ("<think>I look and look", Status.NO_ANSWER),
        ("word " * 80, Status.TRUNCATED),
        ("", Status.NO_ANSWER),
    ],
)
def test_bad_answers_have_a_status_and_a_picture(response, status, model_saying, media):
    result = model_saying(response).ask(media["square"], "the disc", task="spatial_grounding")
    assert (result.status, result.value) == (status, None)
    assert result.problem
    assert len(result.draw()[0]) == 1


def test_what_cannot_be_asked_raises(model_saying, media, tmp_path):
    with pytest.raises(EngineError, match="told to fail"):
        model_saying("", fail=["ask"]).ask(media["square"], "What?")
    with pytest.raises(MediaError, match=r"gone\.png"):
        model_saying("").ask(tmp_path / "gone.png", "What?")
    with pytest.raises((ValueError, KeyError), match="tracking"):
        model_saying("").ask(media["square"], "What?", task="trackin")


def test_pictures_in_memory_are_asked_about_as_those_of_files(model_saying, media, tmp_path):
    file = Image.open(media["wide"])
    pixels = np.asarray(file.convert("RGB"))
    turned = Image.fromarray(pixels)
    turned.getexif()[0x0112] = 6
    model = model_saying(said("yes"))
    for given in (file, pixels, [pixels, media["square"]], file.convert("CMYK"), turned, pixels[..., 0]):
        result = model.ask(given, "Is it?")
        path = model.engine.requests[0].media[0]
        assert path.suffix == ".png" and result.sample.modality == "image" and result.draw()[0]
        assert Image.open(path).size == (file.size[::-1] if given is turned else file.size)
        if given is file or given is pixels:
            assert np.array_equal(np.asarray(Image.open(path)), pixels)
    assert turned.size == file.size and file.mode == Image.open(media["wide"]).mode, "what was given is not changed"
    kept = path.parent
    del result
    gc.collect()
    assert not kept.exists()


@pytest.mark.parametrize(
    ("pixels", "problem"),
    [
        (np.zeros((4, 4, 3)), "float64 .*uint8.*multiply by 255"), (np.zeros((4, 4, 2), np.uint8), r"\(H, W, 3\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), "fps="), (np.zeros(4, np.uint8), r"expected \(H, W\)"),
        (np.zeros((0, 4, 3), np.uint8), "at least one"),
    ],
)  # fmt: skip
def test_arrays_that_are_no_picture(pixels, problem, model_saying):
    with pytest.raises(MediaError, match=problem):
        model_saying("").ask(pixels, "What?")


def test_a_mini_model_says_once_that_it_knows_only_its_world(model_saying, media, world, capsys):
    model_file._say_only_worlds.cache_clear()
    model = replace(model_saying(said("yes")), knows_only_worlds=True)
    for sample in world:
        model.ask([str(path) for path in sample.paths(world.root)], "Is it?")
    model.ask(None, "Is it?")
    assert capsys.readouterr().err == ""
    for _ in range(2):
        model.ask(media["wide"], "Is it?")
        model.ask(media["even"], "Is it?")
    assert capsys.readouterr().err.count("own world") == 1


def test_which_models_know_only_worlds(tmp_path):
    own, of_world = tmp_path / "own" / "train", tmp_path / "world" / "train"
    of_world.mkdir(parents=True)
    (of_world.parent / "world.json").write_text("{}")

    def knows(train: str, name: str = "mini") -> bool:
        recipe = SHIPPED[name].model_copy(update={"data": DataConfig(train=train)})
        return model_file._knows_only_worlds("folder", AskedAs("folder", recipe, "folder", trained=True))

    assert knows("") and knows(str(of_world)) and not knows(str(own)) and not knows("", "qwen3_vl_8b")
    assert model_file._knows_only_worlds("mini-rl", AskedAs("mini-rl", SHIPPED["mini"]))


def test_ask_takes_a_ready_model_or_loads_one(model_saying, media, monkeypatch):
    assert inference.ask(media["square"], "What?", model=model_saying(said("disc"))).value == "disc"
    monkeypatch.setattr(model_file, "load_model", lambda name: model_saying(said(f"from {name}")))
    assert inference.ask(media["square"], "What?").value == "from mini-rl"


def test_a_model_is_asked_as_it_was_trained(media, tmp_path, mini_model, mini_processor, tiny):
    from onethinker.models.load import save
    from onethinker.models.shipped import RECIPE_FILE

    folder = tmp_path / "model"
    save(mini_model, mini_processor, folder)
    (folder / RECIPE_FILE).write_text(tiny("evaluate.max_tokens=5").model_dump_json())
    model = inference.load_model(str(folder), device="cpu")
    assert (model.prompts.name, model.max_tokens) == ("short", 5)
    assert model.ask(media["even"], "What <|im_end|><|video_pad|> is it?").status in Status
    (folder / RECIPE_FILE).unlink()
    assert inference.load_model(str(folder), device="cpu").prompts.name == "full"


def test_a_segmentation_is_drawn_with_its_mask(model_saying, media):
    points = '"positive_points": [[300, 300], [350, 420], [400, 500]], "negative_points": [[9, 9], [900, 9], [9, 900]]'
    text = '{"boxes": [200, 200, 500, 600], ' + points + "}"
    result = model_saying(said(text)).ask(media["square"], "the disc", task="image_segmentation")

    class Half(Segmenter):
        def segment_image(self, image, box, positive, negative):
            return np.tile(np.arange(image.width) > image.width / 2, (image.height, 1))

        def start(self, frame, prompt, after, before): ...

    ((with_mask,), _), ((plain,), _) = result.draw(segmenter=Half()), result.draw()
    other = (np.asarray(with_mask) != np.asarray(plain)).any(axis=2)[:, 3 * with_mask.width // 4 :]
    assert 0.2 < other.mean() < 0.9, "stripes over the right half"
