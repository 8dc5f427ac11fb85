"""One weight for each feature of each token (Shen et al., 2018: DiSAN)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.functional import (
    Mask,
    attend,
    causal_mask,
    check_counts,
    check_mask,
)


class SourceToToken(nn.Module):
    r"""Summarise a sequence in one vector, with separate weights for each feature.

    .. math::
        f(x_i) = W^\top \sigma(W^{(1)} x_i + b^{(1)}) + b, \qquad
        P_{ki} = \mathrm{softmax}_i \bigl([f(x_i)]_k\bigr), \qquad
        s_k = \sum_i P_{ki} x_{ik}

    with tokens :math:`x` as ``key``, weights :math:`P` and context :math:`s`. The score
    is a vector: each feature :math:`k` has its own softmax over the tokens, so the
    axis of features takes the position of the heads elsewhere. There is no query.

    Args:
        dim: size of a token, of the hidden layer and of the context vector.

    Raises:
        ValueError: if ``dim`` is less than 1.

    Source: arXiv:1709.04696, source2token self-attention; :math:`\sigma` is the ELU, as
        in the authors' code.

    Example:
        >>> context, weights = SourceToToken(3)(torch.randn(2, 4, 3))
        >>> context.shape, weights.shape  # batch, features, 1, keys
        (torch.Size([2, 1, 3]), torch.Size([2, 3, 1, 4]))
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        check_counts(dim=dim)
        self.hidden_proj = nn.Linear(dim, dim)  # W^(1), b^(1)
        self.score_proj = nn.Linear(dim, dim)  # W, b

    def forward(
        self, key: Float[Tensor, "batch keys dim"], mask: Mask | None = None
    ) -> tuple[Float[Tensor, "batch 1 dim"], Float[Tensor, "batch dim 1 keys"]]:
        """Return ``(context, weights)``.

        Args:
            key: the tokens, which are scored and averaged.
            mask: True at tokens that may be attended to, (batch, 1, keys); None: all.
                Without any the context is 0.

        Raises:
            ValueError: if the tokens or the mask do not fit.
            TypeError: if ``mask`` is not boolean.
        """
        _check_tokens(key, key, key, self.hidden_proj.in_features)
        scores = self.score_proj(F.elu(self.hidden_proj(key)))
        return _attend_by_feature(scores[:, None].movedim(-1, 1), key, mask)


class TokenToToken(nn.Module):
    r"""Attend from each token to the others, with one weight for each feature.

    .. math::
        f(h_i, h_j) = c \tanh\bigl([W^{(1)} h_i + W^{(2)} h_j + b^{(1)}] / c\bigr),
        \qquad
        P^j_{ki} = \mathrm{softmax}_i \bigl([f(h_i, h_j)]_k\bigr), \qquad
        s_{jk} = \sum_i P^j_{ki} h_{ik}

    with :math:`h_j` as ``query``, :math:`h_i` as ``key`` (and ``value``) and
    :math:`c = 5`. The mask introduces order: with :func:`earlier_mask` each token
    attends only to the tokens before it, with its transpose to those after it.

    Args:
        dim: size of a token and of a context vector.

    Raises:
        ValueError: if ``dim`` is less than 1.

    Memory: the weights hold queries x keys x dim numbers per sentence.
    Source: arXiv:1709.04696, directional self-attention. The layer that computes
        :math:`h` from the tokens, and the gate that combines :math:`s` and :math:`h`,
        are not included.

    Example:
        >>> h = torch.randn(2, 4, 3)
        >>> context, weights = TokenToToken(3)(h, h, h, earlier_mask(4))
        >>> context.shape, weights.shape  # batch, features, queries, keys
        (torch.Size([2, 4, 3]), torch.Size([2, 3, 4, 4]))
    """

    limit = 5.0  # c

    def __init__(self, dim: int) -> None:
        super().__init__()
        check_counts(dim=dim)
        self.key_proj = nn.Linear(dim, dim, bias=False)  # W^(1)
        self.query_proj = nn.Linear(dim, dim)  # W^(2), b^(1)

    def forward(
        self,
        query: Float[Tensor, "batch queries dim"],
        key: Float[Tensor, "batch keys dim"],
        value: Float[Tensor, "batch keys dim"],
        mask: Mask | None = None,
    ) -> tuple[
        Float[Tensor, "batch queries dim"], Float[Tensor, "batch dim queries keys"]
    ]:
        """Return ``(context, weights)``.

        Args:
            query: vectors that attend.
            key: vectors that are scored against each query.
            value: vectors that are averaged, feature by feature.
            mask: True where a query may attend, (batch, queries, keys) and the same for
                all features; None: everywhere.

        Raises:
            ValueError: if query, key, value and mask do not fit the layer and each
                other.
            TypeError: if ``mask`` is not boolean.
        """
        _check_tokens(query, key, value, self.key_proj.in_features)
        hidden = self.query_proj(query)[:, :, None] + self.key_proj(key)[:, None]
        scores = self.limit * (hidden / self.limit).tanh()
        return _attend_by_feature(scores.movedim(-1, 1), value, mask)


def earlier_mask(
    num_tokens: int, device: torch.device | str | None = None
) -> Bool[Tensor, "1 tokens tokens"]:
    """Let each token attend to the tokens before it, and not to itself.

    The first token has no key, so its context is 0. The transpose, ``.mT``, lets each
    token attend to the tokens after it.

    Args:
        num_tokens: number of queries and of keys.
        device: device of the mask; None: PyTorch's default device.

    Raises:
        ValueError: if ``num_tokens`` is negative.

    Source: arXiv:1709.04696, the masks :math:`M^{fw}` and :math:`M^{bw}`.

    Example:
        >>> earlier_mask(3)
        tensor([[[False, False, False],
                 [ True, False, False],
                 [ True,  True, False]]])
    """
    return causal_mask(num_tokens, device=device).tril(-1)


def _attend_by_feature(
    scores: Tensor, value: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Attend with scores (batch, features, queries, keys), feature by feature."""
    if mask is not None:
        check_mask(mask, (len(scores), *scores.shape[2:]))
        mask = mask[:, None]  # the same for all features
    context, weights = attend(scores, value.mT[..., None], mask)
    return context.squeeze(-1).mT, weights


def _check_tokens(query: Tensor, key: Tensor, value: Tensor, dim: int) -> None:
    fits = query.ndim == 3 and query.shape[-1] == dim
    if not fits or key.shape != (len(query), key.shape[1], dim):
        raise ValueError(
            f"query and key must have shape (batch, tokens, {dim}) and one batch, got "
            f"{tuple(query.shape)} and {tuple(key.shape)}"
        )
    if value.shape != key.shape:
        raise ValueError(
            f"value must have the key's shape {tuple(key.shape)}, got "
            f"{tuple(value.shape)}"
        )
