"""verdict: right answers, wrong ones, and those that are not written yet."""

import os
import subprocess
import sys

import pytest
import torch
from torch.testing import assert_close

from attention_book.chapters.exercises import verdict


def check(answer):
    assert_close(answer(torch.ones(3)), torch.full((3,), 2.0))


def fails():
    raise NotImplementedError


def test_a_right_answer_passes(capsys):
    assert verdict(check, lambda x: 2 * x)
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x: 3 * x, "not yet: Tensor-likes are not close!\n"),
        (lambda x: ..., "not yet: "),
        (lambda x: fails(), "not yet: NotImplementedError\n"),
    ],
    ids=["wrong", "stub", "raises"],
)
def test_any_other_answer_does_not_and_stops_nothing(capsys, answer, said):
    assert not verdict(check, answer)
    out = capsys.readouterr().out
    assert out.startswith(said)
    assert out.count("\n") == 1


def test_a_wrong_answer_is_not_called_right_where_asserts_are_skipped():
    program = """
from attention_book.chapters.exercises import verdict

def check(answer):
    assert answer == 4

verdict(check, 5)
"""
    for variables in {"PYTHONOPTIMIZE": "1"}, {"PYTHONOPTIMIZE": ""}:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
        )
        assert "right" not in done.stdout
        if variables["PYTHONOPTIMIZE"]:
            assert "RuntimeError: Python runs optimised" in done.stderr
        else:
            assert done.stdout.startswith("not yet")


def test_an_interrupt_is_no_answer():
    def stop(answer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verdict(stop, None)
