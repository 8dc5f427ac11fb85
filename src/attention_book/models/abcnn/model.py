"""BCNN and ABCNN-1, -2 and -3 (Yin, Schütze, Xiang and Zhou, 2016)."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from attention_book.data.sentence_pairs.pairs import SentencePairBatch
from attention_book.models.abcnn.block import ABCNNBlock, all_ap
from attention_book.models.abcnn.config import ABCNNConfig
from attention_book.models.mpcnn.loss import squared_norm


class ABCNN(nn.Module):
    r"""Decide whether two sentences belong together, from a similarity of each layer.

    The layers are the word vectors and each block. A layer sums up each sentence in one
    vector, its mean over the columns (all-ap), and the cosine of the two vectors is a
    feature. A logistic regression reads these and ``batch.features``, if there are any.
    Both sentences pass the same filters.

    The paper gives the attention of ABCNN-2 for the pooling between blocks. Here it
    weighs the all-ap of its block too: a model of one block would otherwise be BCNN.
    The cosine does not change if a sum takes the place of that mean.

    Args:
        config: sizes and parts; kept as ``self.config``.
        vectors: a word vector for each id, row 0 for padding; training leaves them.

    Raises:
        ValueError: if the vectors are not of size ``config.embed_dim``.

    Source: arXiv:1512.05193. Sentences are masked instead of padded with zeros to
        ``max_tokens``; all layers are trained together, and :meth:`features` gives what
        the paper then trains a classifier on again.

    Example:
        >>> config = ABCNNConfig(embed_dim=3, variant="ABCNN-3", num_blocks=2)
        >>> model = ABCNN(config, torch.randn(7, 3))
        >>> first, second = torch.tensor([[4, 5]]), torch.tensor([[6]])
        >>> batch = SentencePairBatch(first, first > 0, second, second > 0)
        >>> model.features(batch).shape  # word vectors, block 1, block 2
        torch.Size([1, 3])
    """

    def __init__(
        self, config: ABCNNConfig, vectors: Float[Tensor, "vocab embed_dim"]
    ) -> None:
        super().__init__()
        if vectors.shape[1] != config.embed_dim:
            raise ValueError(
                f"vectors must be of size embed_dim ({config.embed_dim}), got "
                f"{vectors.shape[1]}"
            )
        self.config = config
        self.embedding = nn.Embedding.from_pretrained(vectors.clone(), freeze=True)
        sizes = [config.embed_dim] + [config.num_filters] * (config.num_blocks - 1)
        self.blocks = nn.ModuleList(ABCNNBlock(size, config) for size in sizes)
        num_features = 1 + config.num_blocks + config.extra_features
        self.output_proj = nn.Linear(num_features, 1)

    def features(self, batch: SentencePairBatch) -> Float[Tensor, "batch features"]:
        """Return what the last layer reads: a cosine a layer, then the batch's own.

        Raises:
            ValueError: if the batch has not ``config.extra_features`` features.
        """
        masks = batch.first_mask, batch.second_mask
        columns = tuple(
            self.embedding(ids).masked_fill(~mask[..., None], 0.0)
            for ids, mask in zip((batch.first, batch.second), masks, strict=True)
        )
        layers = [tuple(map(all_ap, columns, masks))]
        for block in self.blocks:
            columns, summary = block(columns, masks)
            layers.append(summary)
        found = [_cosine(*layer)[:, None] for layer in layers]
        given = 0 if batch.features is None else batch.features.shape[1]
        if given != self.config.extra_features:
            raise ValueError(
                f"the batch must have extra_features ({self.config.extra_features}) "
                f"features, got {given}"
            )
        if given:
            found.append(batch.features)
        return torch.cat(found, dim=1)

    def score(self, batch: SentencePairBatch) -> Float[Tensor, " batch"]:
        """Return the logit of "they belong together": the more, the better."""
        return self.output_proj(self.features(batch)).squeeze(-1)

    def predict(self, batch: SentencePairBatch) -> Int[Tensor, " batch"]:
        """Return 1 where the logit is positive, otherwise 0."""
        return (self.score(batch) > 0).long()

    def loss(self, batch: SentencePairBatch) -> Float[Tensor, ""]:
        r"""Return the mean negative log-likelihood of the labels, in nats per pair.

        In training :math:`\frac{\lambda}{2} \lVert \theta \rVert^2` is added.

        Raises:
            ValueError: if the batch has no labels.
        """
        if batch.label is None:
            raise ValueError("the batch must have a label for each pair")
        logits = self.score(batch)
        loss = F.binary_cross_entropy_with_logits(logits, batch.label.to(logits.dtype))
        return loss + self.config.l2 / 2 * squared_norm(self) if self.training else loss


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    # Sentences of unknown words may be zeros: they have cosine 0, and the length in
    # the divisor is at least 1e-6, which bounds the gradient.
    return F.cosine_similarity(x, y, dim=-1, eps=1e-6)
