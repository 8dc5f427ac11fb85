"""Global and local attention (Luong, Pham and Manning, 2015)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.global_local.scores import (
    CONTENT_SCORES,
    ContentScore,
    LocationScore,
    Score,
    compared_keys,
)
from attention_book.attention.global_local.window import (
    PredictedCentre,
    expand_mask,
    gather_window,
    gaussian,
    scatter_window,
    window_positions,
)
from attention_book.functional import Mask, attend, check_counts, masked_softmax


class GlobalAttention(nn.Module):
    r"""Attend to all keys, with one of four scores.

    .. math::
        a_t(s) = \frac{\exp \mathrm{score}(h_t, \bar h_s)}
            {\sum_{s'} \exp \mathrm{score}(h_t, \bar h_{s'})}, \qquad
        c_t = \sum_s a_t(s) \bar h_s

    The paper's :math:`h_t, \bar h_s, a_t, c_t` are ``query``, ``key`` (and ``value``),
    ``weights`` and ``context``. With "location", positions from ``max_keys`` on have
    weight 0.

    Args:
        query_dim: size of a query.
        key_dim: size of a key.
        score: "dot", "general", "concat" or "location".
        max_keys: length of the longest sentence in tokens, for "location"; None for
            the other scores.

    Raises:
        ValueError: if the score is unknown, or sizes or ``max_keys`` do not fit it.

    Source: arXiv:1508.04025, section 3.1.

    Example:
        >>> layer = GlobalAttention(2, 3, "general")
        >>> query, key = torch.zeros(1, 1, 2), torch.randn(1, 4, 3)
        >>> layer(query, key, key, need_weights=True)[1]
        tensor([[[0.2500, 0.2500, 0.2500, 0.2500]]], grad_fn=...)
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        score: str = "general",
        *,
        max_keys: int | None = None,
    ) -> None:
        super().__init__()
        if score not in (*CONTENT_SCORES, "location"):
            raise ValueError(
                f"score must be one of {', '.join(CONTENT_SCORES)}, location, "
                f"got {score!r}"
            )
        if (score == "location") != (max_keys is not None):
            raise ValueError(
                f"max_keys is for the score location and needed there, got score "
                f"{score!r} and max_keys {max_keys}"
            )
        self.score: Score
        if max_keys is not None:
            self.score = LocationScore(query_dim, max_keys)
        else:
            self.score = CONTENT_SCORES[score](query_dim, key_dim)

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"] | None:
        """Return the projected keys for the score "concat"; None for the others."""
        return self.score.project(key)

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        key: Float[Tensor, "batch keys key_dim"],
        value: Float[Tensor, "batch keys value_dim"],
        mask: Mask | None = None,
        *,
        need_weights: bool = False,
        projected_key: Float[Tensor, "batch keys hidden_dim"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch queries value_dim"],
        Float[Tensor, "batch queries keys"] | None,
    ]:
        """Return ``(context, weights)``, or ``(context, None)``.

        Args:
            query: vectors that attend.
            key: vectors that are scored against each query.
            value: vectors that are averaged.
            mask: True where a query may attend; None: everywhere.
            need_weights: whether the weights are returned.
            projected_key: result of :meth:`project`; None: computed here.

        Raises:
            ValueError: if query, key, value and mask do not fit each other.
            TypeError: if ``mask`` is not boolean.
        """
        compared = compared_keys(self.score, query, key, value, projected_key)
        scores = self.score(query, compared)
        tail = key.shape[1] - scores.shape[-1]  # positions that "location" ignores
        if tail and mask is not None:
            mask = expand_mask(mask, (*query.shape[:2], key.shape[1]))[..., :-tail]
        context, weights = attend(scores, value[:, : scores.shape[-1]], mask)
        return context, F.pad(weights, (0, tail)) if need_weights else None


class LocalAttention(nn.Module):
    r"""Attend only to the keys in a window around a position.

    .. math::
        a_t(s) = \mathrm{align}(h_t, \bar h_s)
            \exp\Bigl(-\frac{(s - p_t)^2}{2 \sigma^2}\Bigr), \qquad
        s \in [p_t - D, p_t + D], \quad \sigma = \frac D 2

    where align is the softmax over the positions of the window that are in the
    sentence. In *local-p*, :math:`p_t = S \sigma(v_p^\top \tanh(W_p h_t))` is a real
    number, which gradients reach through the Gaussian. The product is not normalised
    again, so a row sums to less than 1. *local-m* has :math:`p_t = t` and no Gaussian.

    Args:
        query_dim: size of a query.
        key_dim: size of a key.
        score: "dot", "general" or "concat".
        window: :math:`D`, in tokens; the part of a window outside of the sentence is
            ignored.
        predictive: True: local-p; False: local-m.

    Raises:
        ValueError: if the score is unknown, the sizes do not fit it, or ``window`` is
            less than 1, as no Gaussian has width 0.

    Cost: that of 2 ``window`` + 1 keys per query, however long the sentence is.
    Source: arXiv:1508.04025, section 3.2; positions count from 0. For :math:`t` beyond
        the last word, local-m attends around the last one, as the authors' code does.
        Their code takes the window around :math:`\lfloor p_t \rfloor`; here it is the
        interval of the paper.

    Example:
        >>> layer = LocalAttention(2, 3, window=1, predictive=False)
        >>> query, key = torch.zeros(1, 2, 2), torch.randn(1, 4, 3)
        >>> layer(query, key, key, need_weights=True)[1]
        tensor([[[0.5000, 0.5000, 0.0000, 0.0000],
                 [0.3333, 0.3333, 0.3333, 0.0000]]], grad_fn=...)
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        score: str = "general",
        *,
        window: int,
        predictive: bool = True,
    ) -> None:
        super().__init__()
        if score not in CONTENT_SCORES:
            raise ValueError(
                f"score must be one of {', '.join(CONTENT_SCORES)}, got {score!r}"
            )
        check_counts(window=window)
        self.window = window
        self.score: ContentScore = CONTENT_SCORES[score](query_dim, key_dim)
        self.centre = PredictedCentre(query_dim) if predictive else None

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"] | None:
        """Return the projected keys for the score "concat"; None for the others."""
        return self.score.project(key)

    def centres(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        length: Int[Tensor, "batch _"],
        step: Int[Tensor, "batch queries"] | None = None,
    ) -> Float[Tensor, "batch queries"]:
        """Return :math:`p_t`, counted from 0; arguments as for a call."""
        if self.centre is not None:
            return self.centre(query, length)
        if step is None:
            step = torch.arange(query.shape[1], device=query.device)
        last = (length - 1).clamp(min=0)
        centres = torch.minimum(step, last).expand(query.shape[:2])
        # bfloat16 cannot distinguish positions 256 and 257.
        return centres.to(torch.promote_types(query.dtype, torch.float32))

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        key: Float[Tensor, "batch keys key_dim"],
        value: Float[Tensor, "batch keys value_dim"],
        mask: Mask | None = None,
        *,
        need_weights: bool = False,
        projected_key: Float[Tensor, "batch keys hidden_dim"] | None = None,
        length: Int[Tensor, "batch _"] | None = None,
        step: Int[Tensor, "batch queries"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch queries value_dim"],
        Float[Tensor, "batch queries keys"] | None,
    ]:
        """Return ``(context, weights)``, or ``(context, None)``.

        Args:
            query: vectors that attend.
            key: vectors that are scored against each query.
            value: vectors that are averaged.
            mask: True where a query may attend; None: everywhere.
            need_weights: whether the weights are returned, in rows over all keys.
            projected_key: result of :meth:`project`; None: computed here.
            length: :math:`S`, number of words of each sentence, which are its first
                keys. A decoder counts them once per sentence; None: counted in
                ``mask``, or all keys if there is none.
            step: :math:`t`, counted from 0, for local-m; None: 0 for the first query, 1
                for the second, and so on.

        Raises:
            ValueError: if query, key, value and mask do not fit each other.
            TypeError: if ``mask`` is not boolean.
        """
        compared = compared_keys(self.score, query, key, value, projected_key)
        if not (num_keys := key.shape[1]):
            return _attend_to_nothing(query, value, mask, need_weights)
        centres, positions, inside = self._window(query, num_keys, mask, length, step)
        windows = gather_window(compared, positions)
        values = windows if value is compared else gather_window(value, positions)
        # Each query has its own keys: one query for each window.
        scores = self.score(query[:, :, None], windows).squeeze(-2)
        weights = masked_softmax(scores, inside)
        if self.centre is not None:
            factors = gaussian(positions, centres, self.window)
            weights = weights * factors.to(weights.dtype)
        context = (weights[..., None, :].to(values.dtype) @ values).squeeze(-2)
        rows = scatter_window(weights, positions, num_keys) if need_weights else None
        return context, rows

    def _window(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        num_keys: int,
        mask: Mask | None,
        length: Int[Tensor, "batch _"] | None,
        step: Int[Tensor, "batch queries"] | None,
    ) -> tuple[
        Float[Tensor, "batch queries"],
        Int[Tensor, "batch queries slots"],
        Bool[Tensor, "batch queries slots"],
    ]:
        """Return centres, positions of the windows, and which of these may be used."""
        if mask is not None:
            mask = expand_mask(mask, (*query.shape[:2], num_keys))
        if length is None:
            every = query.new_full((len(query), 1), num_keys, dtype=torch.long)
            length = every if mask is None else mask.sum(-1)
        centres = self.centres(query, length, step)
        positions, inside = window_positions(centres, self.window, num_keys)
        if mask is None:
            inside = inside & (positions < length[..., None])
        else:
            inside = inside & mask.gather(-1, positions)
        return centres, positions, inside


def _attend_to_nothing(
    query: Tensor, value: Tensor, mask: Mask | None, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """Attend where there is no key, and so no window: a context of zeros."""
    context, weights = attend(query.new_zeros(*query.shape[:2], 0), value, mask)
    return context, weights if need_weights else None
