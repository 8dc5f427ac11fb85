"""A model that looks values up in a dictionary by graph attention."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.data.graphs.dictionary_lookup import LookupBatch
from attention_book.functional import check_counts
from attention_book.models.graph_attention.layer import (
    SCORES,
    GraphAttention,
    check_score,
)


@dataclass(frozen=True, kw_only=True)
class LookupConfig:
    """Settings of a model for the dictionary lookup.

    Attributes:
        num_keys: number of keys, of attributes and of values.
        score: "gat" or "gatv2".
        shared: whether one matrix projects queries and keys.
        num_heads: number of heads, which are concatenated.
        hidden_dim: size of a node's vector, before the layer and after it.

    Raises:
        ValueError: if ``score`` is none of ``SCORES``, a size is out of its range, or
            ``num_heads`` does not divide ``hidden_dim``.
    """

    num_keys: int
    score: str = "gat"
    shared: bool = True
    num_heads: int = 1
    hidden_dim: int = 128

    def __post_init__(self) -> None:
        check_score(self.score)
        for name in ("num_keys", "num_heads", "hidden_dim"):
            check_counts(**{name: getattr(self, name)})
        if self.hidden_dim % self.num_heads:
            raise ValueError(
                f"hidden_dim ({self.hidden_dim}) must be divisible by num_heads "
                f"({self.num_heads})"
            )


class LookupModel(nn.Module):
    """One graph attention layer that must fetch a value from the right key.

    A node's vector is made from two learned ones, for its attribute and its value;
    queries have the value "unknown". One layer passes information from keys to queries,
    and a linear one reads the value.

    Args:
        config: sizes and kind of score; kept as ``self.config``.

    Source: arXiv:2105.14491, section 4.1 and the authors' code, without its dropout,
        which stays on in evaluation.

    Example:
        >>> import torch
        >>> from attention_book.data.graphs.dictionary_lookup import lookup_batch
        >>> model = LookupModel(LookupConfig(num_keys=3, hidden_dim=8))
        >>> model(lookup_batch(torch.tensor([[2, 0, 1]]))).shape
        torch.Size([3, 3])
    """

    def __init__(self, config: LookupConfig) -> None:
        super().__init__()
        self.config = config
        dim, num_heads = config.hidden_dim, config.num_heads
        self.attribute_embedding = nn.Embedding(config.num_keys, dim)
        self.value_embedding = nn.Embedding(config.num_keys + 1, dim)
        self.layer = GraphAttention(
            dim,
            SCORES[config.score](num_heads, dim // num_heads),
            num_heads=num_heads,
            head_dim=dim // num_heads,
            shared=config.shared,
        )
        self.readout = nn.Linear(dim, config.num_keys, bias=False)

    def forward(self, batch: LookupBatch) -> Float[Tensor, "queries values"]:
        """Return the logits of each query's value."""
        attribute = self.attribute_embedding(batch.attribute)
        nodes = (attribute + self.value_embedding(batch.value)).relu()
        context, _ = self.layer(nodes, batch.edges)
        return self.readout(context[batch.query])

    def loss(self, batch: LookupBatch) -> Float[Tensor, ""]:
        """Mean cross-entropy of the queries, in nats per query."""
        return F.cross_entropy(self(batch), batch.answer)
