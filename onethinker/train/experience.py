"""Experience: groups of scored answers, with what an update needs of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from onethinker.engines.base import Engine, Sampling, written
from onethinker.engines.encode import Encoder, Prompt
from onethinker.media import MediaBudget
from onethinker.recipes.base import Recipe, RLConfig
from onethinker.sample import Sample
from onethinker.sample.answer import Status
from onethinker.sample.stream import TrainingSet
from onethinker.scoring.judge import Judge
from onethinker.scoring.rollout import Rollout, make_request, roll_out
from onethinker.tasks import get_task
from onethinker.tasks.prompts import PromptSet
from onethinker.train.algorithms.base import Algorithm
from onethinker.train.parallel import Processes
from onethinker.train.prefix import TokenGroup
from onethinker.train.sampler import Sampler
from onethinker.train.step_prompts import StepPrompts
from onethinker.train.unreadable import NoStepError, Unreadable
from onethinker.util.files import replacing
from onethinker.util.map_ahead import map_ahead


@dataclass(frozen=True, eq=False)
class ScoredGroup:
    """G scored answers to one prompt, that of the sample at `position`.

    rewards_G: NaN where the answer could not be scored. importance: a weight for each token of each answer, or empty
    where sampling and training have the same probabilities. owner: the process that holds the encoded prompt.
    """

    position: int
    rollouts: Sequence[Rollout]
    rewards_G: np.ndarray
    importance: Sequence[np.ndarray] = ()
    owner: int = 0

    @property
    def sample(self) -> Sample:
        return self.rollouts[0].sample

    @property
    def accuracy(self) -> float:
        """Mean accuracy of the scored answers; NaN where there are none."""
        scored = [r.score.accuracy for r in self.rollouts if r.score.status is not Status.ERROR]
        return float(np.mean(scored)) if scored else math.nan

    def trains(self, config: RLConfig) -> bool:
        """Whether the group has something to say: scored, and neither all right nor all wrong."""
        if math.isnan(self.accuracy):
            return False
        return not config.filter_groups or config.accuracy_low <= self.accuracy <= config.accuracy_high

    def answers(self, first: int, last: int) -> ScoredGroup:
        """The same group with some of its answers only."""
        cut = slice(first, last)
        return replace(
            self, rollouts=self.rollouts[cut], rewards_G=self.rewards_G[cut], importance=self.importance[cut]
        )

    def group(self, prompt: Prompt, encoder: Encoder, budget: MediaBudget) -> TokenGroup:
        """The encoded prompt and the tokens of its answers, as the engine gave them, tools' responses between turns."""
        completions = [r.completion for r in self.rollouts]
        return TokenGroup(
            prompt,
            [encoder.answer_tokens(c.turns, c.last_ids, budget) if c.turns else c.token_ids for c in completions],
        )

    @property
    def tokens(self) -> int:
        """Of the prompt and all its answers, tools' responses included."""
        completions = [r.completion for r in self.rollouts]
        prompt = min(c.prompt_tokens for c in completions)
        return prompt + sum(c.prompt_tokens - prompt + c.tokens - written(c.turns) for c in completions)


@dataclass
class StepGroups:
    """A step's groups: `kept` train, `dropped` are logged. too_long: prompts beyond the limit, with the longest.

    unreadable: prompts whose media, text or truth could not be read, of all processes. problem: of the last one left
    out.
    """

    kept: list[ScoredGroup] = field(default_factory=list)
    dropped: list[ScoredGroup] = field(default_factory=list)
    too_long: int = 0
    longest: tuple[int, str] = (0, "")
    unreadable: int = 0
    problem: str = ""

    @property
    def groups(self) -> list[ScoredGroup]:
        return self.kept + self.dropped

    def count(self, parts: Sequence[StepGroups]) -> None:
        """Add up what was left out."""
        for part in parts:
            self.too_long += part.too_long
            self.longest = max(self.longest, part.longest)
            self.problem = part.problem or self.problem

    def of_task(self, task: str) -> list[ScoredGroup]:
        return [g for g in self.groups if g.sample.task == task]


@dataclass(frozen=True, eq=False)
class Collector:
    """Asks prompts until a step has its groups. Engine, encoder and samples stay the same over the run.

    Every process draws the same prompts and asks its share of them; what came of it is gathered, so that all of them
    go on with the same groups in the order of the draw.
    """

    samples: TrainingSet
    engine: Engine
    sampler: Sampler
    prompts: PromptSet
    recipe: Recipe
    step_prompts: StepPrompts
    unreadable: Unreadable
    judge: Judge | None = None

    @property
    def processes(self) -> Processes:
        return self.step_prompts.processes

    def collect(self, step: int, algorithm: Algorithm | None = None) -> StepGroups:
        """Groups for one step: those that do not train are replaced, at most `refill_tries` times over.

        algorithm: says by its `task_weights` how often each draw takes a task. Raises NoStepError when more samples
        cannot be read than `data.max_unreadable` allows, before any is asked, when not one of the prompts drawn could
        be asked, and when not one answer could be scored.
        """
        config, found = self.recipe.rl, StepGroups()
        self.step_prompts.clear()  # what a step that failed left behind
        for attempt in range(config.refill_tries + 1):
            wanted = config.prompts - len(found.kept)
            if wanted <= 0:
                break
            tasks = [group.sample.task for group in found.kept]
            weights = algorithm.task_weights(tasks, config.prompts) if algorithm else None
            positions = list(dict.fromkeys(self.sampler.draw(wanted, weights)))
            seed = self.recipe.seed * 1_000_003 + step * 101 + attempt
            sampling = Sampling(config.group, config.temperature, 1.0, config.max_tokens, seed)
            own = StepGroups()
            fit, problems = self._short_enough(self.processes.shard(positions), own)
            found.unreadable += self.unreadable.note(step, problems)
            self._ask(fit, sampling, own)
            parts = self.processes.gather(own)
            found.count(parts)
            for group in sorted((g for part in parts for g in part.kept), key=lambda g: positions.index(g.position)):
                self.sampler.observe(group.position, group.accuracy)
                if group.trains(config):
                    found.kept.append(group)
                else:
                    found.dropped.append(group)
                    self.step_prompts.release([group])
        if not found.groups:
            raise NoStepError(
                f"step {step + 1}: none of the prompts drawn can be asked, {found.too_long} are longer than "
                f"rl.max_prompt_tokens={config.max_prompt_tokens} and {found.unreadable} unreadable; {found.problem}"
            )
        if all(math.isnan(group.accuracy) for group in found.groups):
            answers = [rollout for group in found.groups for rollout in group.rollouts]
            raise NoStepError(
                f"step {step + 1}: not one of {len(answers)} answers could be scored, such as to "
                f"{answers[-1].sample.id}: {answers[-1].problem}; mend that, the same command goes on after step {step}"
            )
        return found

    def _ask(self, fit: Sequence[int], sampling: Sampling, found: StepGroups) -> None:
        """Ask these prompts; their groups are all kept for now."""
        rl, asked = self.recipe.rl, (self.samples, self.engine, self.prompts, self.recipe.media, sampling)
        for position, rollouts in roll_out(*asked, only=fit, judge=self.judge, in_group=rl.judge.in_group):
            rewards_G = np.array([r.score.reward(rl.reward) for r in rollouts])
            found.kept.append(ScoredGroup(position, rollouts, rewards_G, owner=self.processes.rank))

    def _length(self, position: int) -> int | ValueError:
        """Tokens of the prompt at this position, which is held from now on, or why there is none."""
        try:
            sample = self.samples[position]
            request = make_request(sample, self.samples, self.prompts, self.recipe.media)
            get_task(sample.task).truth(sample)  # before it is asked: a run is not to end over one row
            return len(self.step_prompts.hold(position, request))
        except ValueError as error:
            return error

    def _short_enough(self, positions: Sequence[int], found: StepGroups) -> tuple[list[int], dict[str, str]]:
        """The prompts that can be asked, which are held, and id → why others could not be read. Those beyond the limit
        are counted and left out."""
        fit, problems = [], {}
        self.samples.prefetch(positions)
        for position, length in zip(positions, map_ahead(self._length, positions), strict=True):
            name = self.samples.name_of(position)
            if isinstance(length, ValueError):
                problems[name] = str(length)
                found.problem = f"sample {name}: {length}"
                continue
            if length <= self.recipe.rl.max_prompt_tokens:
                fit.append(position)
                continue
            self.step_prompts.release_position(position)
            found.too_long += 1
            found.longest = max(found.longest, (length, name))
            found.problem = f"sample {name} has {length} tokens"
        return fit, problems


def write_rollouts(path: Path, step: int, collected: StepGroups, advantages: Sequence[np.ndarray]) -> None:
    """Every answer of a step with its score, reward and advantage, as Parquet. advantages: of the kept groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text, number = (
        "id task modality response finish error status question truth",
        "tokens prompt_tokens index format step",
    )
    names = {name: pa.string() for name in text.split()} | {name: pa.int64() for name in number.split()}
    real = dict.fromkeys(("seconds", "accuracy", "structure", "reward", "advantage"), pa.float64())
    components = pa.list_(pa.struct({"name": pa.string(), "value": pa.float64()}))
    columns = names | real | {"components": components}
    if any(r.completion.turns for group in collected.groups for r in group.rollouts):
        columns["turns"] = pa.string()
    schema = pa.schema(columns)
    rows: list[dict[str, Any]] = []
    for group, values in zip_longest(collected.groups, advantages):  # dropped groups come last and have none
        for i, rollout in enumerate(group.rollouts):
            row = rollout.row()
            row["components"] = [{"name": k, "value": v} for k, v in row["components"].items()]
            row["turns"] = json.dumps(row["turns"], ensure_ascii=False) if "turns" in row else None
            rows.append(
                row
                | {
                    "step": step,
                    "question": group.sample.question,
                    "truth": group.sample.truth,
                    "reward": float(group.rewards_G[i]),
                    "advantage": None if values is None else float(values[i]),
                }
            )
    with replacing(path, durable=True) as aside:
        pq.write_table(pa.Table.from_pylist(rows, schema), aside)
