"""Hard attention: look at one place, drawn by its weight (Xu et al., 2015).

Soft attention, the average over all places, is
:class:`attention_book.attention.bahdanau.AdditiveAttention`.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.functional import Mask, masked_softmax

MODES = ("sample", "argmax", "straight_through")


class HardAttentionOutput(NamedTuple):
    """What :class:`HardAttention` returns.

    Attributes:
        context: the chosen values.
        weights: the distribution over the keys, not the choice.
        log_prob: logarithm of the weight of the chosen key.
    """

    context: Float[Tensor, "batch queries value_dim"]
    weights: Float[Tensor, "batch queries keys"]
    log_prob: Float[Tensor, "batch queries"]


class HardAttention(nn.Module):
    r"""Score the keys as additive attention does; return the value of one of them.

    .. math::
        s_t \sim \mathrm{Multinoulli}(\alpha_t), \qquad
        \hat z_t = \sum_i s_{t,i} a_i = a_{s_t}

    with the places' annotations :math:`a_i` as ``key`` and ``value``, the decoder's
    state :math:`h_{t-1}` as ``query``, ``weights`` :math:`\alpha` and ``context``
    :math:`\hat z_t`. No gradient passes through the choice of a place: what is to teach
    the scores must come by ``log_prob``, :math:`\log \alpha_{t, s_t}` (see
    :mod:`attention_book.models.soft_hard.loss`), or by ``mode="straight_through"``.

    Args:
        query_dim: size of a query vector.
        key_dim: size of a key vector.
        hidden_dim: size of the hidden layer that scores.

    Source: arXiv:1502.03044, 4.1.

    Example:
        >>> layer = HardAttention(2, 3, 5)
        >>> query, key = torch.randn(1, 1, 2), torch.randn(1, 4, 3)
        >>> context, weights, log_prob = layer(query, key, key)
        >>> bool((context == key).all(-1).any()), weights.shape, log_prob.shape
        (True, torch.Size([1, 1, 4]), torch.Size([1, 1]))
    """

    def __init__(self, query_dim: int, key_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.scorer = AdditiveAttention(query_dim, key_dim, hidden_dim)  # f_att

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"]:
        """Return the part of the scores that is the same for every query."""
        return self.scorer.project(key)

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        key: Float[Tensor, "batch keys key_dim"],
        value: Float[Tensor, "batch keys value_dim"],
        mask: Mask | None = None,
        *,
        projected_key: Float[Tensor, "batch keys hidden_dim"] | None = None,
        mode: str = "sample",
        expected: Bool[Tensor, " batch"] | None = None,
        generator: Generator | None = None,
    ) -> HardAttentionOutput:
        """Return ``(context, weights, log_prob)``.

        Args:
            query: what asks.
            key: what is compared with the queries.
            value: one of these is returned.
            mask: True where a query may look; None: everywhere.
            projected_key: ``project(key)``, if the caller has it; None: computed here.
            mode: "sample": a place drawn by its weight; "argmax": the place of the
                largest weight; "straight_through": a drawn place whose gradient is
                that of :func:`straight_through`.
            expected: True for the rows of the batch that get the average over all
                places instead, as in soft attention; None: none.
            generator: what places are drawn from; None: PyTorch's.

        Returns:
            The context, the weights (the distribution, not the place), and the
            logarithm of the weight of the chosen place. A query that may look nowhere
            gets zeros in all three; so does ``log_prob`` where nothing was chosen.

        Raises:
            ValueError: if ``mode`` is unknown, ``expected`` has not one entry a row, or
                as from :class:`AdditiveAttention`.
        """
        _check_choice(mode, expected, query)
        average, weights = self.scorer(
            query, key, value, mask, projected_key=projected_key
        )
        context, place = _choose(weights, value, mode, generator)
        weight = weights.gather(-1, place[..., None])
        somewhere = weight > 0  # not so where a query may look nowhere
        context = context.masked_fill(~somewhere, 0.0)
        # 1 stands in before the logarithm: its gradient stays finite.
        log_prob = weight.masked_fill(~somewhere, 1.0).log().squeeze(-1)
        if expected is not None:
            context = torch.where(expected[:, None, None], average, context)
            log_prob = log_prob.masked_fill(expected[:, None], 0.0)
        return HardAttentionOutput(context, weights, log_prob)


def sample_place(
    weights: Float[Tensor, "*axes keys"], *, generator: Generator | None = None
) -> Int[Tensor, "*axes"]:
    r"""Draw a key for each row, by its weight.

    Each key waits for a time :math:`E_j / \alpha_j` with :math:`E_j` exponential; the
    first one, :math:`\arg\max_j \alpha_j / E_j`, is key :math:`j` with probability
    :math:`\alpha_j` exactly. A key of weight 0 is never drawn, and a row of zeros,
    which no distribution is, gives key 0 where PyTorch's ``multinomial`` fails.

    Args:
        weights: rows that sum to 1, or to 0; no gradient passes.
        generator: what is drawn from; None: PyTorch's.

    Example:
        >>> sample_place(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]))
        tensor([1, 0, 0])
    """
    waiting = torch.empty_like(weights).exponential_(generator=generator)
    return (weights.detach() / waiting).argmax(dim=-1)


def straight_through(
    weights: Float[Tensor, "*axes keys"],
    *,
    temperature: float = 1.0,
    generator: Generator | None = None,
) -> Float[Tensor, "*axes keys"]:
    r"""Draw a key for each row as a vector of 0 and 1 that has a gradient.

    .. math::
        y_j = \mathrm{softmax}_j \bigl((\log \alpha_j + g_j) / \tau\bigr)

    with Gumbel noise :math:`g_j = -\log E_j`. Forwards the result is 1 at the largest
    :math:`y_j`, which is a sample of :math:`\alpha`; backwards it is treated as if it
    were :math:`y`. The gradient is biased, and needs no reward and no baseline.

    Args:
        weights: rows that sum to 1, or to 0; a row of zeros stays one.
        temperature: :math:`\tau`, positive.
        generator: what is drawn from; None: PyTorch's.

    Raises:
        ValueError: if ``temperature`` is not positive.

    Source: Jang et al., arXiv:1611.01144, 2.2; Maddison et al., arXiv:1611.00712.

    Example:
        >>> straight_through(torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
        tensor([[0., 1.],
                [0., 0.]])
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    possible = weights > 0
    waiting = torch.empty_like(weights).exponential_(generator=generator)
    noisy = (weights.masked_fill(~possible, 1.0).log() - waiting.log()) / temperature
    soft = masked_softmax(noisy, possible)
    hard = F.one_hot(soft.argmax(dim=-1), weights.shape[-1]) * possible
    return hard + soft - soft.detach()


def _choose(
    weights: Float[Tensor, "batch queries keys"],
    value: Float[Tensor, "batch keys value_dim"],
    mode: str,
    generator: Generator | None,
) -> tuple[Float[Tensor, "batch queries value_dim"], Int[Tensor, "batch queries"]]:
    """One value for each query, and the number of its key."""
    if mode == "straight_through":
        chosen = straight_through(weights, generator=generator)
        return chosen @ value, chosen.argmax(dim=-1)
    if mode == "sample":
        place = sample_place(weights, generator=generator)
    else:
        place = weights.argmax(dim=-1)
    return torch.take_along_dim(value, place[..., None], dim=1), place


def _check_choice(
    mode: str,
    expected: Bool[Tensor, " batch"] | None,
    query: Float[Tensor, "batch queries query_dim"],
) -> None:
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if expected is not None and expected.shape != query.shape[:1]:
        raise ValueError(
            f"expected must have shape {tuple(query.shape[:1])}, one entry a row, "
            f"got {tuple(expected.shape)}"
        )
