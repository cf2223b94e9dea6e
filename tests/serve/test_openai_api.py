"""The chat as the `openai` package asks it, of a mini model and of scripted engines."""

from __future__ import annotations

import base64
import math

import openai
import pytest

from onethinker.engines.base import Request, Sampling
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.inference import Model
from onethinker.media import MediaBudget
from onethinker.tasks.prompts import load_prompts
from tests.serve.conftest import HERE, scripted_model

BUDGET = MediaBudget(image_pixels=4096, frame_pixels=32 * 64, fps=4.0, max_frames=8)


@pytest.fixture(scope="module")
def engine(mini_processor):
    import torch

    from onethinker.models import mini

    torch.set_num_threads(1)
    return LocalEngine(mini.build(0)[0].eval(), Encoder(mini_processor))


@pytest.fixture(scope="module")
def model(engine):
    return Model(engine, load_prompts("short"), BUDGET, max_tokens=16)


@pytest.fixture(scope="module")
def http(make_client, model):
    return make_client(model, limits={"max_tokens": 64, "answers": 4})


@pytest.fixture(scope="module")
def chat(http):
    return openai.OpenAI(base_url=f"{HERE}/v1", api_key="any", http_client=http, max_retries=0).chat.completions


def picture(file, kind="image") -> dict:
    mime = "image/png" if kind == "image" else "video/mp4"
    url = f"data:{mime};base64,{base64.b64encode(file.read_bytes()).decode()}"
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url}}


def user(*parts) -> dict:
    return {"role": "user", "content": [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]}


def straight(engine, text, *files, history=(), system="", **sampling):
    request = Request("ask", text, files, BUDGET, system, history)
    ((_, completions),) = engine.answer([request], Sampling(**{"max_tokens": 16} | sampling))
    return completions


def test_the_models(http):
    client = openai.OpenAI(base_url=f"{HERE}/v1", api_key="any", http_client=http)
    (card,) = client.models.list().data
    assert (card.id, card.owned_by, card.root) == ("mini", "onethinker", "")


@pytest.mark.parametrize("kind", ["image", "video"])
def test_media_give_the_engines_own_answer(chat, engine, media, kind):
    file = media["wide" if kind == "image" else "uneven"]
    made = chat.create(model="mini", messages=[user(picture(file, kind), "What is it? <image>")], temperature=0)
    (whole,) = straight(engine, rf"<{kind}>What is it? \<image>", file)
    assert made.choices[0].message.content == whole.text
    assert made.choices[0].finish_reason == whole.finish
    assert made.usage.prompt_tokens == whole.prompt_tokens and made.usage.completion_tokens == whole.tokens


def test_turns_and_a_system_message(chat, engine, media):
    told = [
        {"role": "system", "content": "Be brief."},
        user(picture(media["square"]), "one"),
        {"role": "assistant", "content": "first <video> answer"},
        user("and ", picture(media["wide"]), " this?"),
    ]
    made = chat.create(model="mini", messages=told, temperature=0, max_completion_tokens=9)
    history = (("user", "<image>one"), ("assistant", r"first \<video> answer"))
    (whole,) = straight(
        engine, "and <image> this?", media["square"], media["wide"], history=history, system="Be brief.", max_tokens=9
    )  # fmt: skip
    assert made.choices[0].message.content == whole.text and made.usage.prompt_tokens == whole.prompt_tokens


def test_seeds_several_answers_and_log_probabilities(chat, engine):
    asked = {
        "model": "mini",
        "messages": [user("Where is the disc?")],
        "max_tokens": 8,
        "n": 3,
        "seed": 7,
        "top_p": 0.9,
    }
    made = chat.create(**asked, logprobs=True, top_logprobs=2)
    wholes = straight(engine, "Where is the disc?", n=3, seed=7, temperature=1.0, top_p=0.9, max_tokens=8)
    assert [choice.message.content for choice in made.choices] == [whole.text for whole in wholes]
    assert made.usage.completion_tokens == sum(whole.tokens for whole in wholes)
    for choice, whole in zip(made.choices, wholes, strict=True):
        entries = choice.logprobs.content
        assert [entry.logprob for entry in entries] == pytest.approx(whole.logps, abs=1e-4)
        assert all(len(entry.top_logprobs) == 2 for entry in entries)
        assert all(bytes(entry.bytes).decode() == entry.token for entry in entries)
    again = chat.create(**asked)
    assert [c.message.content for c in again.choices] == [c.message.content for c in made.choices]
    assert again.choices[0].logprobs is None
    others = [chat.create(**asked | {"seed": seed, "n": 1}).choices[0].message.content for seed in (None, None, 8)]
    assert len({*others, made.choices[0].message.content}) == 4, "without a seed each is drawn anew"


def test_streaming(chat, engine):
    asked = {"model": "mini", "messages": [user("Where is the disc?")], "n": 2, "seed": 3, "max_tokens": 10}
    chunks = list(chat.create(**asked, stream=True, logprobs=True, stream_options={"include_usage": True}))
    wholes = straight(engine, "Where is the disc?", n=2, seed=3, temperature=1.0, max_tokens=10)
    texts, logps, finishes = {0: "", 1: ""}, {0: [], 1: []}, {}
    for chunk in chunks[:-1]:
        (choice,) = chunk.choices
        texts[choice.index] += choice.delta.content or ""
        logps[choice.index] += [e.logprob for e in (choice.logprobs.content if choice.logprobs else [])]
        if choice.finish_reason:
            finishes[choice.index] = choice.finish_reason
    assert list(texts.values()) == [whole.text for whole in wholes]
    assert [finishes[i] for i in (0, 1)] == [whole.finish for whole in wholes]
    for i in (0, 1):
        assert logps[i] == pytest.approx(wholes[i].logps, abs=1e-4)
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == sum(whole.tokens for whole in wholes)
    assert len({chunk.id for chunk in chunks}) == 1 and len(chunks) > 10, "as the tokens come"


def test_stop_texts(chat, engine):
    (whole,) = straight(engine, "Where is the disc?", seed=5, temperature=1.0)
    stop = whole.text[6:9]
    asked = {"model": "mini", "messages": [user("Where is the disc?")], "seed": 5, "stop": ["@@@", stop]}
    made = chat.create(**asked)
    assert made.choices[0].message.content == whole.text[: whole.text.index(stop)]
    assert made.choices[0].finish_reason == "stop"
    streamed = "".join(c.choices[0].delta.content or "" for c in chat.create(**asked, stream=True))
    assert streamed == made.choices[0].message.content


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"model": "gpt"}, openai.NotFoundError, "ask 'mini'"),
        ({"messages": []}, openai.BadRequestError, "messages"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, openai.BadRequestError, "the user's last"),
        ({"messages": [user("q"), {"role": "system", "content": "x"}, user("q")]}, openai.BadRequestError, "first"),
        ({"messages": [{"role": "tool", "content": "x"}]}, openai.BadRequestError, "messages.0"),
        ({"messages": [user({"type": "input_audio"})]}, openai.BadRequestError, "messages.0"),
        ({"tools": [{"type": "function"}]}, openai.BadRequestError, "tools: not served"),
        ({"response_format": {"type": "json_object"}}, openai.BadRequestError, "response_format"),
        ({"n": 5}, openai.BadRequestError, "at most 4"),
        ({"n": 0}, openai.BadRequestError, "n: "),
        ({"max_tokens": 65}, openai.BadRequestError, "at most 64"),
        ({"temperature": 2.5}, openai.BadRequestError, "temperature"),
        ({"top_logprobs": 2}, openai.BadRequestError, "wants logprobs"),
        ({"messages": [user("q" * 20_001)]}, openai.BadRequestError, "at most 20,000"),
        ({"messages": [user({"type": "image_url", "image_url": {"url": "http://x.example/a.png"}})]},
         openai.PermissionDeniedError, "data URL"),
        ({"messages": [user({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}})]},
         openai.BadRequestError, "media\\[0\\]"),
    ],
)  # fmt: skip
def test_errors_are_openais(chat, changed, error, words):
    asked = {"model": "mini", "messages": [user("q")], "max_tokens": 4}
    for stream in (False, True):
        with pytest.raises(error, match=words) as told:
            chat.create(**asked | changed, stream=stream)
        assert set(told.value.body) == {"message", "type", "param", "code"}


def test_an_engine_without_log_probabilities(make_client):
    http = make_client(scripted_model(), name="words")
    chat = openai.OpenAI(base_url=f"{HERE}/v1", api_key="any", http_client=http, max_retries=0).chat.completions
    made = chat.create(model="words", messages=[user("hello")], n=2, stop=" media")
    assert [choice.message.content for choice in made.choices] == ["<think>0", "<think>0"]
    with pytest.raises(openai.BadRequestError, match="logprobs: the engine"):
        chat.create(model="words", messages=[user("hello")], logprobs=True)
    streamed = list(chat.create(model="words", messages=[user("hello")], stream=True))
    assert (
        "".join(c.choices[0].delta.content or "" for c in streamed) == "<think>0 media.</think><answer>fine 0</answer>"
    )
    assert not math.isnan(made.usage.total_tokens)
