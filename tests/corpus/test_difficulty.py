"""Pass rates of a model: measured, kept in the corpus, gone on with after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onethinker.corpus.difficulty import ANSWERS, Asked, measure_difficulty
from onethinker.corpus.rows import ShardWriter, to_table
from onethinker.engines.base import Sampling
from onethinker.engines.scripted import ScriptedEngine
from onethinker.media import MediaBudget
from onethinker.sample import DataError, Sample, Samples, load_samples, save_samples
from onethinker.tasks.prompts import load_prompts
from onethinker.train.sampler import Sampler

OPTIONS = ("A. red", "B. blue")


def made(count: int) -> list[Sample]:
    return [
        Sample(f"q{n}", "multiple_choice", "text", f"Thing {n}?", "A", OPTIONS, source="made") for n in range(count)
    ]


def script(request, index: int) -> str:
    """Question n of five is right in n of four answers."""
    return f"<think></think><answer>{'A' if index < int(request.id[1:]) % 5 else 'B'}</answer>"


def asked(engine=None, **thresholds: float) -> Asked:
    sampling = Sampling(n=4, temperature=1.0, max_tokens=50)
    return Asked(engine or ScriptedEngine(script), "m", load_prompts("short"), MediaBudget(), sampling, thresholds)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    with ShardWriter(tmp_path / "corpus", rows_per_shard=4) as shards:
        shards.write(to_table(made(10)))
    return tmp_path / "corpus"


def rates(folder: Path) -> list[float | None]:
    return [sample.pass_rate for sample in load_samples(folder)]


def test_rates_are_written_over_the_corpus_shard_by_shard(corpus):
    before = [file.name for file in sorted(corpus.glob("*.parquet"))]
    found = measure_difficulty(corpus, corpus, asked())
    assert rates(corpus) == [n % 5 / 4 for n in range(10)] == found.rates["multiple_choice"]
    assert [file.name for file in sorted(corpus.glob("*.parquet"))] == before and len(before) == 3
    known = load_samples(corpus)[1].meta["difficulty"]
    assert known == {"pass_rate": 0.25, "accuracy": 0.25, "answers": 4, "threshold": 1.0, "model": "m"}
    assert load_samples(corpus)[1].digest() == made(2)[1].digest()


def test_or_beside_it_and_another_threshold_asks_nothing(corpus, tmp_path):
    measure_difficulty(corpus, tmp_path / "out", asked())
    engine = ScriptedEngine(script)
    measure_difficulty(corpus, tmp_path / "out", asked(engine, multiple_choice=0.0))
    assert engine.asked == [] and rates(tmp_path / "out") == [1.0] * 10
    assert rates(corpus) == [None] * 10


def test_a_sample_that_cannot_be_measured_costs_itself_alone_and_is_asked_again(corpus):
    found = measure_difficulty(corpus, corpus, asked(ScriptedEngine(script, fail=["q3"])))
    assert list(found.problems) == ["q3"] and rates(corpus)[2:5] == [0.5, None, 1.0]
    engine = ScriptedEngine(script)
    measure_difficulty(corpus, corpus, asked(engine))
    assert engine.asked == ["q3"] and rates(corpus)[3] == 0.75


def test_only_the_first_are_measured_where_there_is_a_limit(corpus):
    measure_difficulty(corpus, corpus, asked(), limit=6)
    assert rates(corpus) == [n % 5 / 4 for n in range(6)] + [None] * 4


def test_data_that_is_not_in_shards_is_not_written_over(tmp_path):
    save_samples(made(2), tmp_path / "samples.jsonl")
    with pytest.raises(DataError, match="give --out a folder beside it"):
        measure_difficulty(tmp_path, tmp_path, asked())
    measure_difficulty(tmp_path, tmp_path / "out", asked())
    assert rates(tmp_path / "out") == [0.0, 0.25]


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.corpus.test_difficulty import asked, script
from onethinker.corpus.difficulty import measure_difficulty
from onethinker.engines.scripted import ScriptedEngine
def slow(request, index):
    time.sleep(0.05)
    return script(request, index)
measure_difficulty(Path({corpus!r}), Path({corpus!r}), asked(ScriptedEngine(slow)))
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_rates(corpus):
    code = KILLED.format(root=str(Path(__file__).parents[2]), corpus=str(corpus))
    process = subprocess.Popen([sys.executable, "-c", code])
    while not (corpus / ANSWERS).exists() or (corpus / ANSWERS).read_bytes().count(b"\n") < 6:
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    answered = [json.loads(line)["id"] for line in (corpus / ANSWERS).read_text().splitlines()]
    assert 6 <= len(answered) < 10
    engine = ScriptedEngine(script)
    measure_difficulty(corpus, corpus, asked(engine))
    assert rates(corpus) == [n % 5 / 4 for n in range(10)]
    assert not set(engine.asked) & set(answered)


def test_the_recipe_names_a_window(corpus, tmp_path):
    from onethinker.cli.app import _training

    measure_difficulty(corpus, corpus, asked())
    words = ["data.difficulty=[0.2,0.6]"]
    _, samples, _ = _training("rl", "mini", "", str(corpus), "", None, "", "", "", words, tmp_path / "run")
    assert {sample.pass_rate for sample in samples} == {0.25, 0.5}


def test_training_takes_a_window_and_the_curriculum_what_is_known(corpus):
    measure_difficulty(corpus, corpus, asked())
    samples = load_samples(corpus)
    assert {sample.pass_rate for sample in samples.of_difficulty(0.25, 0.75)} == {0.25, 0.5, 0.75}
    with pytest.raises(DataError, match=r"no sample has a pass rate from 0\.9 to 0\.95: 10 of 10 have one"):
        samples.of_difficulty(0.9, 0.95)
    drawn = [samples[place].pass_rate for place in Sampler("curriculum", samples, 0).draw(2000)]
    extreme = sum(rate in (0.0, 1.0) for rate in drawn) / len(drawn)
    assert extreme == pytest.approx(0.4 * 0.25 / (0.4 * 0.25 + 0.6), abs=0.03)
    unknown = Samples(tuple(made(10)), corpus)
    assert len(set(Sampler("curriculum", unknown, 0).draw(10))) == 10
