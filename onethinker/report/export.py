"""A run's results as files for other documents: Markdown, LaTeX and JSON."""

from __future__ import annotations

import json
from pathlib import Path

from onethinker.report import suite, tables
from onethinker.report.read import Run
from onethinker.report.suite import Suite
from onethinker.util.files import write_whole


def results_of(run: Run) -> list[tables.Table]:
    """Every table of results, the first ones first to be read; none for a run that was not measured."""
    found: list[tables.Table] = []
    if run.suite:
        measured = Suite.of(run.suite)
        found += [suite.results_table(measured), *suite.reading_tables(measured), suite.metrics_table(measured)]
    if run.evaluations:
        last = (run.main or run.evaluations)[-1]
        sampled = tables.sampled_table(run.evaluations)
        found += [tables.headline_table(run.evaluations), *([sampled] if sampled else [])]
        found += [tables.reading_table(run.evaluations), tables.reading_by_task_table(last)]
        found.append(tables.metrics_table(run.evaluations))
    return found


def write_results(run: Run, page: Path) -> list[Path]:
    """Beside the page, under its name: Markdown, LaTeX (for `booktabs`) and JSON (the summaries, by folder).

    Writes nothing, and returns nothing, where nothing was measured.
    """
    found = results_of(run)
    if not found:
        return []
    every = {str(e.folder.relative_to(run.folder)): e.summary for e in [*run.evaluations, *run.suite]}
    written = {
        page.with_suffix(".md"): "\n".join(map(tables.to_markdown, found)),
        page.with_suffix(".tex"): "\n".join(map(tables.to_latex, found)),
        page.with_suffix(".json"): json.dumps(every, indent=1, ensure_ascii=False) + "\n",
    }
    for file, text in written.items():
        write_whole(file, text)
    return list(written)
