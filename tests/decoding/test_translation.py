"""translate: every source once, in order, whatever the batches."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from attention_book.decoding.translation import translate

EOS, BOS, VOCAB = 0, 1, 7


class Copy(nn.Module):
    """Writes the source's words, one a step; the state holds what remains."""

    def start(self, source, source_mask):
        return nn.functional.pad(source.where(source_mask, EOS), (0, 1), value=EOS)

    def step(self, ids, state):
        return nn.functional.one_hot(state[:, 0], VOCAB) * 20.0, state.roll(-1, dims=1)


@dataclass
class Batch:
    source: torch.Tensor
    source_mask: torch.Tensor

    def to(self, device):
        return Batch(self.source.to(device), self.source_mask.to(device))


BATCHES = [
    Batch(torch.tensor(rows), torch.tensor(rows) != 0)
    for rows in ([[2, 3, 4], [5, 0, 0]], [[6, 2]])
]
SOURCES = [(2, 3, 4), (5,), (6, 2)]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_all_sources_in_their_order(beam_size):
    model = Copy().train()
    found = translate(
        model,
        BATCHES,
        bos=BOS,
        eos=EOS,
        max_tokens=5,
        beam_size=beam_size,
        device="cpu",
    )
    assert [hypothesis.tokens for hypothesis in found] == SOURCES
    assert all(hypothesis.finished for hypothesis in found)
    assert not model.training


def test_an_output_that_is_too_long_is_cut():
    found = translate(Copy(), BATCHES, bos=BOS, eos=EOS, max_tokens=2, device="cpu")
    assert [hypothesis.tokens for hypothesis in found] == [(2, 3), (5,), (6, 2)]
    assert [hypothesis.finished for hypothesis in found] == [False, True, False]


def test_a_beam_below_one_is_an_error():
    with pytest.raises(ValueError, match="beam_size must be at least 1, got 0"):
        translate(Copy(), BATCHES, bos=BOS, eos=EOS, max_tokens=5, beam_size=0)
