"""Writes the generated pages of this folder: `python docs/build.py`; with `--check` it fails where they drifted."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from functools import partial
from inspect import cleandoc
from pathlib import Path
from typing import Any

import typer.main
from safetensors import safe_open
from task_pages import task_pages

from onethinker.cli.app import app
from onethinker.corpus.recipe import CorpusRecipe, DifficultyConfig, FilterConfig, SourceConfig
from onethinker.data.sources import SOURCES
from onethinker.data.sources.composition import PARTS
from onethinker.evaluate.benchmarks import BASE, BENCHMARKS, FAMILIES, OURS, Benchmark
from onethinker.inference import infer, record
from onethinker.recipes import SHIPPED
from onethinker.recipes.base import kind_of, leaves, meaning
from onethinker.recipes.show import plain, rows
from onethinker.sample.answer import Status
from onethinker.serve.limits import Limits
from onethinker.studies.pages.biased import in_short
from onethinker.studies.pages.claims import claims_table
from onethinker.studies.pages.index import read_study, study_page
from onethinker.studies.pages.markdown import join
from onethinker.studies.pages.mini import results
from onethinker.tasks import TASKS
from onethinker.tasks.base import METRIC_PROFILES, Score

HERE = Path(__file__).parent


def tasks_page() -> str:
    """One row a task: what it takes, its answer, what R_acc sums to, its metrics."""
    lines = [
        "# Tasks",
        "",
        "| task | takes | answer | R_acc up to | metrics, the headline first |",
        "|---|---|---|---:|---|",
    ]
    for task in TASKS.values():
        metrics = list(dict.fromkeys(m for p in METRIC_PROFILES for m in task.metrics([Score(Status.NO_ANSWER)], p)))
        example = task.example.replace("|", "\\|")
        takes, named = ", ".join(task.modalities), ", ".join(metrics)
        lines.append(f"| `{task.name}` | {takes} | `{example}` | {task.paper_max:g} | {named} |")
    return "\n".join([*lines, ""])


BENCHMARKS_HEAD = """\
# Benchmarks

The 31 benchmarks of the paper (arXiv 2512.03043; RefCOCO's splits are rows of their own), its six unseen tasks, and
what is none of the paper's.
`onethinker eval --list` shows which of them are on your disk and where the others are expected below `--data-root`
(`ONETHINKER_DATA`, `data` unless given): ✓ where the first questions and their media open, ! with the reason where a
set is there and does not open, – where it is not there, with what it lacks. `onethinker eval MODEL --suite NAMES` runs
them by name, by family or `all`; a set that cannot be read is named, the others run, and the exit code is 1.

Nothing is fetched for you: get a set from where its row says, and mind its licence, which is noted here as a help and
not as advice. Every image is shown at up to {image:,} pixels, every clip at {fps:g} frames a second, at most {frames}
frames of up to {frame:,} pixels, the prompt set is `{prompts}` and the profile `{profile}`; a model trained here keeps
its own prompts and is shown no more than it was trained with. The last columns are the paper's numbers in percent, of
the headline metric, and what its script measures otherwise than the set's official tool: to compare with the paper,
take the column `(released)` of a report, which is there beside the official one wherever they differ, or
`--set evaluate.metric_profile=released`. A name in brackets is a reader of `onethinker/data/sources`, whose file says
what it expects in the folder. What differs from a set's official tool in questions, truths or measure
stands below its table."""


def benchmarks_page() -> str:
    """A table for each family, then what to know of single sets."""
    common = {(b.budget, b.prompts, b.metric_profile) for b in BENCHMARKS.values()}
    (budget, prompts, profile), *others = common
    assert not others, "the page says that all benchmarks are asked alike"
    lines = BENCHMARKS_HEAD.format(
        image=budget.image_pixels, frame=budget.frame_pixels, fps=budget.fps, frames=budget.max_frames,
        prompts=prompts, profile=profile,
    ).split("\n")  # fmt: skip
    for family, title in FAMILIES.items():
        of_family = [b for b in BENCHMARKS.values() if b.family == family]
        lines += ["", f"## {title} (`{family}`)", ""]
        lines += [
            "| name | what | split | questions | metric | expected at | from | licence | "
            + f"{BASE} | {OURS} | the paper's formula |"
        ]
        lines += ["|---|---|---|---:|---|---|---|---|---:|---:|---|", *map(_benchmark_row, of_family)]
        notes = [
            f"- `{b.name}`: {'; '.join(filter(None, (b.note, b.reason)))}." for b in of_family if b.note or b.reason
        ]
        lines += ["", *notes] if notes else []
    return "\n".join([*lines, ""])


def _benchmark_row(benchmark: Benchmark) -> str:
    places = " or ".join(f"`{p.path}`" + (f" ({p.reader})" if p.split else "") for p in benchmark.places)
    paper = [f"{100 * number:.1f}" if number else "–" for number in map(benchmark.paper().get, (BASE, OURS))]
    metric = benchmark.metric + (" (needs `--judge`)" if benchmark.judge else "")
    size = f"{benchmark.size:,}" if benchmark.size else "–"
    cells = (f"`{benchmark.name}`", benchmark.title, benchmark.split, size, metric, places, benchmark.origin,
             benchmark.licence, *paper, benchmark.released or "–")  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def commands_page() -> str:
    """The help of every verb."""
    return "\n".join(["# Commands", "", *_help(typer.main.get_command(app), "onethinker")])


def _help(command: Any, path: str) -> list[str]:
    """A command's own words and parameters, then its sub-commands'."""
    lines = [f"## `{path}`", "", cleandoc(command.help or ""), ""]
    for parameter in command.params:
        if not parameter.name.endswith("_completion"):
            names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else parameter.name.upper()
            lines.append(f"- `{names}`: {parameter.help or ''}".rstrip(": "))
    lines.append("")
    for name, inner in getattr(command, "commands", {}).items():
        lines += _help(inner, f"{path} {name}")
    return lines


RECIPE_HEAD = """\
# The keys of a recipe

What `onethinker recipe show NAME` prints: every key that a YAML file or `--set KEY=VALUE` may change, with its type,
its default and, where a shipped recipe has another, that. A section that may be absent (`null`) starts from its
defaults when one of its keys is set."""


def recipe_page() -> str:
    """A table of keys for each section."""
    shipped = {name: {row.key: row for row in rows(recipe)} for name, recipe in SHIPPED.items()}
    keys = {row.key: row for found in shipped.values() for row in found.values()}
    order = [key for key, _ in leaves(SHIPPED["qwen3_vl_8b"].model_dump())]
    lines, section = [RECIPE_HEAD], None
    for key in order:
        row, branch = keys[key], key.rpartition(".")[0]
        if branch != section:
            section = branch
            title = meaning(branch) or "the run"
            lines += ["", f"## `{branch}`: {title}" if branch else "## The run", ""]
            lines += ["| key | type | default | " + " | ".join(shipped) + " | meaning |"]
            lines += ["|---|---|---|" + "---|" * len(shipped) + "---|"]
        values = [found[key].value if key in found else "–" for found in shipped.values()]
        cells = [f"`{key}`", row.kind, f"`{row.default}`", *("" if v == row.default else f"`{v}`" for v in values)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in (*cells, row.meaning)) + " |")
    return "\n".join([*lines, ""])


CORPUS_SECTIONS = {
    "": CorpusRecipe,
    "filters": FilterConfig,
    "difficulty": DifficultyConfig,
    "sources.NAME": SourceConfig,
}


def corpus_page() -> str:
    """How a corpus is made, from its template, and every key of its recipe."""
    lines = [(HERE / "templates/corpus.md").read_text(encoding="utf-8").rstrip()]
    for branch, section in CORPUS_SECTIONS.items():
        lines += ["", f"### `{branch}`" if branch else "### The corpus", "", "| key | type | default | meaning |"]
        lines += ["|---|---|---|---|"]
        for name, field in section.model_fields.items():
            key = f"{branch}.{name}".lstrip(".")
            if key in CORPUS_SECTIONS or key == "sources":
                continue
            cells = (f"`{key}`", kind_of(key, CorpusRecipe), f"`{plain(field.default)}`", field.description or "")
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def results_pages() -> dict[str, Callable[[], str]]:
    """The files of a page for each study whose numbers are kept in `results/NAME/study.json`."""
    pages = {data.parent.name: study_page(data) for data in sorted(HERE.glob("results/*/study.json"))}
    return {
        f"results/{study}/{name}": partial(str, text) for study, page in pages.items() for name, text in page.items()
    }


def with_table(page: str, name: str, table: str) -> str:
    """The page as it stands, with the table between its marks `<!-- name -->` and `<!-- /name -->` made anew."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = (HERE / page).read_text(encoding="utf-8").split(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.split(end)[1]}"


def results_index() -> str:
    """The studies' first page, with the table of the paper's claims."""
    studies = {data.parent.name: read_study(data) for data in HERE.glob("results/*/study.json")}
    return with_table(
        "results/README.md", "claims", claims_table({k: v for k, v in studies.items() if "contrasts" in v})
    )


def serve_page() -> str:
    """The page with the table of a server's bounds."""
    rows = [f"| `{key}` | {field.default:,} | {field.description} |" for key, field in Limits.model_fields.items()]
    table = "\n".join(["| bound | default | of |", "|---|---:|---|", *rows])
    return with_table("serve.md", "limits", table)


WEIGHTS = "../onethinker/models/weights"


def card_page() -> str:
    """The shipped models' card, of their record in `results/mini` and the weights themselves."""
    file = HERE / WEIGHTS / "mini-rl" / "model.safetensors"
    with safe_open(file, "np") as weights:
        parameters = sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    study = read_study(HERE / "results/mini/study.json")
    return (HERE / "templates/card.md").read_text(encoding="utf-8").format(
        parameters=parameters / 1e6,
        megabytes=file.stat().st_size / 1e6,
        results=join(results(study)).strip(),
        biased=in_short(read_study(HERE / "results/biased/study.json")),
        error=study["world"]["teacher_error"],
        difficulty=study["world"]["difficulty"],
    )  # fmt: skip


def results_json_page() -> str:
    """The record of a result, and the rules by which a question's words choose its task."""
    head = "# Results as JSON, and how a question finds its task\n\n## The record\n\n"
    rules = "\n\n## Which task a question is (`--task auto`)\n\n"
    return head + cleandoc(record.__doc__ or "") + rules + cleandoc(infer.__doc__ or "") + "\n"


SOURCES_HEAD = """\
# Data sets

The {count} readers of public data sets that `data build`, `data convert` and `eval --suite` share. `onethinker data
sources NAME` shows the layout that one expects in its folder. Nothing is fetched for you: get a set from its owner, and
mind its licence, which is noted here as a help and not as advice; \"not looked up\" and \"not stated\" mean what they
say. The layout of each is read as the program named under *read as by* reads it; *conversion* says that it is not the
owner's own file.

## The paper's Figure 3

What `onethinker data build onethinker_600k` looks for below `--data-root`: each set by the first way that is there,
`reader` in its folder.

| group | set | ways to have it | why its owner's own files are not read |
|---|---|---|---|"""

READERS_HEAD = """\

## Readers

The split to train on is in bold; its truths are of the task named or, in some rows, of one related to it.

| name | task | splits | licence | read as by |
|---|---|---|---|---|"""


def sources_page() -> str:
    """Figure 3's sets with the ways to have them, then every reader."""
    lines = SOURCES_HEAD.format(count=len(SOURCES)).split("\n")
    for part in PARTS:
        ways = ", ".join(f"`{way.reader}` in {way.folder}/" for way in part.ways)
        lines.append(f"| {part.group} | {part.title} | {ways} | {part.unread or '–'} |")
    lines += READERS_HEAD.split("\n")
    for source in SOURCES.values():
        splits = ", ".join(f"**{split}**" if split == source.train else split for split in source.splits)
        cells = (f"`{source.name}`", source.task, splits, source.licence, source.evidence)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("*.", "\\*.") for cell in cells) + " |")
    return "\n".join([*lines, ""])


PAGES = {
    f"{WEIGHTS}/README.md": card_page,
    f"{WEIGHTS}/mini-plus/README.md": lambda: study_page(HERE / "results/mini_plus/study.json")["README.md"],
    "tasks.md": tasks_page,
    "benchmarks.md": benchmarks_page,
    "sources.md": sources_page,
    "commands.md": commands_page,
    "recipe.md": recipe_page,
    "corpus.md": corpus_page,
    "results_json.md": results_json_page,
    "serve.md": serve_page,
    "results/README.md": results_index,
    **results_pages(),
    **task_pages(),
}


def main(check: bool) -> int:
    """Write the pages, or name those that differ from what would be written."""
    drifted = []
    for name, make in PAGES.items():
        file, text = HERE / name, make()
        if check and (not file.exists() or file.read_text(encoding="utf-8") != text):
            drifted.append(name)
        elif not check:
            file.write_text(text, encoding="utf-8")
    if drifted:
        print(f"drifted: {', '.join(drifted)}; run `make docs`", file=sys.stderr)
    return len(drifted)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
