"""A chapter's parameters: what is chosen, and what is refused at once."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from attention_book.chapters.settings import choose_settings

GIVEN = {"preset": "quick", "seed": 3, "device": "cpu", "epochs": None, "limit": None}
PRESETS = {
    "quick": {"epochs": 5, "hidden_dims": (2, 7)},
    "full": {"epochs": 11, "hidden_dims": (13,)},
}


def choose(**changed):
    return choose_settings(**{**GIVEN, **PRESETS, **changed})


def test_settings_of_the_preset():
    settings = choose(preset="full")
    assert vars(settings) == {
        "preset": "full",
        "seed": 3,
        "device": torch.device("cpu"),
        "shortened": False,
        "epochs": 11,
        "limit": None,
        "hidden_dims": (13,),
    }
    assert choose().hidden_dims == (2, 7)
    assert "hidden_dims=(2, 7)" in repr(choose())
    with pytest.raises(AttributeError, match="hidden_dim"):
        choose().hidden_dim  # noqa: B018


def test_neither_checkpoints_nor_systems_are_what_results_depend_on(tmp_path):
    partial = choose(checkpoints=tmp_path, systems="a", known_systems=("a", "b"))
    assert vars(partial) == vars(choose())
    alone = choose()
    assert (alone.checkpoints, alone.systems, alone.datasets) == (None, None, ())


def test_the_presets_are_at_hand_but_decide_no_result():
    settings = choose(preset="full", epochs=1)
    assert settings.presets == PRESETS
    assert "presets" not in vars(settings)


def test_the_page_shows_all_settings_folded():
    long = {f"size_{number}": number for number in range(9)}
    sizes = {"quick": {"sizes": long}, "full": {"sizes": {}}}
    text = choose(**sizes)._repr_markdown_()
    assert text.startswith("<details><summary>Settings of this run</summary>\n\n")
    assert text.endswith("\n\n</details>")
    code = text.split("```python\n")[1].split("\n```")[0]
    assert max(map(len, code.splitlines())) <= 80
    shown = {}
    exec(code, shown)
    chosen = vars(choose(**sizes)) | {"device": "cpu"}
    assert {name: shown[name] for name in chosen} == chosen


def test_a_shortened_run_says_so():
    assert choose(epochs=1).epochs == 1
    assert choose(epochs=1).shortened
    assert choose(limit=17).limit == 17
    assert choose(limit=17).shortened
    assert choose(limit=17).epochs == 5
    assert PRESETS["quick"]["epochs"] == 5  # the chapter's own dict stays as it is


def test_a_preset_may_have_a_limit_and_no_epochs():
    presets = {"quick": {"limit": 2}, "full": {"limit": None}}
    settings = choose(**presets)
    assert (settings.limit, settings.epochs, settings.shortened) == (2, None, False)
    assert choose(limit=19, **presets).limit == 19


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"preset": "fast"}, ValueError, '"quick" or "full", got \'fast\''),
        ({"preset": 1}, ValueError, '"quick" or "full", got 1'),
        ({"seed": "0"}, TypeError, r"seed must be an integer, got '0' \(str\)"),
        ({"seed": True}, TypeError, r"seed must be an integer, got True"),
        ({"seed": -1}, ValueError, "seed must be from 0 .* got -1"),
        ({"device": "gpu"}, ValueError, r'"auto", "cpu", .* got \'gpu\''),
        ({"device": None}, ValueError, r'"auto", "cpu", .* got None'),
        ({"epochs": "1"}, TypeError, r"epochs must be None or an.* got '1' \(str\)"),
        ({"epochs": 1.0}, TypeError, r"epochs must be None or an.* got 1.0 \(float\)"),
        ({"epochs": 0}, ValueError, "epochs must be None or at least 1, got 0"),
        ({"limit": True}, TypeError, r"limit must be None or an.* got True \(bool\)"),
        ({"limit": -5}, ValueError, "limit must be None or at least 1, got -5"),
        ({"quick": {"epochs": 1}}, ValueError, "only one of them has hidden_dims"),
        (
            {"quick": {"seed": 1}, "full": {"seed": 2}},
            ValueError,
            "a preset must not set seed",
        ),
    ],
)
def test_wrong_parameters(changed, error, message, no_shape_checks):
    with pytest.raises(error, match=message):
        choose(**changed)


def test_without_a_folder_there_are_no_checkpoints():
    settings = choose()
    assert [settings.checkpoint("one"), settings.checkpoint("one")] == [None, None]


def test_checkpoints_lie_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = choose(checkpoints="~/new/runs")
    folder = tmp_path / "new" / "runs"
    assert settings.checkpoints == folder
    assert not folder.exists(), "it is created when it is needed"
    assert settings.checkpoint("RNNsearch") == folder / "RNNsearch.pt"
    names = {
        "local-m, D = 10": "local-m-D-10",
        "../up/and\\down": "up-and-down",
        "no attention: ½": "no-attention",
        "ABCNN-1.b+": "ABCNN-1.b+",
    }
    for name, stem in names.items():
        assert settings.checkpoint(name) == folder / f"{stem}.pt"
    assert [file.name for file in folder.iterdir()] == ["settings.json"]


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = choose(checkpoints="runs")
    assert settings.checkpoint("one") == tmp_path / "runs" / "one.pt"


def test_each_training_run_has_a_file_of_its_own(tmp_path):
    settings = choose(checkpoints=str(tmp_path))
    settings.checkpoint("dot product")
    again = r"checkpoint 'dot product' is in use already: give each training run a name"
    with pytest.raises(ValueError, match=again):
        settings.checkpoint("dot product")
    same_file = r"'Dot: product' \(the same file as 'dot product'\) is in use already"
    with pytest.raises(ValueError, match=same_file):
        settings.checkpoint("Dot: product")
    with pytest.raises(ValueError, match=r"name must have a letter .*, got '½ -'"):
        settings.checkpoint("½ -")
    # The cell with the settings, run again, begins a new run.
    assert choose(checkpoints=tmp_path).checkpoint("dot product")


def test_a_folder_belongs_to_one_run(tmp_path):
    """Another seed would otherwise be given the weights of the first one."""
    choose(checkpoints=tmp_path).checkpoint("model")
    other = "settings.json is of another run: "
    for changed, message in (
        ({"seed": 4}, "seed is 3 there, 4 here"),
        ({"preset": "full"}, "preset is 'quick' there, 'full' here; epochs is 5"),
        ({"limit": 2}, "shortened is False there, True here; .*limit is None there"),
    ):
        with pytest.raises(ValueError, match=other + message):
            choose(checkpoints=tmp_path, **changed).checkpoint("model")
    (tmp_path / "settings.json").write_text("half")
    with pytest.raises(ValueError, match="checkpoints must be a folder for this run"):
        choose(checkpoints=tmp_path).checkpoint("model")


@pytest.mark.parametrize(
    ("folder", "error", "message"),
    [
        ("", ValueError, "None or the name of a folder, got ''"),
        (3, TypeError, r"None or the name of a folder, got 3 \(int\)"),
        (True, TypeError, r"None or the name of a folder, got True \(bool\)"),
        ("{}/file", ValueError, "None or a folder, got .*/file: .*/file is a file"),
        ("{}/file/in", ValueError, "None or a folder, got .*/in: .*/file is a file"),
    ],
)
def test_what_cannot_be_a_folder(folder, error, message, tmp_path, no_shape_checks):
    (tmp_path / "file").touch()
    if isinstance(folder, str):
        folder = folder.format(tmp_path)
    with pytest.raises(error, match="checkpoints must be " + message):
        choose(checkpoints=folder)


def test_systems_are_chosen_by_name():
    known = {"known_systems": ("BCNN", "ABCNN-1")}
    assert choose(**known).systems is None
    assert choose(systems="BCNN", **known).systems == ("BCNN",)
    assert choose(systems=" ABCNN-1,BCNN ", **known).systems == ("ABCNN-1", "BCNN")


@pytest.mark.parametrize(
    ("systems", "error", "message"),
    [
        ("GRU", ValueError, "different names out of BCNN, ABCNN-1, got 'GRU'"),
        ("", ValueError, "different names out of BCNN, ABCNN-1, got ''"),
        ("BCNN,", ValueError, "different names out of .* got 'BCNN,'"),
        ("BCNN, BCNN", ValueError, "different names out of .* got 'BCNN, BCNN'"),
        (["BCNN"], TypeError, r"names separated by commas, got \['BCNN'\] \(list\)"),
    ],
)
def test_wrong_systems(systems, error, message, no_shape_checks):
    with pytest.raises(error, match="systems must be None or " + message):
        choose(systems=systems, known_systems=("BCNN", "ABCNN-1"))


def test_a_data_set_is_chosen_by_name(no_shape_checks):
    known = {"preset": "full", "known_datasets": ("WikiQA", "TrecQA")}
    assert choose(**known).datasets == ("WikiQA", "TrecQA")
    assert choose(dataset="TrecQA", **known).datasets == ("TrecQA",)
    one = {"systems": "BCNN", "known_systems": ("BCNN",)}
    assert choose(**one, **known).datasets == ("WikiQA",)
    assert choose(**one, dataset="TrecQA", **known).datasets == ("TrecQA",)
    assert vars(choose(dataset="TrecQA", **known)) == vars(choose(preset="full"))
    message = "dataset must be None or one of WikiQA, TrecQA with this preset, got 'SI"
    with pytest.raises(ValueError, match=message):
        choose(dataset="SICK", **known)
    with pytest.raises(ValueError, match="one of none with this preset, got 'WikiQA'"):
        choose(**known | {"preset": "quick", "dataset": "WikiQA"})
    with pytest.raises(ValueError, match="one of none with this preset, got 3"):
        choose(dataset=3)


def test_a_chapter_without_systems():
    with pytest.raises(ValueError, match="out of none, got 'BCNN'"):
        choose(systems="BCNN")


def test_integers_of_numpy_are_integers(no_shape_checks):
    given = {"seed": np.int64(2), "epochs": np.int32(3), "limit": np.uint8(4)}
    settings = choose(**given)
    chosen = settings.seed, settings.epochs, settings.limit
    assert chosen == (2, 3, 4)
    assert {type(value) for value in chosen} == {int}


def test_a_chapter_states_its_smallest_limit():
    assert choose(limit=7, least_limit=7).limit == 7
    with pytest.raises(ValueError, match="limit must be None or at least 7, got 6"):
        choose(limit=6, least_limit=7)
    assert choose(epochs=1, least_limit=7).epochs == 1


def test_a_python_that_skips_asserts_is_refused():
    program = "from attention_book.chapters.settings import choose_settings as c; "
    program += f"c(quick={{}}, full={{}}, **{GIVEN})"
    for option, status in ("-O", 1), ("-B", 0):
        command = [sys.executable, option, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        assert ("RuntimeError: Python runs optimised" in done.stderr) == status


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r'device is "cuda", .* no such device here'):
        choose(device="cuda")
