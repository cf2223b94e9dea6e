"""The local engine against transformers' own `generate`, a plain forward pass and the distribution it draws from."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from onethinker.engines.base import EngineError, Sampling
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine, pick
from onethinker.models.forward import banned_ids
from onethinker.train.prefix import TokenGroup
from tests.amount import thinned
from tests.train.plain import plain_logps

ASKED = {
    "text": ("Where is the disc?", ()),
    "image": ("<image>What is it?", ("square",)),
    "long": ("<image> and <image>: tell all the things that differ between the two of them.", ("wide", "square")),
    "clip": ("<video>When?", ("odd",)),
    "mixed": ("<video> Is <image> in it?", ("even", "wide")),
}


@pytest.fixture(scope="module")
def encoder(mini_processor) -> Encoder:
    return Encoder(mini_processor)


@pytest.fixture
def engine(mini_model, encoder) -> LocalEngine:
    return LocalEngine(mini_model, encoder)


@pytest.fixture
def requests(ask):
    return [ask(text, *names, id=name) for name, (text, names) in ASKED.items()]


def answers(engine, requests, **sampling):
    found = dict(engine.answer(requests, Sampling(**sampling)))
    assert sorted(found) == list(range(len(requests)))
    return {request.id: found[i] for i, request in enumerate(requests)}


def bend(model, change):
    """Let `change` rewrite the logits in place. Returns the handle of the hook."""

    def hook(module, inputs, logits):
        logits = logits.clone()
        change(logits)
        return logits

    return model.lm_head.register_forward_hook(hook)


def test_greedy_equals_generate(engine, encoder, mini_model, requests):
    """Prompts of all kinds in one batch of mixed lengths, against transformers with one prompt at a time."""
    found = answers(engine, requests, max_tokens=8)
    for request in requests:
        prompt = encoder.encode(request)
        out = mini_model.generate(
            input_ids=prompt.ids_T[None], attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            mm_token_type_ids=prompt.types_T[None], **prompt.media, do_sample=False, max_new_tokens=8,
            suppress_tokens=banned_ids(encoder.tokenizer),
        )  # fmt: skip
        (completion,) = found[request.id]
        assert list(completion.token_ids) == out[0, len(prompt) :].tolist(), request.id
        assert completion.prompt_tokens == len(prompt)
        assert completion.text == encoder.tokenizer.decode(completion.token_ids, skip_special_tokens=True)
        assert (completion.finish, completion.tokens) == ("length", 8)


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_logps_are_those_of_a_plain_forward(temperature, engine, encoder, mini_model, requests):
    found = answers(engine, requests, n=2, temperature=temperature, max_tokens=8)
    for request in requests:
        group = TokenGroup(encoder.encode(request), [c.token_ids for c in found[request.id]])
        with torch.no_grad():
            logps, _ = plain_logps(mini_model, [group], banned=engine.banned, temperature=temperature)
        told = torch.tensor([p for c in found[request.id] for p in c.logps])
        torch.testing.assert_close(told, logps, rtol=0, atol=1e-4)


def test_an_answer_does_not_depend_on_its_company(engine, mini_model, encoder, requests):
    narrow = LocalEngine(mini_model, encoder, decode_batch_size=4)
    ids = []
    for asker, asked in ((engine, requests), (engine, requests[::-1]), (narrow, requests)):
        found = answers(asker, asked, n=3, temperature=1.0, max_tokens=6, seed=5)
        ids.append({name: [c.token_ids for c in completions] for name, completions in found.items()})
    assert ids[0] == ids[1] == ids[2]
    alone = answers(engine, requests[2:3], n=3, temperature=1.0, max_tokens=6, seed=5)
    assert [c.token_ids for c in alone["long"]] == ids[0]["long"]
    assert len({tuple(a) for group in ids[0].values() for a in group}) == 15, "every answer is a draw of its own"
    other = answers(engine, requests, n=3, temperature=1.0, max_tokens=6, seed=6)
    assert [c.token_ids for c in other["long"]] != ids[0]["long"]


@pytest.mark.parametrize(("temperature", "top_p"), thinned([(1.0, 1.0), (0.5, 1.0), (1.0, 0.7)], (1.0, 0.7)))
def test_draws_follow_the_distribution(temperature, top_p, engine, mini_model, requests):
    """3000 draws from six tokens: Pearson's chi-square against softmax(logits / temperature), cut at the nucleus."""
    wanted = torch.tensor([2.0, 1.5, 1.0, 0.5, 0.0, -1.0])
    tokens = torch.tensor([300, 41, 900, 555, 42, 1200])

    def change(logits):
        logits.fill_(-1e9)
        logits[..., tokens] = wanted

    bend(mini_model, change)
    drawn = answers(engine, requests[:1], n=600, temperature=temperature, top_p=top_p, max_tokens=5)["text"]
    counts = Counter(t for c in drawn for t in c.token_ids)
    p = torch.softmax(wanted.double() / temperature, 0).numpy()
    inside = np.concatenate([[0.0], p.cumsum()[:-1]]) < top_p
    expected = p * inside / p[inside].sum()
    seen = np.array([counts.pop(int(t), 0) for t in tokens])
    assert not counts
    assert (seen[~inside] == 0).all()
    assert chisquare(seen[inside], 3000 * expected[inside]).pvalue > 1e-3
    logps = {t: logp for c in drawn for t, logp in zip(c.token_ids, c.logps, strict=True)}
    for token, chance in zip(tokens.tolist(), p, strict=True):
        if token in logps:
            assert logps[token] == pytest.approx(np.log(chance), abs=1e-5), "at the temperature, before the nucleus"


def test_the_last_draw_of_all_stays_on_a_token_with_probability():
    """A draw next to 1 rounds to 1 in float32; the tokens past the whole sum must not be taken."""
    logits = torch.tensor([[0.0, 1.0, 0.5, -torch.inf, -torch.inf]]).repeat(2, 1)
    tokens, logps = pick(logits, [1 - 2**-53, 0.0], Sampling(temperature=1.0))
    assert tokens.tolist() == [2, 0]
    assert torch.isfinite(logps).all()


@pytest.mark.parametrize("sampling", [Sampling(temperature=0.0), Sampling(), Sampling(top_p=0.5)])
@pytest.mark.parametrize("row", [[0.0, torch.nan, 1.0], [torch.inf, 0.0, 0.0], [-torch.inf] * 3])
def test_a_model_that_has_diverged_is_told_of(row, sampling):
    with pytest.raises(EngineError, match="the model's probabilities are no numbers: its weights are broken"):
        pick(torch.tensor([[0.0, 1.0, 0.5], row]), [0.3, 0.9], sampling)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_placeholders_are_never_written(temperature, engine, mini_model, requests):
    def change(logits):
        logits[..., engine.banned] += 1000.0

    bend(mini_model, change)
    for completions in answers(engine, requests, n=2, temperature=temperature, max_tokens=6).values():
        for completion in completions:
            assert not set(completion.token_ids) & set(engine.banned)
            assert np.isfinite(completion.logps).all()


def test_rows_leave_when_they_stop_and_prompts_pass_once(engine, mini_model, requests):
    """Counts what passes through the model: a prompt and its media once for six answers, then one token an open row."""
    stop = engine.tokenizer.eos_token_id

    def change(logits):
        logits[..., stop] = logits.logsumexp(-1) - 1.5

    bend(mini_model, change)
    passed, patches = [], []

    mini_model.model.language_model.layers[0].mlp.register_forward_pre_hook(
        lambda m, args: passed.append(tuple(args[0].shape[:-1]))
    )
    mini_model.model.visual.register_forward_pre_hook(lambda m, args: patches.append(len(args[0])))
    found = answers(engine, requests, n=6, temperature=1.0, max_tokens=9)
    completions = [c for cs in found.values() for c in cs]
    stopped = [c for c in completions if c.finish == "stop"]
    assert 5 < len(stopped) < 30
    longest = max(c.prompt_tokens for c in completions)
    assert passed[0] == (5, longest)
    expected = [sum(len(c.token_ids) > step for c in completions) for step in range(1, 9)]
    assert passed[1:] == [(n,) for n in expected if n]
    prompts = [engine.encoder.encode(r) for r in requests]
    assert sum(patches) == sum(len(v) for p in prompts for k, v in p.media.items() if "pixel" in k)
    for completion in completions:
        ends = completion.token_ids[-1] == stop
        assert ends == (completion.finish == "stop")
        assert stop not in completion.token_ids[:-1]
        assert len(completion.token_ids) == completion.tokens == len(completion.logps) <= 9
        assert completion.finish == "stop" or completion.tokens == 9
        assert "<|im_end|>" not in completion.text


def test_one_bad_clip_costs_one_request(engine, requests, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a clip")
    bad = [
        replace(requests[3], id="broken", media=(broken,)),
        replace(requests[1], id="gone", media=(Path("/no/x.png"),)),
    ]
    found = answers(engine, [bad[0], requests[0], bad[1], requests[1]], n=2, max_tokens=4)
    for name, file in (("broken", "broken.mp4"), ("gone", "x.png")):
        assert [c.finish for c in found[name]] == ["error"] * 2
        assert file in found[name][0].error
    whole = answers(engine, requests[:2], n=2, max_tokens=4)
    for name in ("text", "image"):
        assert [c.token_ids for c in found[name]] == [c.token_ids for c in whole[name]]


def test_leaves_the_model_as_it_was(engine, mini_model, requests):
    mini_model.train()
    answers(engine, requests[:1], max_tokens=2)
    assert mini_model.training
    assert dict(engine.answer([], Sampling())) == {}


def test_questions_on_the_same_media_share_its_pass(engine, mini_model, ask):
    """Their common beginning, pictures included, goes through the model once; the answers are those of each alone."""
    asked = [
        *(ask(f"<image>{text}", "wide", id=f"wide {text}") for text in ("What?", "Where is it, and how large?")),
        ask("<image>What?", "square", id="square"),
        ask("How many are three and four?", id="text"),
        *(ask(f"<video>{text}", "even", id=f"clip {text}") for text in ("When?", "What moves, and when?", "Why?")),
    ]
    alone = {request.id: answers(engine, [request], n=2, max_tokens=6)[request.id] for request in asked}
    patches, rows = [], []
    mini_model.model.visual.register_forward_pre_hook(lambda m, args: patches.append(len(args[0])))
    layer = mini_model.model.language_model.layers[0]
    layer.mlp.register_forward_pre_hook(lambda m, args: rows.append(args[0].shape[:-1]))
    together = answers(engine, asked, n=2, max_tokens=6)
    for name, completions in together.items():
        assert [c.token_ids for c in completions] == [c.token_ids for c in alone[name]], name
        for found, expected in zip(completions, alone[name]):
            np.testing.assert_allclose(found.logps, expected.logps, atol=2e-4)
    prompts = {request.media: engine.encoder.encode(request) for request in asked}
    assert sum(patches) == sum(len(v) for p in prompts.values() for k, v in p.media.items() if "pixel" in k)
    assert [len(shape) for shape in rows[:2]] == [2, 2] and rows[0][0] == 4 and rows[1][0] == 7


def test_answers_come_as_they_end(engine, mini_model, requests):
    """Not with the last of their batch: the consumer sees the first while others are still being written."""
    stop, steps = engine.tokenizer.eos_token_id, []

    def change(logits):
        steps.append(len(logits))
        logits[0, stop] = 1e4

    bend(mini_model, change)
    answered = engine.answer(requests, Sampling(max_tokens=6))
    next(answered)
    assert len(steps) == 1
    assert len(list(answered)) == len(requests) - 1
