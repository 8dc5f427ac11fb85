"""Additive attention (Bahdanau et al., 2015)."""

from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import Mask, additive_scores, attend


class AdditiveAttention(nn.Module):
    r"""Score each key against a query with a network of one hidden layer.

    .. math:: e_{ij} = v_a^\top \tanh(W_a s_{i-1} + U_a h_j)

    The paper's :math:`s_{i-1}, h_j, e_{ij}, \alpha_{ij}, c_i` are ``query``, ``key``
    (and ``value``), ``scores``, ``weights`` and ``context``.

    :math:`U_a h_j` is the same for every query. A decoder, whose queries come one after
    the other, computes it once per sentence with :meth:`project` and passes it to each
    call as ``projected_key``.

    Args:
        query_dim: size of a query vector.
        key_dim: size of a key vector.
        hidden_dim: size of the hidden layer, :math:`n'` in the paper.
        uniform_start: whether :math:`v_a` starts at 0, as in the paper. The weights are
            then exactly uniform before training.

    Memory: the hidden layer holds batch x queries x keys x hidden_dim numbers.
    Source: arXiv:1409.0473, A.1.2 and A.2.2. Apart from ``uniform_start``, initial
        values are PyTorch's: with those of B.1, of size 0.001, Adam hardly learns at
        first.

    Example:
        >>> import torch
        >>> layer = AdditiveAttention(2, 3, 5, uniform_start=True)
        >>> query, key = torch.randn(1, 1, 2), torch.randn(1, 4, 3)
        >>> context, weights = layer(query, key, key)
        >>> context.shape, weights
        (torch.Size([1, 1, 3]), tensor([[[0.2500, 0.2500, 0.2500, 0.2500]]], ...
    """

    def __init__(
        self,
        query_dim: int,
        key_dim: int,
        hidden_dim: int,
        *,
        uniform_start: bool = False,
    ) -> None:
        super().__init__()
        self.query_proj = nn.Linear(query_dim, hidden_dim, bias=False)  # W_a
        self.key_proj = nn.Linear(key_dim, hidden_dim, bias=False)  # U_a
        self.score_proj = nn.Linear(hidden_dim, 1, bias=False)  # v_a
        if uniform_start:
            nn.init.zeros_(self.score_proj.weight)

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"]:
        """Return :math:`U_a h_j` of all keys, for many calls with the same keys."""
        return self.key_proj(key)

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        key: Float[Tensor, "batch keys key_dim"],
        value: Float[Tensor, "batch keys value_dim"],
        mask: Mask | None = None,
        *,
        projected_key: Float[Tensor, "batch keys hidden_dim"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch queries value_dim"], Float[Tensor, "batch queries keys"]
    ]:
        """Return ``(context, weights)``.

        Args:
            query: vectors that attend.
            key: vectors that are scored against each query.
            value: vectors that are averaged.
            mask: True where a query may attend; None: everywhere.
            projected_key: result of :meth:`project`; None: computed here.

        Raises:
            ValueError: if query, key, value, mask and projected key do not fit each
                other.
            TypeError: if ``mask`` is not boolean.
        """
        if projected_key is None:
            projected_key = self.project(key)
        _check_projected(projected_key, query, key, self.score_proj.in_features)
        scores = additive_scores(
            self.query_proj(query), projected_key, self.score_proj.weight
        )
        return attend(scores, value, mask)


class MultiplicativeAttention(nn.Module):
    r"""Score each key against a query by the dot product of their projections.

    .. math:: e_{ij} = (W_a s_{i-1})^\top (U_a h_j)

    A product replaces the hidden layer of :class:`AdditiveAttention`; the arguments are
    the same, so that the two can be compared. The scores are not scaled. Bahdanau et
    al. do not have this score.

    Args:
        query_dim: size of a query vector.
        key_dim: size of a key vector.
        hidden_dim: size of the two projections.

    Memory: nothing larger than the scores and the projections.

    Example:
        >>> import torch
        >>> layer = MultiplicativeAttention(2, 3, 5)
        >>> query, key = torch.randn(1, 1, 2), torch.randn(1, 4, 3)
        >>> layer(query, key, key)[1].shape
        torch.Size([1, 1, 4])
    """

    def __init__(self, query_dim: int, key_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.query_proj = nn.Linear(query_dim, hidden_dim, bias=False)  # W_a
        self.key_proj = nn.Linear(key_dim, hidden_dim, bias=False)  # U_a

    def project(
        self, key: Float[Tensor, "batch keys key_dim"]
    ) -> Float[Tensor, "batch keys hidden_dim"]:
        """Return :math:`U_a h_j` of all keys, for many calls with the same keys."""
        return self.key_proj(key)

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        key: Float[Tensor, "batch keys key_dim"],
        value: Float[Tensor, "batch keys value_dim"],
        mask: Mask | None = None,
        *,
        projected_key: Float[Tensor, "batch keys hidden_dim"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch queries value_dim"], Float[Tensor, "batch queries keys"]
    ]:
        """Return ``(context, weights)``; arguments as for :class:`AdditiveAttention`.

        Raises:
            ValueError: if query, key, value, mask and projected key do not fit each
                other.
            TypeError: if ``mask`` is not boolean.
        """
        if projected_key is None:
            projected_key = self.project(key)
        _check_projected(projected_key, query, key, self.query_proj.out_features)
        scores = self.query_proj(query) @ projected_key.transpose(1, 2)
        return attend(scores, value, mask)


def _check_projected(
    projected_key: Tensor, query: Tensor, key: Tensor, hidden_dim: int
) -> None:
    fitting = len(query), key.shape[1], hidden_dim
    if projected_key.shape != fitting:
        raise ValueError(
            f"projected_key must have shape {fitting} to fit query "
            f"{tuple(query.shape)} and key {tuple(key.shape)}, got "
            f"{tuple(projected_key.shape)}"
        )
