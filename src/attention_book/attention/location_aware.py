"""Location-aware attention: the last weights are read too (Chorowski et al., 2015)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.global_local.window import expand_mask
from attention_book.functional import (
    Mask,
    additive_scores,
    attend,
    check_counts,
    check_value,
)

NORMALISERS = ("softmax", "sigmoid")


class LocationAwareAttention(nn.Module):
    r"""Score each key by its content and by the weights around it one step before.

    .. math::
        f_i &= F * \alpha_{i-1}, \qquad
        e_{ij} = w^\top \tanh(W s_{i-1} + V h_j + U f_{ij} + b) \\
        \alpha_{ij} &= \frac{\exp(\beta e_{ij})}{\sum_k \exp(\beta e_{ik})}
        \qquad \text{or} \qquad
        \alpha_{ij} = \frac{\sigma(e_{ij})}{\sum_k \sigma(e_{ik})}

    The paper's :math:`s_{i-1}, h_j, e_{ij}, \alpha_{ij}` are ``query``, ``key`` (and
    ``value``), the scores and ``weights``. :math:`F` holds ``num_filters`` filters of
    ``width`` weights, and :math:`f_{ij}` what they find around key :math:`j` in
    :math:`\alpha_{i-1}`. Two equal keys at different positions can so have different
    scores, which no score of the content alone allows.

    Queries are taken one after the other: the weights of one are what the next reads,
    and gradients pass through them. A decoder that has one query at a time passes the
    last weights as ``previous_weights``; nothing is kept between calls.

    With ``normaliser="sigmoid"``, which the paper calls smoothing, several keys can
    have large weights at once. ``sharpening`` :math:`\beta` and ``window`` are options
    of a call, because a trained layer can be used with either.

    Args:
        query_dim: size of a query vector.
        key_dim: size of a key vector.
        hidden_dim: size of the hidden layer of the score.
        num_filters: number of filters, :math:`k`.
        width: length of a filter in keys, :math:`r`; odd, so that it has a middle.
        normaliser: "softmax", or "sigmoid" for smoothing.

    Raises:
        ValueError: if a size is below 1, ``width`` is even or ``normaliser`` unknown.
        TypeError: if a size is not an integer.

    Memory: the hidden layer holds batch x queries x keys x hidden_dim numbers in
        training, batch x keys x hidden_dim otherwise.
    Cost: one pass over the keys for each query, one after the other. A window changes
        the weights; the keys outside of it are scored all the same.
    Source: arXiv:1506.07503, sections 2.1 to 2.3. As in the authors' code, the bias
        :math:`b` belongs to the keys, :math:`F` is cropped to the number of keys with
        its middle on the key, and a bias is added to :math:`e` only before a sigmoid,
        where it matters. :math:`F` is learned, so we do not mirror it. Initial values
        are PyTorch's.

    Example:
        >>> layer = LocationAwareAttention(2, 3, 5, num_filters=4, width=3)
        >>> query, key = torch.randn(1, 2, 2), torch.randn(1, 6, 3)
        >>> context, weights = layer(query, key, key)
        >>> next_query = torch.randn(1, 1, 2)
        >>> step = layer(next_query, key, key, previous_weights=weights[:, -1])
        >>> together = layer(torch.cat([query, next_query], dim=1), key, key)
        >>> torch.allclose(step[1], together[1][:, 2:], atol=1e-6)
        True
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        hidden_dim: int,
        *,
        num_filters: int,
        width: int,
        normaliser: str = "softmax",
    ) -> None:
        super().__init__()
        check_counts(
            query_dim=query_dim,
            key_dim=key_dim,
            hidden_dim=hidden_dim,
            num_filters=num_filters,
            width=width,
        )
        if width % 2 == 0:
            raise ValueError(f"width must be odd, got {width}")
        if normaliser not in NORMALISERS:
            raise ValueError(
                f"normaliser must be one of {', '.join(NORMALISERS)}, "
                f"got {normaliser!r}"
            )
        self.normaliser = normaliser
        self.query_proj = nn.Linear(query_dim, hidden_dim, bias=False)  # W
        self.key_proj = nn.Linear(key_dim, hidden_dim)  # V, b
        self.location_conv = nn.Conv1d(
            1, num_filters, width, padding=width // 2, bias=False
        )  # F
        self.location_proj = nn.Linear(num_filters, hidden_dim, bias=False)  # U
        self.score_proj = nn.Linear(hidden_dim, 1, bias=normaliser == "sigmoid")  # w

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"]:
        """Return :math:`V h_j + b` of all keys, for many calls with the same keys."""
        return self.key_proj(key)

    def first_weights(
        self, projected_key: Float[Tensor, "batch keys hidden_dim"]
    ) -> Float[Tensor, "batch keys"]:
        """Return the weights before the first query: all weight on the first key.

        A decoder starts from them, and passes them on as ``previous_weights``.
        """
        first = torch.zeros_like(projected_key[..., 0])
        first[:, :1] = 1.0
        return first

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        key: Float[Tensor, "batch keys key_dim"],
        value: Float[Tensor, "batch keys value_dim"],
        mask: Mask | None = None,
        *,
        projected_key: Float[Tensor, "batch keys hidden_dim"] | None = None,
        previous_weights: Float[Tensor, "batch keys"] | None = None,
        sharpening: float = 1.0,
        window: int | None = None,
    ) -> tuple[
        Float[Tensor, "batch queries value_dim"], Float[Tensor, "batch queries keys"]
    ]:
        r"""Return ``(context, weights)``.

        Args:
            query: vectors that attend, in the order of the steps.
            key: vectors that are scored against each query, in order.
            value: vectors that are averaged.
            mask: True where a query may attend; None: everywhere.
            projected_key: result of :meth:`project`; None: computed here.
            previous_weights: the weights of the step before the first query; None: all
                weight on the first key, as in the authors' code.
            sharpening: :math:`\beta`, positive; above 1 the weights of a softmax are
                more peaked. Only for a softmax.
            window: :math:`w` in keys, at least 1: a query may attend only to the keys
                :math:`p - w` to :math:`p + w - 1`, with :math:`p` the median of the
                weights of the step before; None: to all.

        Raises:
            ValueError: if the tensors do not fit each other, ``sharpening`` is not
                positive or not for this normaliser, or ``window`` is below 1.
            TypeError: if ``mask`` is not boolean, or ``window`` not an integer.
        """
        if not sharpening > 0 or (sharpening != 1 and self.normaliser == "sigmoid"):
            raise ValueError(
                "sharpening must be positive, and 1 with a sigmoid, got "
                f"{sharpening} with {self.normaliser}"
            )
        if window is not None:
            check_counts(window=window)
        if projected_key is None:
            projected_key = self.project(key)
        batch, queries, keys = len(query), query.shape[1], key.shape[1]
        _check_shapes(projected_key, query, key, self.score_proj.in_features)
        check_value(value, query.new_empty(batch, queries, keys))
        if mask is not None:
            mask = expand_mask(mask, (batch, queries, keys))
        last = previous_weights
        if last is None:
            last = self.first_weights(projected_key)
        if last.shape != (batch, keys):
            raise ValueError(
                f"previous_weights must have shape {(batch, keys)}, one weight for "
                f"each key, got {tuple(last.shape)}"
            )
        contexts, weights = [], []
        asked = self.query_proj(query)  # W s_{i-1}
        for step in range(queries):
            allowed = None if mask is None else mask[:, step : step + 1]
            if window is not None:
                near = median_window(last, window)[:, None]
                allowed = near if allowed is None else allowed & near
            scores = self._scores(asked[:, step : step + 1], projected_key, last)
            context, weight = attend(self._logits(scores, sharpening), value, allowed)
            contexts.append(context)
            weights.append(weight)
            last = weight[:, 0]
        if not queries:
            return value[:, :0], last[:, None][:, :0]
        return torch.cat(contexts, dim=1), torch.cat(weights, dim=1)

    def _scores(
        self,
        asked: Float[Tensor, "batch 1 hidden_dim"],
        projected_key: Float[Tensor, "batch keys hidden_dim"],
        last: Float[Tensor, "batch keys"],
    ) -> Float[Tensor, "batch 1 keys"]:
        """The scores of one query, from content and from the weights before it."""
        found = self.location_conv(last[:, None]).transpose(1, 2)  # f_i
        placed_key = projected_key + self.location_proj(found)
        return additive_scores(asked, placed_key, self.score_proj.weight)

    def _logits(
        self, scores: Float[Tensor, "batch 1 keys"], sharpening: float
    ) -> Float[Tensor, "batch 1 keys"]:
        """What the softmax is taken of; that of log sigmoid is the smoothing."""
        if self.normaliser == "softmax":
            return sharpening * scores
        return F.logsigmoid(scores + self.score_proj.bias)


def median_position(weights: Float[Tensor, "batch keys"]) -> Int[Tensor, " batch"]:
    r"""The first key up to which at least half of the weight lies.

    .. math:: p = \min \{ j : \sum_{k \le j} \alpha_k \ge \tfrac12 \sum_k \alpha_k \}

    A little weight far away moves the mean, but not the median.

    Args:
        weights: one row for each sentence, not negative. In a row of zeros it is key 0.

    Source: arXiv:1506.07503, section 2.3.

    Example:
        >>> median_position(torch.tensor([[0.0, 0.7, 0.1, 0.2], [0.2, 0.2, 0.2, 0.4]]))
        tensor([1, 2])
    """
    # Summed in float32 or wider: in half precision small weights would be lost.
    wide = torch.promote_types(weights.dtype, torch.float32)
    mass = weights.detach().to(wide).cumsum(dim=1)
    return (mass < mass[:, -1:] / 2).sum(dim=1)


def median_window(
    weights: Float[Tensor, "batch keys"], window: int
) -> Bool[Tensor, "batch keys"]:
    r"""Mark the keys :math:`p - w, \ldots, p + w - 1` around the median :math:`p`.

    Args:
        weights: those of the step before.
        window: :math:`w` in keys, at least 1.

    Returns:
        True inside; :math:`p` itself always is. No gradient passes through :math:`p`.

    Source: arXiv:1506.07503, section 2.3.

    Example:
        >>> median_window(torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]]), 1)
        tensor([[False,  True,  True, False, False]])
    """
    distance = torch.arange(weights.shape[1], device=weights.device)
    distance = distance - median_position(weights)[:, None]
    return (distance >= -window) & (distance < window)


def backward_mass(
    weights: Float[Tensor, "batch queries keys"],
    mask: Bool[Tensor, "batch queries"] | None = None,
) -> Float[Tensor, " batch"]:
    r"""How much weight moves backwards from step to step, summed over the steps.

    .. math::
        \sum_{i \ge 2} \sum_j \max\bigl(0, C_i(j) - C_{i-1}(j)\bigr),
        \qquad C_i(j) = \sum_{k \le j} \alpha_{ik}

    It is 0 if attention only ever moves forward. All weight that goes back by one key
    counts 1, by two keys 2.

    Args:
        weights: :math:`\alpha`, of the steps in order.
        mask: True at the queries that count, those of padded steps last; None: all.

    Raises:
        ValueError: if there is not one entry in ``mask`` for each query.

    Source: arXiv:1412.1602 has it as a penalty of the loss; the experiments of
        arXiv:1506.07503 do without.

    Example:
        >>> path = torch.eye(4)[[0, 2, 3, 1]][None]
        >>> backward_mass(path)
        tensor([2.])
    """
    mass = weights.cumsum(dim=-1)
    back = (mass[:, 1:] - mass[:, :-1]).clamp(min=0).sum(dim=-1)
    if mask is not None:
        if mask.shape != weights.shape[:2]:
            raise ValueError(
                f"mask must have shape {tuple(weights.shape[:2])}, one entry for each "
                f"query, got {tuple(mask.shape)}"
            )
        back = back.masked_fill(~mask[:, 1:], 0.0)
    return back.sum(dim=1)


def _check_shapes(
    projected_key: Tensor, query: Tensor, key: Tensor, hidden_dim: int
) -> None:
    fitting = len(query), key.shape[1], hidden_dim
    if projected_key.shape != fitting:
        raise ValueError(
            f"projected_key must have shape {fitting} to fit query "
            f"{tuple(query.shape)} and key {tuple(key.shape)}, got "
            f"{tuple(projected_key.shape)}"
        )
