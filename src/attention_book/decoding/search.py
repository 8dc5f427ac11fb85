"""Greedy and beam search over any model that predicts one token at a time."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attention_book.decoding.state import State, select_rows, state_device

Step = Callable[
    [Int[Tensor, " rows"], State], tuple[Float[Tensor, "rows vocab"], State]
]
"""``step(ids, state) -> (logits, state)``: from the last token of each row and its
state to the logits of the next token and the new state."""


@dataclass(frozen=True)
class Hypothesis:
    """One output of a search.

    Attributes:
        tokens: ids without <bos> and <eos>.
        log_prob: log-probability of all tokens, <eos> included, in nats.
        score: ``log_prob`` divided by the length penalty; the search maximises it.
        finished: False if ``max_tokens`` was reached before <eos>.
    """

    tokens: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool


@torch.no_grad()
def greedy_search(
    step: Step,
    state: State,
    *,
    batch_size: int,
    bos: int,
    eos: int,
    max_tokens: int,
    device: torch.device | str | None = None,
) -> list[Hypothesis]:
    """Take the most probable token at each step, for all sentences in parallel.

    Log-probabilities are summed in the logits' type, and in float32 at least.

    Args:
        step: from the last tokens and the state to logits and the next state.
        state: the first state of ``step``, with ``batch_size`` rows.
        batch_size: number of sentences.
        bos: id that starts an output.
        eos: id that ends an output.
        max_tokens: longest output in tokens, <eos> included.
        device: where ids are made; None: on the device of the state's first tensor.

    Returns:
        One hypothesis for each sentence, in their order. The search stops as soon as
        all sentences have ended.

    Raises:
        ValueError: if ``batch_size`` or ``max_tokens`` is less than 1, ``eos`` is not
            in the vocabulary, or the logits or a tensor of ``state`` do not have a row
            for each sentence.
        TypeError: if ``state`` contains anything except tensors and None.
        FloatingPointError: if the logits of a sentence that has not ended are NaN, or
            give no distribution (all of them -inf, or one +inf); the message has the
            step. It is raised after the last step: checking each would stall a GPU.

    Example:
        >>> def count(ids, state):  # the next number, up to 3; 0 is <eos>
        ...     return torch.eye(4)[(ids + 1) % 4] * 9.0, state
        >>> greedy_search(count, None, batch_size=1, bos=0, eos=0, max_tokens=9)
        [Hypothesis(tokens=(1, 2, 3), log_prob=-0.00..., score=..., finished=True)]
    """
    _check(batch_size, max_tokens)
    where = state_device(state, batch_size)
    device = where if device is None else device
    ids = torch.full((batch_size,), bos, device=device)
    log_prob = torch.zeros(batch_size, device=ids.device)
    finished = torch.zeros(batch_size, dtype=torch.bool, device=ids.device)
    steps: list[Tensor] = []
    totals: list[Tensor] = []
    while len(steps) < max_tokens and not finished.all():
        logits, state = step(ids, state)
        best, ids = _log_probs(logits, batch_size, eos).max(dim=-1)
        log_prob = log_prob + best.masked_fill(finished, 0.0)
        steps.append(ids)
        totals.append(log_prob)
        finished |= ids == eos
    if log_prob.isnan().any():
        broken = torch.stack(totals).isnan().any(dim=1)
        raise _not_a_number(int(broken.nonzero()[0]))
    rows = torch.stack(steps, dim=1).tolist()
    return [
        Hypothesis(tuple(row[: row.index(eos)] if ended else row), total, total, ended)
        for row, total, ended in zip(
            rows, log_prob.tolist(), finished.tolist(), strict=True
        )
    ]


@torch.no_grad()
def beam_search(
    step: Step,
    state: State,
    *,
    beam_size: int,
    batch_size: int,
    bos: int,
    eos: int,
    max_tokens: int,
    length_penalty: float = 0.0,
    device: torch.device | str | None = None,
) -> list[Hypothesis]:
    r"""Keep the best ``beam_size`` prefixes of each sentence at each step.

    As in Sutskever et al., a hypothesis that ends moves from the beam to the set of
    complete ones, and the beam is one narrower from then on, so that no unfinished
    hypothesis can displace it. The complete hypothesis with the best score wins:

    .. math:: \mathrm{score}(y) = \frac{\log p(y)}{lp(y)}, \qquad
        lp(y) = \left(\frac{5 + |y|}{6}\right)^\alpha

    with ``length_penalty`` :math:`\alpha` and :math:`|y|` the number of tokens, <eos>
    included. A sentence is done when its beam is empty, or when no hypothesis in the
    beam can still win: log-probabilities only fall and :math:`lp` is largest at
    ``max_tokens``, so :math:`\log p / lp(\text{max tokens})` bounds every later score.
    Stopping there never changes the result; stopping at the first complete hypothesis
    could, if :math:`\alpha > 0`.

    Args:
        step: from the last tokens and the state to logits and the next state. It gets
            ``batch_size`` x ``beam_size`` rows, those of one sentence side by side.
        state: the first state of ``step``, with ``batch_size`` rows; the search repeats
            them, and keeps each row's state with its hypothesis.
        beam_size: hypotheses per sentence; 1 is :func:`greedy_search`.
        batch_size: number of sentences.
        bos: id that starts an output.
        eos: id that ends an output.
        max_tokens: longest output in tokens, <eos> included.
        device: as for :func:`greedy_search`.
        length_penalty: :math:`\alpha`, at least 0; 0 ranks by log-probability.

    Returns:
        The best hypothesis of each sentence: a complete one if there is any, otherwise
        the most probable unfinished one.

    Raises:
        ValueError: as :func:`greedy_search`, and if ``beam_size`` is less than 1 or
            ``length_penalty`` negative.
        TypeError: as :func:`greedy_search`.
        FloatingPointError: if the logits of any row are NaN, or give no distribution;
            the message has the step.

    Source: arXiv:1409.3215, 3.2 (search); arXiv:1609.08144, eq. 14 (length penalty).

    Example:
        >>> table = torch.tensor([[0.0, 0.6, 0.4], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0]])
        >>> def step(ids, state):  # p(next | last); 0 is <bos> and <eos>
        ...     return table[ids].log(), state
        >>> sizes = {"batch_size": 1, "bos": 0, "eos": 0, "max_tokens": 5}
        >>> [beam_search(step, None, beam_size=k, **sizes)[0].tokens for k in (1, 2)]
        [(1,), (2,)]
    """
    _check(batch_size, max_tokens)
    where = state_device(state, batch_size)
    device = where if device is None else device
    if beam_size < 1:
        raise ValueError(f"beam_size must be at least 1, got {beam_size}")
    if length_penalty < 0:
        raise ValueError(f"length_penalty must not be negative, got {length_penalty}")

    def penalty(num_tokens: int) -> float:
        return ((5 + num_tokens) / 6) ** length_penalty

    rows = torch.arange(batch_size, device=device).repeat_interleave(beam_size)
    state = select_rows(state, rows)
    first_row = rows.view(batch_size, beam_size) * beam_size  # of each sentence
    ids = torch.full_like(rows, bos)
    rank = torch.arange(beam_size, device=rows.device)
    # At first all rows of a sentence are equal: only one of them may continue.
    alive = torch.zeros(batch_size, beam_size, device=rows.device)
    alive[:, 1:] = -torch.inf
    width = torch.full((batch_size, 1), beam_size, device=rows.device)
    # The best complete hypothesis: its score, log-probability, last step and slot.
    score = torch.full((batch_size,), -torch.inf, device=rows.device)
    log_prob, slot = score, torch.zeros_like(score, dtype=torch.long)
    end = slot
    steps: list[tuple[Tensor, Tensor]] = []
    while len(steps) < max_tokens:
        logits, state = step(ids, state)
        log_probs = _log_probs(logits, len(rows), eos)
        vocab_size = log_probs.shape[-1]
        total = alive[:, :, None] + log_probs.view(batch_size, beam_size, vocab_size)
        total, index = total.flatten(1).topk(beam_size)  # sorted, the best first
        parent, token = index // vocab_size, index % vocab_size
        steps.append((parent, token))

        in_beam = (rank < width) & (total > -torch.inf)
        ended = in_beam & (token == eos)
        # The best that ends now: ranks are sorted, and all are equally long.
        new_log_prob, new_slot = total.masked_fill(~ended, -torch.inf).max(dim=1)
        new_score = new_log_prob / penalty(len(steps))
        better = new_score > score
        score = torch.where(better, new_score, score)
        log_prob = torch.where(better, new_log_prob, log_prob)
        slot = torch.where(better, new_slot, slot)
        end = end.masked_fill(better, len(steps) - 1)

        width = width - ended.sum(dim=1, keepdim=True)
        alive = total.masked_fill(~in_beam | ended, -torch.inf)
        done = (score >= alive.max(dim=1).values / penalty(max_tokens)).all()
        broken = log_probs[:, 0].isnan().any()
        if done | broken:  # one wait for the GPU
            if broken:
                raise _not_a_number(len(steps) - 1)
            break
        ids = token.flatten()
        state = select_rows(state, (first_row + parent).flatten())

    finished = score > -torch.inf
    best_alive, alive_slot = alive.max(dim=1)
    log_prob = torch.where(finished, log_prob, best_alive)
    score = torch.where(finished, score, best_alive / penalty(len(steps)))
    slot = torch.where(finished, slot, alive_slot)
    end = end.masked_fill(~finished, len(steps) - 1)
    parents, tokens = (torch.stack(part).tolist() for part in zip(*steps, strict=True))
    columns = [part.tolist() for part in (end, slot, log_prob, score, finished)]
    best = []
    for row, (last, own_slot, total_log_prob, best_score, ended) in enumerate(
        zip(*columns, strict=True)
    ):
        path: list[int] = []
        for time in range(last, -1, -1):
            path.insert(0, tokens[time][row][own_slot])
            own_slot = parents[time][row][own_slot]
        words = tuple(path[:-1] if ended else path)
        best.append(Hypothesis(words, total_log_prob, best_score, ended))
    return best


def _log_probs(logits: Tensor, rows: int, eos: int) -> Tensor:
    if logits.ndim != 2 or len(logits) != rows:
        raise ValueError(
            f"step must return logits of shape ({rows}, vocab), one row for each "
            f"token, got {tuple(logits.shape)}"
        )
    vocab_size = logits.shape[-1]
    if not 0 <= eos < vocab_size:
        raise ValueError(f"eos must be an id below {vocab_size}, got {eos}")
    # Sums of bfloat16 would be too coarse.
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return logits.to(dtype).log_softmax(dim=-1)


def _not_a_number(step: int) -> FloatingPointError:
    return FloatingPointError(
        f"the log-probabilities are NaN at step {step} (from 0): the logits must be "
        "finite, or -inf for some tokens"
    )


def _check(batch_size: int, max_tokens: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    if max_tokens < 1:
        raise ValueError(f"max_tokens must be at least 1, got {max_tokens}")
