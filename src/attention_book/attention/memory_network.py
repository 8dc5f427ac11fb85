"""Reading a memory: one hop of an end-to-end memory network, and what it reads."""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from attention_book.functional import (
    Mask,
    attend,
    check_mask,
    check_pair,
    check_value,
    dot_scores,
)


class MemoryRead(nn.Module):
    r"""Look a query up in a memory, once.

    .. math:: p_i = \mathrm{softmax}_i(u^\top m_i), \qquad o = \sum_i p_i c_i

    The paper's state :math:`u`, input memories :math:`m_i`, output memories
    :math:`c_i`, weights :math:`p` and output :math:`o` are ``query``, ``key``,
    ``value``, ``weights`` and ``context``. There is no parameter: what is learned is in
    the vectors.

    Source: arXiv:1503.08895, equations (1) and (2); ``linear`` is the state of the
        model during the "linear start" of 4.2.

    Example:
        >>> u, m = torch.tensor([[[1.0, 0]]]), torch.tensor([[[1.0, 5], [1.0, 0]]])
        >>> MemoryRead()(u, m, m)
        (tensor([[[1.0000, 2.5000]]]), tensor([[[0.5000, 0.5000]]]))
    """

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim"],
        value: Float[Tensor, "batch keys value_dim"],
        mask: Mask | None = None,
        *,
        linear: bool = False,
    ) -> tuple[
        Float[Tensor, "batch queries value_dim"], Float[Tensor, "batch queries keys"]
    ]:
        """Return ``(context, weights)``.

        Args:
            query: vectors that look something up.
            key: vectors that are scored against each query.
            value: vectors that are averaged.
            mask: True where a query may attend; None: everywhere.
            linear: whether the softmax is left out. The scores themselves are then the
                weights, 0 for blocked keys.

        Raises:
            ValueError: if query, key, value and mask do not fit each other.
            TypeError: if ``mask`` is not boolean.
        """
        check_pair(query, key)
        scores = dot_scores(query, key, scale=1.0)
        if not linear:
            return attend(scores, value, mask)
        check_value(value, scores)
        if mask is not None:
            check_mask(mask, scores.shape)
            scores = scores.masked_fill(~mask, 0.0)
        return scores @ value, scores


class WordFactors(NamedTuple):
    r"""Factors of the words of a sentence, one for each word and feature.

    .. math:: l_{kj} = a_j + b_k c_j

    Both position encodings of memory networks are of this form. It spares a model the
    product of every word vector with its factors: with :math:`x_j` as rows of 0 and 1,
    :math:`\sum_j l_j \odot A x_j = A \sum_j a_j x_j + b \odot A \sum_j c_j x_j`, two
    weighted bags of words.

    Attributes:
        offset: :math:`a`.
        slope: :math:`c`.
        feature: :math:`b`.
    """

    offset: Float[Tensor, "... words"]
    slope: Float[Tensor, "... words"]
    feature: Float[Tensor, " dim"]

    def matrix(self) -> Float[Tensor, "*axes words dim"]:
        """Return all factors :math:`l`, one row for each word."""
        return self.offset[..., None] + self.feature * self.slope[..., None]


def position_encoding(
    word_mask: Bool[Tensor, "*axes words"],
    dim: int,
    *,
    dtype: torch.dtype = torch.float32,
) -> WordFactors:
    r"""Factors that let a sum of word vectors depend on the order of the words.

    .. math:: l_{kj} = (1 - j / J) - (k / d) (1 - 2 j / J)

    with word :math:`j = 1, \ldots, J` of a sentence of :math:`J` words and feature
    :math:`k = 1, \ldots, d`. A sentence is then :math:`\sum_j l_j \odot A x_j`. The
    first features weigh early words most, the last ones late words.

    Args:
        word_mask: True at the real words, which stand before the padding.
        dim: :math:`d`, size of a word vector.
        dtype: of the factors.

    Returns:
        The factors; what they are at padding does not matter, as its vector is 0.

    Source: arXiv:1503.08895, 4.1. The authors' code has
        :func:`released_position_encoding` instead.

    Example:
        >>> position_encoding(torch.tensor([True, True]), 2).matrix()
        tensor([[0.5000, 0.5000],
                [0.5000, 1.0000]])
    """
    like: dict[str, Any] = {"dtype": dtype, "device": word_mask.device}
    k = torch.arange(1, dim + 1, **like)
    j = torch.arange(1, word_mask.shape[-1] + 1, **like)
    # A sentence without words is an empty memory, whose factors meet no vector.
    share = j / word_mask.sum(dim=-1, keepdim=True).clamp(min=1)
    return WordFactors(1 - share, 2 * share - 1, k / dim)


def released_position_encoding(
    num_words: int,
    dim: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> WordFactors:
    r"""The factors of the authors' code, in place of :func:`position_encoding`.

    .. math:: l_{kj} = 1 + \frac{4}{d J} \Bigl(k - \frac{d + 1}{2}\Bigr)
        \Bigl(j - \frac{J + 1}{2}\Bigr)

    Here :math:`J` is the same for all sentences: the number of words of the longest
    one, plus one for the time, which counts as a last word.

    Args:
        num_words: :math:`J`.
        dim: :math:`d`, size of a word vector.
        dtype: of the factors.
        device: of the factors; None: PyTorch's default device.

    Source: facebookarchive/MemNN, MemN2N-babi-matlab.

    Example:
        >>> released_position_encoding(3, 2).matrix()
        tensor([[1.3333, 0.6667],
                [1.0000, 1.0000],
                [0.6667, 1.3333]])
    """
    like: dict[str, Any] = {"dtype": dtype, "device": device}
    k = torch.arange(1, dim + 1, **like) - (dim + 1) / 2
    j = torch.arange(1, num_words + 1, **like) - (num_words + 1) / 2
    return WordFactors(torch.ones_like(j), j, 4 * k / (dim * num_words))


def time_indices(
    fact_mask: Bool[Tensor, "batch facts"],
) -> Int[Tensor, "batch facts"]:
    """Number the facts of each story backwards, from 1 for the most recent one.

    Args:
        fact_mask: True at facts, which stand before the padding, the oldest first.

    Returns:
        The indices; 0 at padding.

    Source: arXiv:1503.08895, 4.1: "indexed in reverse order".

    Example:
        >>> time_indices(torch.tensor([[True, True, True], [True, False, False]]))
        tensor([[3, 2, 1],
                [1, 0, 0]])
    """
    return fact_mask.flip(-1).cumsum(dim=-1).flip(-1) * fact_mask


def noisy_time_indices(
    fact_mask: Bool[Tensor, "batch facts"],
    share: float,
    *,
    generator: Generator | None = None,
) -> Int[Tensor, "batch facts"]:
    r"""Number the facts backwards as if empty memories stood among them.

    To a story of :math:`L` facts, :math:`n \sim U\{0, \ldots, \lceil s L \rceil\}`
    empty memories are added at random positions, with ``share`` :math:`s`. An empty
    memory has no vector, so all that it changes is the numbers of the others: the
    numbers of the facts are :math:`L` of :math:`1, \ldots, L + n`, drawn at random and
    sorted.

    Args:
        fact_mask: as for :func:`time_indices`.
        share: largest number of empty memories, as a share of the facts.
        generator: source of randomness; None: PyTorch's default generator.

    Returns:
        The indices, 1 or more; 0 at padding.

    Raises:
        ValueError: if ``share`` is negative.

    Source: arXiv:1503.08895, 4.1, "random noise"; the draw is that of the authors'
        code.

    Example:
        >>> noisy_time_indices(torch.tensor([[True, True, False]]), 0.0)
        tensor([[2, 1, 0]])
    """
    if share < 0:
        raise ValueError(f"share must not be negative, got {share}")
    batch, facts = fact_mask.shape
    device = fact_mask.device
    count = fact_mask.sum(dim=-1, keepdim=True)
    most = (count * share).ceil()
    added = torch.rand(batch, 1, generator=generator, device=device)
    added = (added * (most + 1)).long()
    # Of the numbers up to L + n, those with the L smallest of as many random values.
    numbers = torch.arange(1, facts + math.ceil(facts * share) + 1, device=device)
    values = torch.rand(batch, len(numbers), generator=generator, device=device)
    values = values.masked_fill(numbers > count + added, torch.inf)
    drawn = values.argsort(dim=-1).argsort(dim=-1) < count
    ascending = numbers.where(drawn, len(numbers) + 1).sort(dim=-1).values
    plain = time_indices(fact_mask)
    return ascending.gather(-1, (plain - 1).clamp(min=0)) * fact_mask
