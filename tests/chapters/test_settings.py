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
