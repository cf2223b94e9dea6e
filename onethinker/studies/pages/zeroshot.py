"""The page of `onethinker bench zeroshot`: question types that no training data has, before SFT, after it, after RL."""

from __future__ import annotations

from onethinker.studies.contrasts import Contrast, read_contrasts
from onethinker.studies.pages import markdown as md
from onethinker.studies.pages.figures import forest
from onethinker.studies.pages.markdown import Page, Study

STAGES = {"before": "Before SFT", "sft": "After SFT", "rl": "After RL"}
NAMES = {
    "point_tracking": "Point tracking",
    "quality": "Image quality",
    "anomaly": "Anomaly",
    "rotated_box": "Rotated box",
    "tilt": "Tilt",
    "gui": "GUI page",
    "unseen_count": "Counting unseen combinations",
    "seen_count": "Control: counting seen ones",
    "mean": "Mean over new kinds",
}


def page(study: Study) -> Page:
    """The whole page."""
    contrasts = read_contrasts(study)
    pictures = {}
    for measure in md.TITLES:
        rows = {NAMES.get(c.target, c.target): c.estimate for c in contrasts if c.measure == measure}
        heading = f"{md.ANSWERS[measure]}: RL − SFT, {md.UNIT[measure]}"
        axis = "a dot is a seed, the bar the 95% interval of their mean"
        pictures[f"{measure}.svg"] = forest(heading, rows, measure, axis)

    def name(contrast: Contrast) -> tuple[str, str]:
        return "RL − SFT", NAMES.get(contrast.target, contrast.target)

    new = [kind for kind in study["kinds"] if kind != study["control"]]
    parts = [
        "# Beyond what it was trained on",
        f"{len(new)} kinds of question that no training data has and one that it has, as a control; "
        f"{study['questions']:,} questions, {md.counted(study['settings']['seeds'], 'seed')} of RL. Each kind is asked "
        "in the form of one of the trained tasks, with its metric, on pictures of difficulty 0, as in SFT."
        f"{md.left_out_words(study['left_out'])}",
        *md.contrast_section(contrasts, name),
        *(f"![RL minus SFT, kind by kind]({file})" for file in pictures),
        "## Results",
        *(part for measure, title in md.TITLES.items() for part in (f"**{title}**", _table(study, measure))),
        "After RL: means over seeds with 95% intervals, not corrected; the other models were made once. Best fixed "
        "answer: the best of the kind's truths, given to all its questions; who never looks gets that. Guessing: who "
        "sees the things or buttons and picks any. The released reward gives a well-formed wrong answer up to 0.6, so "
        "form is in the rewards too.",
        "## Was it really not trained on?",
        md.table(("", "Samples", "With such a phrase"), [_search(row) for row in study["trained_on"]]),
        "Everything that was trained on, searched for the words of the new questions; of a shipped model, the record "
        "of that search which comes with it. – where the data are not at hand.",
        *md.provenance(study),
    ]
    return {"README.md": md.join(parts), **pictures}


def _table(study: Study, measure: str) -> str:
    scores, rows = study["scores"][measure], []
    for kind in scores["rl"]:
        guesses = [md.number(measure, study[known].get(kind)) for known in ("blind", "guessed")]
        cells = [md.of_seeds(measure, scores[stage][kind]) for stage in STAGES]
        form = study["kinds"].get(kind, "").replace("_", " ")
        rows.append((NAMES.get(kind, kind), form, *(guesses if measure == "headline" else []), *cells))
    guess = ("Best fixed answer", "Guessing") if measure == "headline" else ()
    return md.table(("Kind", "Asked and measured as", *guess, *STAGES.values()), rows, words=2)


def _search(row: dict[str, int | str | None]) -> tuple[str, str, str]:
    n, found = (md.NOTHING if row[key] is None else f"{row[key]:,}" for key in ("n", "found"))
    return f"{row['data']} data", n, found
