"""Norms of the Transformer: layer norm written out, batch norm to put in its place."""

from jaxtyping import Float
from torch import Tensor, nn


def layer_norm(
    tokens: Float[Tensor, "*axes embed_dim"],
    gain: Float[Tensor, " embed_dim"],
    bias: Float[Tensor, " embed_dim"],
    epsilon: float = 1e-5,
) -> Float[Tensor, "*axes embed_dim"]:
    r"""Give the numbers of each token mean 0 and variance 1, then a gain and a bias.

    .. math::
        y = g \odot \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + b, \qquad
        \mu = \frac{1}{d} \sum_i x_i, \qquad
        \sigma^2 = \frac{1}{d} \sum_i (x_i - \mu)^2

    Each token is its own affair: no other token of its sentence and no other sentence
    of its batch enters. The variance is divided by :math:`d`, not :math:`d - 1`, and
    :math:`\epsilon` is inside the root. The model uses :class:`torch.nn.LayerNorm`,
    which computes the same in one go.

    Args:
        tokens: :math:`x`.
        gain: :math:`g`, learned; at first 1.
        bias: :math:`b`, learned; at first 0.
        epsilon: :math:`\epsilon`, against a division by 0.

    Source: arXiv:1607.06450, section 3, where there is no :math:`\epsilon`.

    Example:
        >>> import torch
        >>> x = torch.tensor([1.0, 0.0, 0.0, 0.0])
        >>> layer_norm(x, torch.ones(4), torch.zeros(4))
        tensor([ 1.7320, -0.5773, -0.5773, -0.5773])
    """
    centred = tokens - tokens.mean(dim=-1, keepdim=True)
    variance = centred.square().mean(dim=-1, keepdim=True)
    return gain * centred / (variance + epsilon).sqrt() + bias


class TokenBatchNorm(nn.BatchNorm1d):
    r"""Give each of the numbers mean 0 and variance 1 over all tokens of a batch.

    To show what layer norm avoids. In training a token is changed by every other token
    of its batch: by padding, which counts like words, and in a decoder by the words
    that it is to predict. In eval mode running averages stand in for mean and variance.

    Args:
        embed_dim: size of a token.

    Source: Ioffe and Szegedy, arXiv:1502.03167.

    Example:
        >>> import torch
        >>> x = torch.tensor([[[1.0], [3.0]], [[5.0], [7.0]]])
        >>> TokenBatchNorm(1)(x).flatten().tolist()
        [-1.3..., -0.4..., 0.4..., 1.3...]
    """

    def forward(
        self, tokens: Float[Tensor, "batch tokens embed_dim"]
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens, normalised."""
        return super().forward(tokens.flatten(0, 1)).view_as(tokens)


NORMS = {"layer": nn.LayerNorm, "batch": TokenBatchNorm, "none": nn.Identity}


def make_norm(name: str, embed_dim: int) -> nn.Module:
    """Make a norm for tokens of ``embed_dim`` numbers.

    Args:
        name: "layer", "batch" or "none".
        embed_dim: size of a token.

    Raises:
        ValueError: if the name is none of these.

    Example:
        >>> make_norm("none", 4)
        Identity()
    """
    if name not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, got {name!r}")
    return NORMS[name](embed_dim)
