"""Questions batched by the way that an engine takes, over the mini model and over scripted engines."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from onethinker.engines.base import EngineError, Sampling
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.engines.scripted import ScriptedEngine
from onethinker.serve.batching import Batcher, Ticket
from onethinker.serve.problems import Problem
from onethinker.tools import make_tools
from onethinker.tools.call import calls_tool
from onethinker.tools.engine import ToolEngine
from tests.tools.conftest import call


@pytest.fixture
def engine(mini_model, mini_processor):
    return LocalEngine(mini_model, Encoder(mini_processor))


def run(engine, work, batch=8):
    """`await work(batcher)`, and the sizes of the batches."""
    sizes = []

    async def all_of_it():
        batcher = Batcher(engine, batch, sizes.append)
        try:
            async with asyncio.timeout(60):
                return await work(batcher)
        finally:
            batcher.close()

    return asyncio.run(all_of_it()), sizes


def test_a_local_engine_batches_continuously_with_the_answers_of_each_alone(engine, ask):
    asked = [
        (ask("<image>What is it?", "square", id=str(i)), Sampling(n=1 + i % 2, temperature=i % 3 / 2, max_tokens=6 + i))
        for i in range(8)
    ]

    async def work(batcher):
        assert batcher.way == "continuous"
        tickets = [
            batcher.ask(Ticket(request, sampling, stream=i % 2 == 0)) for i, (request, sampling) in enumerate(asked)
        ]
        return await asyncio.gather(*(ticket.completions() for ticket in tickets))

    made, sizes = run(engine, work)
    for (request, sampling), completions in zip(asked, made, strict=True):
        ((_, alone),) = engine.answer([request], sampling)
        assert [c.token_ids for c in completions] == [c.token_ids for c in alone]
    assert 2 < max(sizes) <= 9


def test_pieces_stop_texts_and_likeliest_tokens(engine, ask):
    request, sampling = ask("Where is the disc?", id="a"), Sampling(temperature=1.0, max_tokens=30, seed=5)
    ((_, (whole,)),) = engine.answer([request], sampling)
    stop = whole.text[10:14]

    async def work(batcher):
        plain = batcher.ask(Ticket(request, sampling, stream=True, top=2))
        cut = batcher.ask(Ticket(request, sampling, stop=(stop,)))
        return [piece async for piece in plain.pieces()], (await cut.completions())[0]

    (pieces, cut), _ = run(engine, work)
    assert "".join(piece.text for piece in pieces) == whole.text and len(pieces) == len(whole.token_ids)
    assert all(len(piece.top) == len(piece.token_ids) == 1 and len(piece.top[0]) == 2 for piece in pieces)
    assert cut.text == whole.text[: whole.text.index(stop)] and cut.finish == "stop"
    assert cut.prompt_tokens == whole.prompt_tokens and cut.token_ids == whole.token_ids[: cut.tokens]


def test_who_leaves_frees_the_place(engine, ask):
    request = ask("Where is the disc?", id="a")

    async def work(batcher):
        long = batcher.ask(Ticket(request, Sampling(max_tokens=4000), stream=True))
        async for _ in long.pieces():
            break
        batcher.leave(long)
        after = batcher.ask(Ticket(request, Sampling(max_tokens=3)))
        await after.completions()
        while batcher.asking.session.rows:
            await asyncio.sleep(0.01)
        assert batcher.asking.under_way == {} == batcher.asking.writers

    run(engine, work, batch=1)


def test_a_question_of_which_nothing_can_be_made_costs_itself(engine, ask, tmp_path):
    bad = replace(ask("<image>?", "square"), media=(tmp_path / "gone.png",))

    async def work(batcher):
        with pytest.raises(Problem, match="no such file") as told:
            await batcher.ask(Ticket(bad, Sampling(max_tokens=3))).completions()
        assert told.value.status == 422
        return await batcher.ask(Ticket(ask("fine?"), Sampling(max_tokens=3))).completions()

    assert run(engine, work)[0][0].tokens <= 3


def test_a_failing_engine_is_told_to_all_and_then_counts_as_lost(engine, ask, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr("onethinker.engines.session.LocalSession.step", fail)

    async def work(batcher):
        for _ in range(3):
            with pytest.raises(Problem, match="the engine failed") as told:
                await batcher.ask(Ticket(ask("?"), Sampling(max_tokens=3))).completions()
            assert told.value.status == 500
        assert "3 times in a row" in batcher.failure
        with pytest.raises(Problem, match="lost") as told:
            batcher.ask(Ticket(ask("?"), Sampling()))
        assert told.value.status == 503

    run(engine, work)


class Slow(ScriptedEngine):
    """Holds its first batch until it is let go; keeps the sizes of batches."""

    def __init__(self, **attributes):
        super().__init__(lambda request, index: f"to {request.id}")
        self.go, self.batches = threading.Event(), []
        self.__dict__ |= attributes

    def answer(self, requests, sampling):
        self.batches.append([request.id for request in requests])
        self.go.wait(10)
        return super().answer(requests, sampling)


def test_any_other_engine_takes_what_came_as_the_next_batch(ask):
    engine, one = Slow(), Sampling()

    async def work(batcher):
        assert batcher.way == "between batches"
        tickets = [batcher.ask(Ticket(ask("?", id="0"), one))]
        while not engine.batches:
            await asyncio.sleep(0.01)
        tickets += [batcher.ask(Ticket(ask("?", id=str(i)), one if i != 3 else Sampling(seed=1))) for i in range(1, 7)]
        batcher.leave(tickets.pop(2))
        engine.go.set()
        return [(await ticket.completions())[0].text for ticket in tickets]

    made, sizes = run(engine, work, batch=3)
    assert made == ["to 0", "to 1", "to 3", "to 4", "to 5", "to 6"]
    assert engine.batches == [["0"], ["1", "4", "5"], ["3"], ["6"]] or engine.batches == [
        ["0"],
        ["1", "4", "5"],
        ["3"],
        ["6"],
    ]
    assert sizes == [len(batch) for batch in engine.batches]


def test_a_server_is_asked_at_once(ask):
    engine = Slow(concurrency=4)

    async def work(batcher):
        assert batcher.way == "at once"
        tickets = [batcher.ask(Ticket(ask("?", id=str(i)), Sampling(), stop=("o ",))) for i in range(4)]
        while len(engine.batches) < 4:
            await asyncio.sleep(0.01)
        engine.go.set()
        return [(await ticket.completions())[0].text for ticket in tickets]

    assert run(engine, work)[0] == ["t"] * 4


def test_an_engine_that_is_gone(ask):
    class Gone(ScriptedEngine):
        def answer(self, requests, sampling):
            raise EngineError("the server does not answer any more")

    for engine in (Gone({}), Gone({}, identity="x")):
        engine.__dict__ |= {"concurrency": 2} if engine.identity == "x" else {}

        async def work(batcher):
            with pytest.raises(Problem, match="does not answer any more") as told:
                await batcher.ask(Ticket(ask("?"), Sampling())).completions()
            assert told.value.status == 502

        run(engine, work)


class Calling(LocalEngine):
    """Turns whose tokens add up to an even number end in a call."""

    said = call("zoom", box=[0, 0, 500, 500])

    def completion(self, *args):
        made = super().completion(*args)
        return made if sum(made.token_ids) % 2 else replace(made, text=made.text + self.said, finish="stop")


@pytest.fixture
def calling(mini_model, mini_processor):
    return ToolEngine(Calling(mini_model, Encoder(mini_processor)), make_tools(["zoom"]), turns=3)


def test_turns_that_call_tools_join_the_batch_with_the_answers_of_each_alone(calling, ask):
    """Beside chats, whose calls are the client's and which are told token by token."""
    asked = [
        (ask("<image>What is it?", "square", id=str(i)), Sampling(temperature=1.0, max_tokens=6 + 5 * i, seed=i))
        for i in range(6)
    ]

    async def work(batcher):
        assert batcher.way == "continuous"
        tickets = [batcher.ask(Ticket(r, s, stream=bool(i % 2))) for i, (r, s) in enumerate(asked)]
        chat = batcher.ask(Ticket(*asked[0], stream=True, plain=True, top=2))
        pieces = await asyncio.gather(*(all_pieces(ticket) for ticket in (*tickets, chat)))
        assert batcher.asking.places == batcher.asking.under_way == batcher.asking.writers == {}
        return pieces[:-1], pieces[-1]

    (made, chat), sizes = run(calling, work)
    alone = [next(iter(calling.answer([request], sampling)))[1][0] for request, sampling in asked]
    assert {len(completion.turns) for completion in alone} == {0, 1, 2}
    for pieces, completion in zip(made, alone, strict=True):
        assert "".join(piece.text for piece in pieces) == completion.text
        assert told(pieces[-1].completion) == told(completion)
        assert pieces[-1].completion.logps == pytest.approx(completion.logps, abs=1e-4)
    assert 2 < max(sizes) <= 8
    plain = first_turn(calling, *asked[0])
    assert len(chat) == plain.tokens and len(chat[0].top[0]) == 2
    assert told(chat[-1].completion) == told(plain)


def told(made):
    """All of it but what rounding and a clock have a part in."""
    turns = tuple(replace(turn, logps=()) for turn in made.turns)
    return replace(made, logps=(), turns=turns, seconds=0)


async def all_pieces(ticket):
    return [piece async for piece in ticket.pieces()]


def test_a_tool_at_work_holds_up_nobody_and_who_leaves_meanwhile_is_forgotten(calling, ask, monkeypatch):
    at_work, go_on = threading.Event(), threading.Event()
    real = calling.tools[0].call

    def slow(arguments, request):
        if request.id == "slow":
            at_work.set()
            assert go_on.wait(60)
        return real(arguments, request)

    monkeypatch.setattr(type(calling.tools[0]), "call", lambda _, *args: slow(*args))

    def question(calls, **names):
        """One whose first turn calls, or does not."""
        request = ask("<image>What is it?", "square", **names)
        found = (Sampling(temperature=1.0, max_tokens=5, seed=seed) for seed in range(99))
        return request, next(s for s in found if calls_tool(first_turn(calling, request, s).text) is calls)

    asked, quick, again = question(True, id="slow"), question(False), question(True)

    async def work(batcher):
        slow = batcher.ask(Ticket(*asked))
        assert await asyncio.to_thread(at_work.wait, 60)
        assert len(await batcher.ask(Ticket(*quick)).completions()) == 1 and not go_on.is_set()
        batcher.leave(slow)
        go_on.set()
        (made,) = await batcher.ask(Ticket(*again)).completions()
        assert made.turns and batcher.asking.under_way == {}

    run(calling, work)


def first_turn(engine, request, sampling):
    ((_, (made,)),) = engine.engine.answer([request], sampling)
    return made


def test_a_tool_that_fails_itself_costs_its_question(calling, ask, monkeypatch):
    def broken(*_):
        raise RuntimeError("no disk")

    monkeypatch.setattr(type(calling.tools[0]), "call", broken)
    monkeypatch.setattr(
        Calling, "completion", lambda self, *a: replace(LocalEngine.completion(self, *a), text=self.said, finish="stop")
    )

    async def work(batcher):
        with pytest.raises(Problem, match=r"a tool failed \(RuntimeError: no disk\)") as told:
            await batcher.ask(Ticket(ask("<image>What?", "square"), Sampling(max_tokens=3))).completions()
        assert told.value.status == 422
        return await batcher.ask(Ticket(ask("fine?"), Sampling(max_tokens=3), plain=True)).completions()

    assert run(calling, work)[0][0].tokens <= 3


def test_a_server_with_tools_is_still_asked_at_once(ask):
    engine = ScriptedEngine(lambda request, _: "<tool_call></tool_call>" if not request.turns else "done")
    engine.concurrency = 3

    async def work(batcher):
        assert batcher.way == "at once"
        tickets = [batcher.ask(Ticket(ask("?", id="q"), Sampling(), plain=plain)) for plain in (False, True)]
        return [(await ticket.completions())[0].text for ticket in tickets]

    made, _ = run(ToolEngine(engine, make_tools(["zoom"])), work)
    assert made == ["done", "<tool_call></tool_call>"]
