"""A plugin is a file that is imported once; one that fails names its line; every process of ours imports the same."""

from __future__ import annotations

import hashlib
import importlib.metadata
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import EntryPoint

import pytest

from onethinker.engines.base import Sampling
from onethinker.media import MediaBudget
from onethinker.scoring.results import Settings
from onethinker.tasks.rewards import REWARDS, known_reward
from onethinker.util import plugins
from onethinker.util.plugins import VARIABLE, PluginError, load_plugins, plugin_first, plugin_identity

MINE = """
from dataclasses import dataclass
from onethinker.tasks.rewards import REWARDS, Reward

@dataclass
class Half:
    share: "float" = 0.5

REWARDS["mine"] = Reward(lambda score: Half().share * score.accuracy, lambda paper_max: 0.5)
"""


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch):
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setitem(REWARDS, "mine", None)
    del REWARDS["mine"]


@pytest.fixture
def mine(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    return file


def test_a_file_is_imported_once_and_identified_by_its_content(mine, monkeypatch, tmp_path):
    settings = Settings("e", "p", Sampling(), MediaBudget(), "official")
    before = settings.digest()
    assert plugin_identity() == {}
    monkeypatch.chdir(tmp_path)
    load_plugins(["mine.py"])
    first = REWARDS["mine"]
    load_plugins([mine])
    assert REWARDS["mine"] is first and os.environ[VARIABLE] == str(mine)
    assert plugin_identity() == {"plugins": {"mine.py": hashlib.sha256(MINE.encode()).hexdigest()[:16]}}
    assert settings.digest() != before


def test_processes_that_are_started_import_it_too(mine):
    load_plugins([mine])
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), load_plugins) as pool:
        assert pool.submit(known_reward, "mine").result(timeout=100) == "mine"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x = 1\nraise ValueError('no')\n", r"mine\.py, line 2: the plugin failed: ValueError: no"),
        ("x = 1\n\ny = (\n", r"mine\.py, line 3: the plugin failed: SyntaxError"),
        ("import nothing_of_that_name\n", r"mine\.py, line 1: .*ModuleNotFoundError"),
    ],
)
def test_a_file_that_fails_names_its_line(content, said, mine):
    mine.write_text(content)
    with pytest.raises(PluginError, match=said):
        load_plugins([mine])
    assert plugin_identity() == {} and not os.environ[VARIABLE]
    assert not [
        name
        for name in sys.modules
        if name.startswith("onethinker_plugin_" + hashlib.sha256(content.encode()).hexdigest()[:16])
    ]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(PluginError, match=r"--plugin .*gone\.py: cannot be read \(No such file"):
        load_plugins([tmp_path / "gone.py"])


def test_installed_ones_are_found_by_their_entry_point(mine, monkeypatch):
    monkeypatch.syspath_prepend(mine.parent)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [EntryPoint("own", "mine", group)])
    load_plugins()
    assert known_reward("mine") and list(plugin_identity()["plugins"]) == ["own"]
    monkeypatch.setattr(plugins, "entry_points", lambda group: [EntryPoint("own", "gone_for_good", group)])
    with pytest.raises(PluginError, match=r"installed plugin 'own' \(gone_for_good\)"):
        load_plugins()
    assert importlib.metadata.entry_points(group=plugins.GROUP) is not None


def test_it_may_stand_anywhere_on_the_command_line():
    words = ["rl", "mini", "--plugin", "a.py", "--set", "x=1", "--plugin=b.py"]
    assert plugin_first(words) == ["--plugin", "a.py", "--plugin=b.py", "rl", "mini", "--set", "x=1"]
    assert plugin_first(["ask", "--", "--plugin"]) == ["ask", "--", "--plugin"]
    assert plugin_first(["ask", "--plugin"]) == ["ask", "--plugin"]
