"""A corpus of a small world and a folder of one's own: build it, look at it, hand it on.

    python examples/build_a_corpus.py [FOLDER]

`onethinker data build mine.yaml --data-root FOLDER/data --out FOLDER/corpus` does the same with the recipe in a file.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from onethinker import Sample, load_samples, save_samples
from onethinker.corpus.build import build
from onethinker.corpus.export import export
from onethinker.corpus.recipe import load_corpus_recipe
from onethinker.data.worlds import build_world
from onethinker.media import write_image

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
data = folder / "data"
build_world(data / "world", n=60, seed=0, validation=1, test=1)
for grey in range(6):
    write_image(data / f"greys/{grey}.png", np.full((32, 32, 3), 40 * grey, np.uint8))
greys = [
    Sample(f"{grey}", "numerical", "image", "How bright is it, from 0 to 255?", str(40 * grey), media=(f"{grey}.png",))
    for grey in range(6)
]
save_samples(greys, data / "greys/samples.jsonl")

(folder / "mine.yaml").write_text("""
images: 0.5
sources:
  own/world: {samples: world, cap: 40}
  own/greys: {samples: greys, licence: CC0-1.0}
  spatial/RefCOCO: {reader: refcoco, cap: 1000}
""")
made = build(load_corpus_recipe(str(folder / "mine.yaml")), data, folder / "corpus")
for line in made.shortfalls:
    print(f"short: {line}")
kinds = made.counts(1)
assert abs(kinds["image"] - kinds["video"]) <= 1, kinds
assert len(load_samples(folder / "corpus")) == made.samples

tars = export(folder / "corpus", folder / "tars", "webdataset")
print(f"{made.samples} samples: {kinds}; page in {folder / 'corpus/report/index.html'}")
print(f"handed on as {tars.read_by}")
