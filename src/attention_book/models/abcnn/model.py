"""BCNN and ABCNN-1, -2 and -3 (Yin, Schütze, Xiang and Zhou, 2016)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.data.sentence_pairs.pairs import SentencePairBatch
from attention_book.models.abcnn.block import ABCNNBlock, all_ap
from attention_book.models.abcnn.config import ABCNNConfig
from attention_book.models.checks import check_padding, check_pair_rows, check_range
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.mpcnn.loss import squared_norm


class ABCNN(nn.Module):
    r"""Decide whether two sentences belong together, from one similarity per layer.

    The layers are the word vectors and each block. A layer summarises each sentence in
    one vector, the mean over its columns (all-ap), and the cosine of the two vectors is
    a feature. A logistic regression reads these and the pair's further features, if
    there are any. The same filters read both sentences.

    The paper defines the attention of ABCNN-2 for the pooling between blocks. Here it
    also weights the all-ap of its block; a model of one block would otherwise be BCNN.
    The cosine is the same for a weighted sum and a weighted mean.

    Args:
        config: sizes and parts; kept as ``self.config``.
        vectors: a word vector for each id, row 0 for padding; they are not trained.

    Raises:
        ValueError: if the vectors are not of size ``config.embed_dim``.

    Source: arXiv:1512.05193. Sentences are masked instead of padded with zeros to
        ``max_tokens``. All layers are trained together; :meth:`features` returns the
        features on which the paper then trains a separate classifier.

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
        # In the dtype of the layers that read them, whatever the file's was.
        vectors = vectors.to(torch.get_default_dtype(), copy=True)
        self.embedding = TokenEmbedding.from_pretrained(vectors, freeze=True)
        sizes = [config.embed_dim] + [config.num_filters] * (config.num_blocks - 1)
        self.blocks = nn.ModuleList(ABCNNBlock(size, config) for size in sizes)
        num_features = 1 + config.num_blocks + config.extra_features
        self.output_proj = nn.Linear(num_features, 1)

    def forward(
        self,
        first: Int[Tensor, "batch first_tokens"],
        first_mask: Bool[Tensor, "batch first_tokens"],
        second: Int[Tensor, "batch second_tokens"],
        second_mask: Bool[Tensor, "batch second_tokens"],
        features: Float[Tensor, "batch extra_features"] | None = None,
    ) -> Float[Tensor, " batch"]:
        """Return the logit of "they belong together" for each pair.

        Args:
            first: word ids of the first sentences, padded on the right.
            first_mask: True at real words.
            second: word ids of the second sentences, padded on the right.
            second_mask: True at real words.
            features: ``config.extra_features`` further features; None: no features.

        Raises:
            ValueError: if the number of ``features`` is another one, the sentences are
                not equally many, or as
                :func:`attention_book.models.checks.check_padding`.
        """
        features = self.compare(first, first_mask, second, second_mask, features)
        return self.output_proj(features).squeeze(-1)

    def compare(
        self,
        first: Int[Tensor, "batch first_tokens"],
        first_mask: Bool[Tensor, "batch first_tokens"],
        second: Int[Tensor, "batch second_tokens"],
        second_mask: Bool[Tensor, "batch second_tokens"],
        features: Float[Tensor, "batch extra_features"] | None = None,
    ) -> Float[Tensor, "batch features"]:
        """Return what the last layer reads: one cosine per layer, then ``features``.

        Arguments and errors are those of :meth:`forward`.
        """
        check_padding("first", first, first_mask)
        check_padding("second", second, second_mask)
        check_pair_rows(first, second)
        masks = first_mask, second_mask
        columns = self._columns(first, first_mask), self._columns(second, second_mask)
        summaries = [(all_ap(columns[0], first_mask), all_ap(columns[1], second_mask))]
        for block in self.blocks:
            columns, summary = block(columns, masks)
            summaries.append(summary)
        cosines = [_cosine(*summary)[:, None] for summary in summaries]
        given = 0 if features is None else features.shape[1]
        if given != self.config.extra_features:
            raise ValueError(
                f"the batch must have extra_features ({self.config.extra_features}) "
                f"features, got {given}"
            )
        if features is not None:
            cosines.append(features.to(cosines[0].dtype))
        return torch.cat(cosines, dim=1)

    def _columns(
        self, ids: Int[Tensor, "batch tokens"], mask: Bool[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        return self.embedding(ids).masked_fill(~mask[..., None], 0.0)

    def features(self, batch: SentencePairBatch) -> Float[Tensor, "batch features"]:
        """Return the features of the batch's pairs, as :meth:`compare` does."""
        return self.compare(*_inputs(batch))

    def score(self, batch: SentencePairBatch) -> Float[Tensor, " batch"]:
        """Return the logit of "they belong together": higher means a better match."""
        return self(*_inputs(batch))

    def predict(self, batch: SentencePairBatch) -> Int[Tensor, " batch"]:
        """Return 1 where the logit is positive, otherwise 0."""
        return (self.score(batch) > 0).long()

    def loss(self, batch: SentencePairBatch) -> Float[Tensor, ""]:
        r"""Return the mean negative log-likelihood of the labels, in nats per pair.

        In training :math:`\frac{\lambda}{2} \lVert \theta \rVert^2` is added.

        Raises:
            ValueError: if the batch has no labels or, on a CPU, one that is not 0 or 1.
        """
        if batch.label is None:
            raise ValueError("the batch must have a label for each pair")
        check_range("label", batch.label, 0, 1)
        logits = self.score(batch)
        loss = F.binary_cross_entropy_with_logits(logits, batch.label.to(logits.dtype))
        return loss + self.config.l2 / 2 * squared_norm(self) if self.training else loss


def _inputs(
    batch: SentencePairBatch,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    sentences = batch.first, batch.first_mask, batch.second, batch.second_mask
    return *sentences, batch.features


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    # A sentence of unknown words may be all zeros: its cosine is 0, and the norm in the
    # divisor is at least 1e-6, which bounds the gradient.
    return F.cosine_similarity(x, y, dim=-1, eps=1e-6)
