"""Words as vectors of the right length for a Transformer."""

import math

from jaxtyping import Float, Int
from torch import Tensor, nn


class ScaledEmbedding(nn.Embedding):
    r"""Look words up, and multiply what is found by the square root of its size.

    .. math:: x = \sqrt{d}\, E_w

    The rows of :math:`E` are the output layer's too, which multiplies them with tokens
    of :math:`d` numbers of about 1: small numbers keep those products small. They start
    normal with standard deviation :math:`1 / \sqrt{d}`, so :math:`x` starts with
    numbers of about 1, like the sines and cosines that are added to it.

    Args:
        vocab_size: number of words.
        embed_dim: :math:`d`.

    Raises:
        ValueError: from a call on a CPU, if an id is not below ``vocab_size``. On a GPU
            looking at the ids would stall it: PyTorch reports a failed assertion later.

    Source: arXiv:1706.03762, 3.4, which does not say how they start.

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
        """Return a vector for each id."""
        try:
            vectors = super().forward(ids)
        except IndexError as error:
            raise ValueError(
                f"ids must be from 0 to {self.num_embeddings - 1}, the size of the "
                f"vocabulary less 1, got ids from {ids.min()} to {ids.max()}"
            ) from error
        return vectors * self.scale
