"""Answers of several turns: what is asked, in which words, and what comes back as one completion."""

from __future__ import annotations

import pytest
import torch

from onethinker.engines.base import Request, Sampling
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.engines.openai import OpenAIEngine
from onethinker.engines.scripted import ScriptedEngine
from onethinker.scoring.rollout import Rollout
from onethinker.tasks.prompts import load_prompts
from onethinker.tools import make_tools
from onethinker.tools.call import LAST
from onethinker.tools.engine import ToolEngine
from onethinker.tools.prompts import with_tools
from onethinker.util.server import Server
from tests.tools.conftest import call

ZOOM = call("zoom", box=[0, 0, 500, 500])
DONE = "<think>seen</think><answer>B</answer>"


def scripted(*turns: str) -> ScriptedEngine:
    return ScriptedEngine(lambda request, _: turns[min(len(request.turns), len(turns) - 1)])


def test_a_call_is_answered_and_the_model_goes_on(ask) -> None:
    engine = ToolEngine(
        scripted(f"<think>small</think>{ZOOM}", "again " + call("zoom", box=3), DONE), make_tools(["zoom"])
    )
    asked = [ask("<image> what?", "square", id="q"), ask("<image> which?", "wide", id="r")]
    found = dict(engine.answer(asked, Sampling(n=2)))
    assert sorted(found) == [0, 1] and [len(made) for made in found.values()] == [2, 2]
    made = found[0][1]
    assert made.text == DONE and [turn.tool for turn in made.turns] == ["zoom", "zoom"]
    assert [turn.failed for turn in made.turns] == [False, True] and len(made.turns[0].pictures) == 1
    assert made.tokens == sum(
        len(t.split(" ")) for t in (f"<think>small</think>{ZOOM}", "again " + call("zoom", box=3), DONE)
    )
    assert made.turns[1].row()["response"].startswith("error: box is 3; expected")


def test_turns_end_and_the_last_response_says_so(ask) -> None:
    engine = ToolEngine(scripted(ZOOM), make_tools(["zoom"]), turns=3)
    ((_, (made,)),) = engine.answer([ask("<image> what?", "square")], Sampling())
    assert made.text == ZOOM and len(made.turns) == 2
    assert [LAST in "".join(p for p in t.response if isinstance(p, str)) for t in made.turns] == [False, True]
    with pytest.raises(ValueError, match="2 or more"):
        ToolEngine(scripted(DONE), make_tools(["zoom"]), turns=1)


def test_a_tool_that_fails_costs_its_own_answer(ask) -> None:
    class Broken:
        name = identity = "zoom"
        description, parameters = "", {}

        def call(self, arguments, request):
            if request.id == "q":
                raise KeyError("its own fault")
            return ("fine",)

    engine = ToolEngine(scripted(ZOOM, DONE), [Broken()])
    found = dict(engine.answer([ask("<image> a", "square", id=i) for i in "qr"], Sampling()))
    assert [found[i][0].finish for i in (0, 1)] == ["error", "stop"] and found[1][0].text == DONE
    assert "KeyError: 'its own fault'" in found[0][0].error


def test_an_answer_comes_as_soon_as_it_is_whole(ask) -> None:
    """A run that is killed keeps what was answered by then."""
    inner = ScriptedEngine(lambda request, i: ZOOM if len(request.turns) < (1 if request.id == "q" else 2) else DONE)
    asked = [ask("<image> a", "square", id=i) for i in ("r", "q", "s")]
    came = [(index, len(inner.asked)) for index, _ in ToolEngine(inner, make_tools(["zoom"])).answer(asked, Sampling())]
    assert came == [(1, 5), (0, 7), (2, 8)]


def test_without_a_call_nothing_changes(ask, mini_processor, mini_model) -> None:
    inner = LocalEngine(mini_model, Encoder(mini_processor))
    asked, sampling = [ask("<image> what?", "square", id="q")], Sampling(n=3, temperature=1.0, max_tokens=8)
    plain, tooled = (
        next(iter(engine.answer(asked, sampling)))[1] for engine in (inner, ToolEngine(inner, make_tools(["zoom"])))
    )
    assert [(c.token_ids, c.logps, c.text) for c in plain] == [(c.token_ids, c.logps, c.text) for c in tooled]
    assert ToolEngine(inner, make_tools(["zoom"])).identity == f"{inner.identity} tools=zoom turns=4"


def test_draws_of_a_turn_do_not_depend_on_company(ask, caller, mini_processor, mini_model) -> None:
    inner = caller(LocalEngine(mini_model, Encoder(mini_processor)), lambda request: ZOOM)
    engine = ToolEngine(inner, make_tools(["zoom"]))
    asked = [ask("<image> what?", "square", id="q"), ask("<image> which?", "wide", id="r")]
    sampling = Sampling(n=3, temperature=1.0, max_tokens=6)
    both, alone = dict(engine.answer(asked, sampling)), dict(engine.answer(asked[1:], sampling))
    assert [c.token_ids for c in both[1]] == [c.token_ids for c in alone[0]]
    turned = both[1][0], both[1][2]
    assert all(len(c.turns) == 1 and len(c.logps) == len(c.token_ids) == c.tokens for c in turned)
    assert turned[0].last_ids != turned[1].last_ids and not both[1][1].turns


def test_the_encoded_turns_are_those_of_one_chat(ask, mini_processor, mini_model) -> None:
    """Ids of the whole chat through the processor at once, and the model's own positions."""
    encoder = Encoder(mini_processor)
    request = ask("<video> and <image>: when?", "even", "square", id="q", frame_pixels=32 * 32)
    engine = ToolEngine(scripted(ZOOM.replace("{", '{"media": 2, ', 0), call("look", start=0, end=1, fps=2), DONE),
                        make_tools(["zoom", "look"]))  # fmt: skip
    ((_, (made,)),) = engine.answer([request], Sampling())
    prompt = encoder.encode(Request("q", request.text, request.media, request.budget, turns=made.turns))
    inputs = encoder.inputs(Request("q", request.text, request.media, request.budget, turns=made.turns))
    text = inputs.text + mini_processor.tokenizer.decode(inputs.turn_ids)
    whole = mini_processor(
        text=[text], images=inputs.images, videos=inputs.clips, video_metadata=inputs.metadata, return_tensors="pt",
        return_mm_token_type_ids=True, **inputs.sizes,
    )  # fmt: skip
    assert prompt.ids_T.tolist() == whole["input_ids"][0].tolist()
    assert torch.equal(prompt.media["pixel_values"], whole["pixel_values"])
    positions, _ = mini_model.model.get_rope_index(
        whole["input_ids"], mm_token_type_ids=whole["mm_token_type_ids"], image_grid_thw=whole["image_grid_thw"],
        video_grid_thw=whole["video_grid_thw"],
    )  # fmt: skip
    assert torch.equal(prompt.positions_3T, positions[:, 0])
    assert text.count("<tool_response>") == 2 and text.endswith("</tool_response><|im_end|>\n<|im_start|>assistant\n")


def test_a_server_is_told_of_turns(ask) -> None:
    engine = ToolEngine(scripted(ZOOM, DONE), make_tools(["zoom"]))
    request = ask("<image> what?", "square", id="q")
    ((_, (made,)),) = engine.answer([request], Sampling())
    asked = Request("q", request.text, request.media, request.budget, turns=made.turns)
    body = OpenAIEngine(Server("http://127.0.0.1:1/v1"), "m")._body(asked, Sampling())
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant", "user"] and body["messages"][1]["content"] == ZOOM
    kinds = [part["type"] for part in body["messages"][2]["content"]]
    assert kinds == ["text", "image_url", "text"]


def test_prompts_tell_of_the_tools(world) -> None:
    short, full = load_prompts("short"), load_prompts("full")
    tools = make_tools(["zoom", "look"])
    assert with_tools(short, ()) is short
    assert with_tools(short, tools).system == "tools: zoom look"
    words = with_tools(full, tools).system
    assert '"name": "zoom"' in words and words.index("<tools>") < words.index("</tools>")
    assert with_tools(full, tools).digest != full.digest


def test_a_record_holds_the_turns(ask, world) -> None:
    engine = ToolEngine(scripted(ZOOM, DONE), make_tools(["zoom"]))
    ((_, (made,)),) = engine.answer([ask("<image> what?", "square")], Sampling())
    from onethinker.sample.answer import read_answer
    from onethinker.scoring.scores import score_many

    answer = read_answer(made.text, made.finish)
    (scored,) = score_many([world[0]], [answer])
    row = Rollout(world[0], 0, made, answer, scored.score, scored.lenient).row()
    assert [turn["tool"] for turn in row["turns"]] == ["zoom"] and row["turns"][0]["response"] == "[picture 1]"
