"""A beam search that remembers: it keeps what the fast one keeps."""

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


@pytest.mark.parametrize("wrong", [{"beam_size": 0}, {"max_tokens": 0}])
def test_sizes_below_one_are_an_error(wrong):
    sizes = {"beam_size": 2, "bos": 0, "eos": 0, "max_tokens": 3} | wrong
    with pytest.raises(ValueError, match="must be at least 1, got"):
        trace_beams(lambda ids, state: (torch.zeros(len(ids), 3), state), None, **sizes)
