"""Self-attention, and nothing else that could let two words act together."""

from dataclasses import dataclass

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.attention.self_attention.layer import SelfAttention
from attention_book.data.sequences.labelled import LabelledBatch
from attention_book.models.embedding import TokenEmbedding


@dataclass(frozen=True, kw_only=True)
class PronounConfig:
    """Settings of :class:`PronounModel`.

    Attributes:
        vocab: number of words.
        num_classes: number of classes.
        embed_dim: size of a token, and of queries, keys and values.
        num_layers: number of layers of self-attention.
        read_at: position of the word at which the class is read; -1: the last one.
    """

    vocab: int
    num_classes: int = 3
    embed_dim: int = 16
    num_layers: int = 1
    read_at: int = -1


class PronounModel(nn.Module):
    r"""Classify a sentence from one of its words, after self-attention.

    .. math:: X \leftarrow X + \mathrm{SelfAttention}(X), \qquad
        \mathrm{logits} = W x_n + b

    with the word vectors as rows of :math:`X`, of which :math:`x_n` is the one that is
    read, after one layer or several. There are no positions and no hidden layer: only
    attention lets two words act together.

    Args:
        config: sizes; kept as ``self.config``.

    Raises:
        ValueError: from a call on a CPU, if an id is not in the vocabulary.

    Example:
        >>> import torch
        >>> model = PronounModel(PronounConfig(vocab=7))
        >>> model(torch.zeros(2, 5, dtype=torch.long)).shape
        torch.Size([2, 3])
    """

    def __init__(self, config: PronounConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.embed_dim
        self.embedding = TokenEmbedding(config.vocab, dim)
        self.layers = nn.ModuleList(
            SelfAttention(dim, dim) for _ in range(config.num_layers)
        )
        self.class_proj = nn.Linear(dim, config.num_classes)

    def forward(
        self, words: Int[Tensor, "batch words"]
    ) -> Float[Tensor, "batch classes"]:
        """Return the logits of the classes.

        Args:
            words: their ids.
        """
        x = self.embedding(words)
        for attention in self.layers:
            context, _ = attention(x, x, x)
            x = x + context
        return self.class_proj(x[:, self.config.read_at])

    def loss(self, batch: LabelledBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood of the labels, in nats."""
        return F.cross_entropy(self(batch.inputs), batch.labels)
