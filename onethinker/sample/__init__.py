"""A `Sample`: one question about images or a clip, with its truth as given.

Three file forms are read and written, told apart by their content:

- *published*: the OneThinker JSON list (`problem_id, problem, data_type, problem_type, options, solution, path, ...`);
- *sft*: chat records (`messages` + `images` / `videos`), whose last assistant message is the answer to learn;
- *native*: JSON lines or Parquet with this dataclass's own fields.

Boxes and points run from 0 to 1000 of the frame's width and height (Qwen3-VL's convention), times are in seconds.
"""

from onethinker.sample.files import check_storable, load_samples, save_samples
from onethinker.sample.forms import from_published, from_sft, parse_row, strip_answer, to_native, to_published, to_sft
from onethinker.sample.record import MODALITIES, DataError, Modality, Sample, Samples, resolve_under

__all__ = [
    "MODALITIES",
    "DataError",
    "Modality",
    "Sample",
    "Samples",
    "check_storable",
    "from_published",
    "from_sft",
    "load_samples",
    "parse_row",
    "resolve_under",
    "save_samples",
    "strip_answer",
    "to_native",
    "to_published",
    "to_sft",
]
