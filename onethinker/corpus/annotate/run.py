"""`onethinker data annotate`: a corpus and an endpoint in, an SFT set with chains of thought out.

OUT/samples-*.parquet, media/…   the samples that were kept, with thinking and answer in `meta.response`
OUT/refused.jsonl                every answer that was not, with the reasons; samples without answers, with why
OUT/report/annotation.html       table, curves, kept and refused answers drawn on their media
OUT/annotation/annotation.json   model, prompts, settings, the table and the curves
OUT/annotation/journal.jsonl     what was paid for (`journal`): keep it, a second run pays for nothing in it
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from onethinker.corpus.annotate.ask import BUDGET, Asking, Outcome, ask_all
from onethinker.corpus.annotate.budget import Price, caps_of, price_of
from onethinker.corpus.annotate.choose import best, judge
from onethinker.corpus.annotate.endpoint import Endpoint, EndpointError, Refused, Unsure, missing_key
from onethinker.corpus.annotate.journal import Caps, Journal
from onethinker.corpus.annotate.order import mixed
from onethinker.corpus.annotate.pace import Pace
from onethinker.corpus.annotate.questions import TRUTH, Asker, Question
from onethinker.corpus.annotate.settings import PROMPTS, Settings
from onethinker.corpus.annotate.write import Answered, write_set
from onethinker.corpus.rows import read_shards
from onethinker.media import MediaError
from onethinker.sample import DataError
from onethinker.tasks.prompts import PromptError, PromptSet, load_prompts
from onethinker.util.interrupt import STATUS, Interrupted, finish_step, kept
from onethinker.util.progress import bar
from onethinker.util.runs import locked

JOURNAL = "annotation/journal.jsonl"


@dataclass(frozen=True)
class Money:
    """The budget and the price as a user gives them; `budget` says what each must be."""

    budget_usd: float | None = None
    budget_tokens: int | None = None
    price_in: float | None = None
    price_out: float | None = None
    prices: str = ""


def annotate(
    corpus: Path,
    model: str,
    out: Path,
    money: Money,
    *,
    settings: Settings,
    prompts: str = "",
    media_root: Path | None = None,
    limit: int | None = None,
    batch: bool = False,
    backoff: float | None = None,
) -> dict[str, Any]:
    """Ask, choose and write; returns what `annotation.json` holds. The same call goes on where it was stopped.

    model: `http://host:port/v1`, its first model, or `http://host:port/v1#name`. prompts: a set's name or a file; the
    shipped one unless given. limit: ask only so many samples. batch: by the batch form of the API. backoff: seconds
    before a second attempt. Raises SettingsError, PromptError, DataError, EndpointError, RunError.
    """
    words = load_prompts(prompts or PROMPTS)
    root = media_root or (corpus if corpus.is_dir() else corpus.parent)
    if out.resolve() == corpus.resolve():
        raise DataError(f"{out} is the corpus itself; give --out a folder of its own")
    with locked(out):
        samples = min(sum(map(len, read_shards(corpus))), limit or sys.maxsize)
        job = _Job(corpus, root, model, out, money, settings, words, samples, batch, backoff)
        answered = asyncio.run(_ask(job))
        given = frozenset(task for task, text in words.templates.items() if TRUTH in text)
        with closing(Journal(out / JOURNAL, Caps(None, None))) as journal:
            facts = {"model": answered.model, "prompts": {"name": words.name, "digest": words.digest}}
            return write_set(corpus, root, out, journal, answered, settings, given, facts)


@dataclass(frozen=True)
class _Job:
    corpus: Path
    root: Path
    model: str
    out: Path
    money: Money
    settings: Settings
    prompts: PromptSet
    samples: int
    batch: bool
    backoff: float | None


async def _ask(job: _Job) -> Answered:
    """Ask what is not in the journal yet, as far as the budget reaches."""
    base, name = _address(job.model)
    settings = job.settings
    endpoint = Endpoint(base, settings.timeout)
    try:
        name, length = await _served(endpoint, name)
        price = price_of(job.money.price_in, job.money.price_out, job.money.prices, name)
        caps = caps_of(job.money.budget_usd, job.money.budget_tokens, price)
        with closing(Journal(job.out / JOURNAL, caps)) as journal:
            asker = Asker(name, job.prompts, settings, length)
            pace = Pace(settings.requests_per_minute, settings.tokens_per_minute)
            asking = Asking(endpoint, asker, journal, price or Price(0, 0), pace, _keeps(job))
            asking.backoff = asking.backoff if job.backoff is None else job.backoff
            answered = Answered(name)
            with ExitStack() as stack:
                stack.enter_context(kept(lambda: f"{job.out}: {_spent_words(journal)}; the same command asks the rest"))
                advance = stack.enter_context(bar("asked", job.samples))

                def done(outcome: Outcome) -> None:
                    question, problem = outcome
                    answered.add(question, problem)
                    advance(note=_spent_words(journal), worked=not problem)

                if job.batch:
                    from onethinker.corpus.annotate.batch import ask_in_batches

                    await ask_in_batches(asking, _questions(job, asker, answered), done)
                else:
                    stop = stack.enter_context(finish_step("annotation"))
                    questions = _questions(job, asker, answered)
                    await ask_all(questions, asking.answer, settings.concurrency, done, stop)
                    if number := stop():
                        raise Interrupted("interrupted", STATUS + number)
            answered.spent, answered.lost = journal.spent, journal.lost
            _say_end(job, journal, answered)
            return answered
    finally:
        await endpoint.close()


def _questions(job: _Job, asker: Asker, answered: Answered) -> Iterator[Question]:
    """The corpus as questions, mixed; a sample that cannot be asked is noted and left out."""
    for sample in mixed(job.corpus, job.settings.seed, job.samples):
        try:
            yield asker.question(sample, job.root)
        except (DataError, MediaError, PromptError, OSError) as error:
            answered.unasked[sample.source, sample.id] = f"cannot be asked: {error}"


def _keeps(job: _Job) -> Any:
    def keeps(sample: Any, choices: Any) -> bool:
        return best(judge([sample], [choices], job.settings, job.root)[0]) is not None

    return keeps


def _address(model: str) -> tuple[str, str]:
    """The endpoint's base and the model's name, empty where the address has none. Raises EndpointError."""
    address = urlsplit(model)
    if address.scheme not in ("http", "https") or not address.hostname or address.query:
        raise EndpointError(f"--model {model}: expected an endpoint, http://host:port/v1 or http://host:port/v1#name")
    return f"{address.scheme}://{address.netloc}{address.path.rstrip('/') or '/v1'}", address.fragment


async def _served(endpoint: Endpoint, name: str) -> tuple[str, int]:
    """The model's name and the tokens that it holds, 0 where the server does not tell. Raises EndpointError."""
    try:
        cards = await endpoint.models()
    except (Refused, Unsure) as error:
        status = getattr(error, "status", None)
        if name and status not in (401, 403) and not (isinstance(error, Refused) and status is None):
            return name, 0  # a gateway that lists nothing
        advice = missing_key(status) or "is the server up, and is this its address?"
        raise EndpointError(f"{endpoint.base}: its models cannot be listed: {error}; {advice}") from None
    if not name and not cards:
        raise EndpointError(f"{endpoint.base} lists no model; name one, {endpoint.base}#name")
    card = next((card for card in cards if card.get("id") == name), {} if name else cards[0])
    length = card.get("max_model_len")
    return name or str(card.get("id")), length if isinstance(length, int) and length > 0 else 0


def _spent_words(journal: Journal) -> str:
    spent = journal.spent
    money = f"${spent.dollars:.4f}" if journal.caps.cost is not None else f"{spent.tokens:,} tokens"
    return f"{journal.answers} requests answered, {money} spent"


def _say_end(job: _Job, journal: Journal, answered: Answered) -> None:
    left = sum(problem == BUDGET for _, problem in answered.keys.values())
    if left:
        print(
            f"the budget ends here: {_spent_words(journal)}, {left} samples wait; a larger one goes on from here",
            file=sys.stderr,
        )


def copy_files(folder: Path) -> list[Path]:
    """The shipped prompts and settings, copied to be changed. Raises DataError for a file that is there already."""
    from onethinker.corpus.annotate.settings import FILES

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for source in sorted(FILES.glob("*.yaml")):
        if (folder / source.name).exists():
            raise DataError(f"{folder / source.name} is there already; it stays as it is, give another folder")
        made.append(Path(shutil.copyfile(source, folder / source.name)))
    return made
