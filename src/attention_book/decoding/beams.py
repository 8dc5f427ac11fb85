"""A beam search that can be read, and that remembers every prefix it kept."""

from dataclasses import dataclass

import torch
from torch import Tensor

from attention_book.decoding.search import Step
from attention_book.decoding.state import State, select_rows, state_device
from attention_book.functional import check_counts


@dataclass(frozen=True)
class Beam:
    """A prefix that a beam search has kept.

    Attributes:
        tokens: ids without ``<bos>``; ``<eos>`` is the last one if it is complete.
        log_prob: log-probability of its tokens, in nats.
        parent: number of the prefix, among those of the step before, that it continues.
    """

    tokens: tuple[int, ...]
    log_prob: float
    parent: int


@torch.no_grad()
def trace_beams(
    step: Step, state: State, *, beam_size: int, bos: int, eos: int, max_tokens: int
) -> list[list[Beam]]:
    """Search for one sentence; return the prefixes that were kept at each step.

    It keeps what :func:`attention_book.decoding.search.beam_search` keeps, which
    searches for many sentences at once. A complete prefix leaves the beam and makes it
    one narrower. The search ends when the beam is empty or its prefixes are too long.

    Args:
        step: from the last tokens and the state to logits and the next state.
        state: the first state of ``step``, with one row.
        beam_size: largest number of prefixes, at most the size of the vocabulary.
        bos: id that starts an output.
        eos: id that ends an output.
        max_tokens: longest output in tokens, ``<eos>`` included.

    Returns:
        For each step its prefixes, the most probable first.

    Raises:
        ValueError: if ``beam_size`` or ``max_tokens`` is less than 1, or ``eos`` is
            not in the vocabulary.
        FloatingPointError: if the logits of a step give no distribution.

    Example:
        >>> table = torch.tensor([[0.0, 0.6, 0.4], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0]])
        >>> def step(ids, state):  # p(next | last); 0 is <bos> and <eos>
        ...     return table[ids].log(), state
        >>> sizes = {"beam_size": 2, "bos": 0, "eos": 0, "max_tokens": 5}
        >>> [[b.tokens for b in beams] for beams in trace_beams(step, None, **sizes)]
        [[(1,), (2,)], [(2, 0), (1, 0)]]
    """
    check_counts(beam_size=beam_size, max_tokens=max_tokens)
    device = state_device(state, 1)
    steps: list[list[Beam]] = []
    kept, alive = [Beam((), 0.0, 0)], [0]  # alive: numbers of those not complete
    while alive and len(steps) < max_tokens:
        last = [kept[number].tokens[-1] if steps else bos for number in alive]
        logits, state = step(torch.tensor(last, device=device), state)
        log_probs = _log_probs(logits, eos, len(steps))
        so_far = log_probs.new_tensor([kept[number].log_prob for number in alive])
        total = so_far[:, None] + log_probs
        best, index = total.flatten().topk(beam_size)
        possible = best > -torch.inf
        best, index = best[possible], index[possible]
        rows, words = (index // total.shape[1]).tolist(), (index % total.shape[1])
        kept = [
            Beam((*kept[alive[row]].tokens, word), log_prob, alive[row])
            for row, word, log_prob in zip(
                rows, words.tolist(), best.tolist(), strict=True
            )
        ]
        steps.append(kept)
        alive = [n for n, beam in enumerate(kept) if beam.tokens[-1] != eos]
        beam_size -= len(kept) - len(alive)
        parents = torch.tensor([rows[n] for n in alive], dtype=torch.long)
        state = select_rows(state, parents.to(device))
    return steps


def _log_probs(logits: Tensor, eos: int, step: int) -> Tensor:
    if not 0 <= eos < logits.shape[-1]:
        raise ValueError(f"eos must be an id below {logits.shape[-1]}, got {eos}")
    # Sums of bfloat16 would be too coarse.
    dtype = torch.promote_types(logits.dtype, torch.float32)
    log_probs = logits.cpu().to(dtype).log_softmax(dim=-1)
    if log_probs.isnan().any():
        raise FloatingPointError(
            f"the log-probabilities are NaN at step {step} (from 0): the logits must "
            "be finite, or -inf for some tokens"
        )
    return log_probs
