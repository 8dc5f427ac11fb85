"""The embedding of token ids that all models share."""

from jaxtyping import Float, Int
from torch import Tensor, nn


class TokenEmbedding(nn.Embedding):
    """One learned vector for each token of a vocabulary.

    This is :class:`torch.nn.Embedding` with an error that tells what is wrong.

    Args:
        num_embeddings: number of tokens.
        embedding_dim: size of a vector.

    Raises:
        ValueError: from a call on a CPU, if an id is not from 0 to ``num_embeddings``
            - 1. On a GPU, reading the ids would stall the device; there PyTorch reports
            a failed assertion later.

    Source: initial values are PyTorch's, normal with standard deviation 1.

    Example:
        >>> import torch
        >>> embedding = TokenEmbedding(7, 4)
        >>> torch.equal(embedding(torch.tensor([5, 2])), embedding.weight[[5, 2]])
        True
    """

    def forward(self, ids: Int[Tensor, "*axes"]) -> Float[Tensor, "*axes embed_dim"]:
        """Return the vector of each id."""
        try:
            return super().forward(ids)
        except IndexError as error:
            raise ValueError(
                f"ids must be from 0 to {self.num_embeddings - 1}, the size of the "
                f"vocabulary less 1, got ids from {ids.min()} to {ids.max()}"
            ) from error
