"""A beam search that remembers: it keeps what the fast one keeps."""

import math

import pytest
import torch

from attention_book.decoding.beams import Beam, trace_beams
from attention_book.decoding.search import beam_search


def random_step(seed, vocab=5):
    """Log-probabilities that depend on the last token and on the number of steps."""
    table = torch.randn(
        7, vocab, vocab, generator=torch.Generator().manual_seed(seed)
    ).double()

    def step(ids, state):
        return table[state.remainder(7), ids], state + 1

    return step


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("beam_size", [1, 2, 3])
def test_the_best_complete_prefix_is_that_of_the_fast_search(seed, beam_size):
    sizes = {"beam_size": beam_size, "bos": 1, "eos": 2, "max_tokens": 9}
    state = torch.zeros(1, dtype=torch.long)
    steps = trace_beams(random_step(seed), state, **sizes)
    (wanted,) = beam_search(random_step(seed), state, batch_size=1, **sizes)
    complete = [beam for kept in steps for beam in kept if beam.tokens[-1] == 2]
    if wanted.finished:
        best = max(complete, key=lambda beam: beam.log_prob)
        assert best.tokens[:-1] == wanted.tokens
        assert best.log_prob == pytest.approx(wanted.log_prob, abs=1e-4)
    else:
        assert not complete


def test_each_prefix_continues_its_parent_and_is_as_probable_as_its_words():
    step, state = random_step(3), torch.zeros(1, dtype=torch.long)
    steps = trace_beams(step, state, beam_size=3, bos=1, eos=2, max_tokens=6)
    before = [Beam((), 0.0, 0)]
    for number, kept in enumerate(steps):
        assert [b.log_prob for b in kept] == sorted(
            (b.log_prob for b in kept), reverse=True
        )
        for beam in kept:
            parent = before[beam.parent]
            assert beam.tokens[:-1] == parent.tokens
            last = parent.tokens[-1] if parent.tokens else 1
            logits, _ = step(torch.tensor([last]), torch.tensor([number]))
            own = logits.log_softmax(-1)[0, beam.tokens[-1]].item()
            assert beam.log_prob == pytest.approx(parent.log_prob + own, abs=1e-4)
        before = kept


def test_a_complete_prefix_narrows_the_beam():
    def step(ids, state):  # <eos> first, then a word, then nothing else
        return torch.tensor([[0.1, -9.0, 2.0, 1.0]]).expand(len(ids), -1), state

    sizes = {"bos": 1, "eos": 2, "max_tokens": 9}
    steps = trace_beams(step, None, beam_size=2, **sizes)
    assert [len(kept) for kept in steps] == [2, 1]


def test_an_impossible_prefix_is_not_kept():
    table = torch.tensor([[0.0, 0.6, 0.4], [0.4, 0.6, 0.0], [1.0, 0.0, 0.0]])
    sizes = {"beam_size": 3, "bos": 0, "eos": 0, "max_tokens": 2}
    steps = trace_beams(lambda ids, s: (table[ids].log(), s), None, **sizes)
    kept = [[beam.tokens for beam in beams] for beams in steps]
    assert kept == [[(1,), (2,)], [(2, 0), (1, 1), (1, 0)]]


def test_sums_are_not_rounded_to_half_precision():
    sizes = {"beam_size": 1, "bos": 0, "eos": 1, "max_tokens": 30}
    logits = torch.tensor([[1.0, 0.0]], dtype=torch.bfloat16)
    last = trace_beams(lambda ids, s: (logits, s), None, **sizes)[-1][0]
    assert last.log_prob == pytest.approx(30 * logits.double().log_softmax(1)[0, 0])


def test_logits_without_a_distribution_are_an_error():
    def step(ids, state):  # NaN at the second step
        logits = torch.tensor([[1.0, 0.0, 2.0]]).expand(len(ids), -1)
        return logits * (math.nan if ids[0] == 2 else 1.0), state

    sizes = {"beam_size": 2, "bos": 0, "max_tokens": 9}
    with pytest.raises(FloatingPointError, match="NaN at step 1"):
        trace_beams(step, None, eos=1, **sizes)
    with pytest.raises(ValueError, match="eos must be an id below 3, got 7"):
        trace_beams(step, None, eos=7, **sizes)


@pytest.mark.parametrize("wrong", [{"beam_size": 0}, {"max_tokens": 0}])
def test_sizes_below_one_are_an_error(wrong):
    sizes = {"beam_size": 2, "bos": 0, "eos": 0, "max_tokens": 3} | wrong
    with pytest.raises(ValueError, match="must be at least 1, got"):
        trace_beams(lambda ids, state: (torch.zeros(len(ids), 3), state), None, **sizes)
