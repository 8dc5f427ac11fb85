"""Token embeddings at the scale that a Transformer needs."""

import math

from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.models.embedding import TokenEmbedding


class ScaledEmbedding(TokenEmbedding):
    r"""Embed tokens and multiply their vectors by the square root of their size.

    .. math:: x = \sqrt{d}\, E_w

    The rows of :math:`E` may also be those of the output layer, which multiplies them
    with tokens whose :math:`d` components are about 1: small components keep the logits
    small. They start normal with standard deviation :math:`1 / \sqrt{d}`, so the
    components of :math:`x` start at about 1, like the sinusoids that are added to them.

    Args:
        vocab_size: number of tokens.
        embed_dim: :math:`d`.

    Raises:
        ValueError: as :class:`attention_book.models.embedding.TokenEmbedding`.

    Source: arXiv:1706.03762, 3.4, which does not give the initial values.

    Example:
        >>> import torch
        >>> embedding = ScaledEmbedding(7, 4)
        >>> torch.equal(embedding(torch.tensor(5)), 2 * embedding.weight[5])
        True
    """

    def __init__(self, vocab_size: int, embed_dim: int) -> None:
        super().__init__(vocab_size, embed_dim)
        self.scale = math.sqrt(embed_dim)
        nn.init.normal_(self.weight, std=1 / self.scale)

    def forward(self, ids: Int[Tensor, "*axes"]) -> Float[Tensor, "*axes embed_dim"]:
        """Return the scaled vector of each id."""
        return super().forward(ids) * self.scale
