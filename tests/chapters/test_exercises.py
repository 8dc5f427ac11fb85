"""verdict: right answers, wrong ones, and those that are not written yet."""

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


def test_an_interrupt_is_no_answer():
    def stop(answer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verdict(stop, None)
