import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.ndimage import uniform_filter1d

from onethinker.report.curves import curve, smooth, stage_panels, status_panel, task_panels, thin
from onethinker.util.runs import RunError


def test_smoothing_is_scipys_inside_and_shrinks_at_the_ends():
    values = np.random.default_rng(0).normal(size=60)
    ours = smooth(values.tolist(), 7)
    assert ours[3:-3] == pytest.approx(uniform_filter1d(values, 7)[3:-3])
    assert ours[0] == pytest.approx(values[:4].mean())
    assert ours[-1] == pytest.approx(values[-4:].mean())


def test_gaps_are_left_out_of_the_mean():
    assert smooth([1.0, math.nan, 3.0], 3) == [1.0, 2.0, 3.0]
    assert math.isnan(smooth([math.nan], 3)[0])


def test_thinning_keeps_the_mean():
    x = list(range(10_000))
    few_x, few_y = thin(x, [2.0 * v for v in x], 100)
    assert len(few_x) == 100 and np.mean(few_y) == pytest.approx(np.mean(x) * 2)
    assert thin([1, 2], [3, 4]) == ([1, 2], [3, 4])


def test_values_that_are_not_there_are_not_drawn():
    rows = [{"step": 1}, {"step": 2, "kl": None}, {"step": 3, "kl": 0.5}]
    found = curve(rows, "kl", "KL", "c")
    assert found is not None and list(found.x) == [3.0]
    assert curve(rows, "entropy", "Entropy", "c") is None
    assert len(stage_panels(rows, "rl")) == 1


def test_a_panel_a_task_in_the_order_of_the_titles():
    rows = [{"step": k, "reward/ocr": 0.1, "reward/zz": 0.2, "ema_std/math": 0.3} for k in range(3)]
    curves, panels = task_panels(rows, {"math": "Mathematics", "ocr": "Text recognition"})
    assert [panel.title for panel in panels] == ["Mathematics", "Text recognition", "zz"]
    assert {curve.label for curve in curves} == {"mean reward", "EMA standard deviation"}
    assert task_panels([], {}) == ([], [])


def test_statuses_of_rollouts(run_folder):
    panel = status_panel(sorted((run_folder / "rl" / "rollouts").glob("*.parquet")))
    assert panel is not None and panel.named
    assert {curve.label for curve in panel.curves} >= {"OK", "Cut off"}
    assert "Malformed" not in {curve.label for curve in panel.curves}
    assert status_panel([]) is None


def test_a_file_of_rollouts_that_is_cut_off_is_named(tmp_path):
    file = tmp_path / "step-000001.parquet"
    pq.write_table(pa.table({"step": [1], "other": ["ok"]}), file)
    whole = file.read_bytes()
    for content in (whole, whole[:50], b""):
        file.write_bytes(content)
        with pytest.raises(RunError, match=r"step-000001.parquet does not hold rollouts \(.*or be cut off: remove it"):
            status_panel([file])
