"""Hard attention: attend to one key, drawn by its weight (Xu et al., 2015).

Soft attention, the average over all keys, is
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
    """The result of :class:`HardAttention`.

    Attributes:
        context: the values of the chosen keys.
        weights: the distribution over the keys, not the choice.
        log_prob: logarithm of the weight of the chosen key.
    """

    context: Float[Tensor, "batch queries value_dim"]
    weights: Float[Tensor, "batch queries keys"]
    log_prob: Float[Tensor, "batch queries"]


class HardAttention(nn.Module):
    r"""Score the keys as additive attention does, and return the value of one key.

    .. math::
        s_t \sim \mathrm{Multinoulli}(\alpha_t), \qquad
        \hat z_t = \sum_i s_{t,i} a_i = a_{s_t}

    with the annotations :math:`a_i` of the locations as ``key`` and ``value``, the
    state :math:`h_{t-1}` of the decoder as ``query``, ``weights`` :math:`\alpha` and
    ``context`` :math:`\hat z_t`. No gradient passes through the choice of a key. The
    scores are trained either by ``log_prob``, :math:`\log \alpha_{t, s_t}` (see
    :mod:`attention_book.models.soft_hard.loss`), or by ``mode="straight_through"``.

    Args:
        query_dim: size of a query vector.
        key_dim: size of a key vector.
        hidden_dim: size of the hidden layer of the score.

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
        """Return the projected keys, for many calls with the same keys."""
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
            query: vectors that attend.
            key: vectors that are scored against each query.
            value: vectors of which one is returned for each query.
            mask: True where a query may attend; None: everywhere.
            projected_key: result of :meth:`project`; None: computed here.
            mode: "sample": a key drawn by its weight; "argmax": the key of the largest
                weight; "straight_through": a drawn key with the gradient of
                :func:`straight_through`.
            expected: True for the rows of the batch that get the average over all
                values instead, as in soft attention; None: none.
            generator: source of randomness; None: PyTorch's default generator.

        Returns:
            The context, the weights, and the logarithm of the weight of the chosen key.
            A query without a key gets zeros in all three; ``log_prob`` is also 0 where
            nothing was chosen.

        Raises:
            ValueError: if ``mode`` is unknown, ``expected`` does not have one entry per
                row, or from :class:`AdditiveAttention`.
        """
        _check_choice(mode, expected, query)
        average, weights = self.scorer(
            query, key, value, mask, projected_key=projected_key
        )
        if not key.shape[1]:  # nothing can be chosen; all three are 0
            return HardAttentionOutput(average, weights, weights.sum(dim=-1))
        context, chosen = _choose(weights, value, mode, generator)
        weight = weights.gather(-1, chosen[..., None])
        possible = weight > 0  # False for a query without a key
        context = context.masked_fill(~possible, 0.0)
        # 1 replaces 0 before the logarithm, whose gradient then stays finite.
        log_prob = weight.masked_fill(~possible, 1.0).log().squeeze(-1)
        if expected is not None:
            context = torch.where(expected[:, None, None], average, context)
            log_prob = log_prob.masked_fill(expected[:, None], 0.0)
        return HardAttentionOutput(context, weights, log_prob)


def sample_key(
    weights: Float[Tensor, "*axes keys"], *, generator: Generator | None = None
) -> Int[Tensor, "*axes"]:
    r"""Draw a key for each row, by its weight.

    Each key has a waiting time :math:`E_j / \alpha_j` with :math:`E_j` exponential. The
    first one, :math:`\arg\max_j \alpha_j / E_j`, is key :math:`j` with probability
    :math:`\alpha_j` exactly. A key of weight 0 is never drawn, and a row of zeros,
    which is not a distribution, gives key 0 where ``torch.multinomial`` fails. The
    times are drawn in float32 or wider: half precision would round some to 0.

    Args:
        weights: rows that sum to 1 or to 0; no gradient passes.
        generator: source of randomness; None: PyTorch's default generator.

    Example:
        >>> sample_key(torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]))
        tensor([1, 0, 0])
    """
    return (weights.detach() / _exponential(weights, generator)).argmax(dim=-1)


def straight_through(
    weights: Float[Tensor, "*axes keys"],
    *,
    temperature: float = 1.0,
    generator: Generator | None = None,
) -> Float[Tensor, "*axes keys"]:
    r"""Draw a key for each row, as a vector of 0 and 1 that has a gradient.

    .. math::
        y_j = \mathrm{softmax}_j \bigl((\log \alpha_j + g_j) / \tau\bigr)

    with Gumbel noise :math:`g_j = -\log E_j`. In the forward pass the result is 1 at
    the largest :math:`y_j`, which is a sample of :math:`\alpha`; in the backward pass
    it is treated as :math:`y`. The gradient is biased, but needs neither a reward nor
    a baseline.

    Args:
        weights: rows that sum to 1 or to 0; a row of zeros remains zero.
        temperature: :math:`\tau`, positive.
        generator: source of randomness; None: PyTorch's default generator.

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
    waiting = _exponential(weights, generator)
    scores = weights.masked_fill(~possible, 1.0).to(waiting.dtype).log()
    soft = masked_softmax((scores - waiting.log()) / temperature, possible)
    hard = F.one_hot(soft.argmax(dim=-1), weights.shape[-1]) * possible
    # In brackets is an exact 0, so that the result is 0 or 1 without a rounding error.
    return (hard + (soft - soft.detach())).to(weights.dtype)


def _exponential(weights: Tensor, generator: Generator | None) -> Tensor:
    """Exponential times of the shape of ``weights``, positive and at least float32."""
    wide = torch.promote_types(weights.dtype, torch.float32)
    times = torch.empty_like(weights, dtype=wide).exponential_(generator=generator)
    return times.clamp(min=torch.finfo(wide).tiny)


def _choose(
    weights: Float[Tensor, "batch queries keys"],
    value: Float[Tensor, "batch keys value_dim"],
    mode: str,
    generator: Generator | None,
) -> tuple[Float[Tensor, "batch queries value_dim"], Int[Tensor, "batch queries"]]:
    """The value of the chosen key for each query, and the index of the key."""
    if mode == "straight_through":
        chosen = straight_through(weights, generator=generator)
        return chosen @ value, chosen.argmax(dim=-1)
    if mode == "sample":
        key = sample_key(weights, generator=generator)
    else:
        key = weights.argmax(dim=-1)
    return torch.take_along_dim(value, key[..., None], dim=1), key


def _check_choice(
    mode: str,
    expected: Bool[Tensor, " batch"] | None,
    query: Float[Tensor, "batch queries query_dim"],
) -> None:
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    if expected is not None and expected.shape != query.shape[:1]:
        raise ValueError(
            f"expected must have shape {tuple(query.shape[:1])}, one entry per row, "
            f"got {tuple(expected.shape)}"
        )
