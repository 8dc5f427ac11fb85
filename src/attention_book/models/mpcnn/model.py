"""The multi-perspective CNN (He, Gimpel and Lin, 2015), with or without attention."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.mpcnn import InputAttention
from attention_book.data.sentence_pairs.pairs import SentencePairBatch
from attention_book.models.checks import check_padding, check_pair_rows, check_range
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.mpcnn.compare import com_u1, horizontal, vertical
from attention_book.models.mpcnn.config import MPCNNConfig
from attention_book.models.mpcnn.filters import (
    HolisticFilters,
    PerDimensionFilters,
    masked_pool,
)
from attention_book.models.mpcnn.loss import graded_loss, hinge_loss, squared_norm


class MPCNN(nn.Module):
    r"""Compare two sentences by the outputs of many kinds of filters and poolings.

    The same filters read both sentences. Their pooled outputs, the "perspectives", are
    compared with their counterparts (algorithms 1 and 2 of the paper), and one hidden
    layer reads all comparisons:

    .. math:: f = W_2 \tanh(W_1 \cdot \mathrm{features} + b_1) + b_2

    No pooling includes padding. A filter wider than a sentence is applied once, at its
    start, and reads zeros after the last word; the authors' code appends words instead.

    Width infinity, the poolings of the word vectors, is compared with the other widths
    if the vectors have the same size, as in the paper (300 and 300). Otherwise it is
    compared with itself only, and algorithm 1 covers the finite widths.

    Args:
        config: sizes and parts; kept as ``self.config``.
        vectors: a word vector for each id, row 0 for padding; they are not trained.

    Raises:
        ValueError: if the vectors are not of size ``config.embed_dim``.

    Source: He, Gimpel and Lin, EMNLP 2015; for ``attention`` He et al., SemEval-2016.

    Example:
        >>> config = MPCNNConfig(embed_dim=300)
        >>> config.num_features
        52536
    """

    def __init__(
        self, config: MPCNNConfig, vectors: Float[Tensor, "vocab embed_dim"]
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
        self.attention = InputAttention() if config.attention else None
        self.holistic = HolisticFilters(
            config.word_dim, config.num_filters, config.widths, config.poolings
        )
        self.per_dimension = (
            PerDimensionFilters(
                config.word_dim,
                config.num_dim_filters,
                config.widths,
                config.dim_poolings,
            )
            if config.num_dim_filters
            else None
        )
        self.vector_proj = (
            nn.Linear(config.num_pooled, config.vector_dim or config.num_filters)
            if config.comparison == "one vector"
            else None
        )
        self.hidden_proj = nn.Linear(config.num_features, config.hidden_dim)
        self.output_proj = nn.Linear(config.hidden_dim, config.num_outputs)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        first: Int[Tensor, "batch first_tokens"],
        first_mask: Bool[Tensor, "batch first_tokens"],
        second: Int[Tensor, "batch second_tokens"],
        second_mask: Bool[Tensor, "batch second_tokens"],
    ) -> Float[Tensor, "batch outputs"]:
        """Return the logits of the grades or classes.

        Args:
            first: word ids of the first sentences, padded on the right.
            first_mask: True at real words.
            second: word ids of the second sentences, padded on the right.
            second_mask: True at real words.

        Raises:
            ValueError: if the sentences are not equally many, or as
                :func:`attention_book.models.checks.check_padding`.
        """
        return self.read(self.compare(first, first_mask, second, second_mask))

    def read(
        self, features: Float[Tensor, "batch features"]
    ) -> Float[Tensor, "batch outputs"]:
        """Return the logits for the features of pairs: a hidden and a linear layer."""
        hidden = self.hidden_proj(features).tanh()
        return self.output_proj(self.dropout(hidden))

    def compare(
        self,
        first: Int[Tensor, "batch first_tokens"],
        first_mask: Bool[Tensor, "batch first_tokens"],
        second: Int[Tensor, "batch second_tokens"],
        second_mask: Bool[Tensor, "batch second_tokens"],
    ) -> Float[Tensor, "batch features"]:
        """Return the whole comparison of each pair: ``config.num_features`` features.

        Their order: algorithm 1; algorithm 2 for block A; width infinity, if it could
        not be compared with the others; algorithm 2 for block B.
        """
        words, mask = self._words(first, first_mask, second, second_mask)
        blocks, apart = self.pool(words, mask)
        config = self.config
        if not config.by_widths:
            pooled = torch.cat([x.flatten(1) for x in (blocks, *apart)], dim=1)
            if self.vector_proj is not None:
                pooled = self.vector_proj(pooled).tanh()
            return com_u1(*pooled.chunk(2))
        features, every = [], config.comparison == "all widths"
        if config.horizontal:
            features.append(horizontal(*blocks.chunk(2)))
        if config.vertical:
            features.append(vertical(*blocks.chunk(2), all_widths=every))
        features += [com_u1(*outputs.chunk(2)).flatten(1) for outputs in apart]
        return torch.cat(features, dim=1)

    def pool(
        self,
        words: Float[Tensor, "sentences tokens dim"],
        mask: Bool[Tensor, "sentences tokens"],
    ) -> tuple[Float[Tensor, "sentences poolings widths filters"], list[Tensor]]:
        """Return the pooled outputs of block A, and those that stand apart from them.

        Width infinity is the last of block A's widths if its vectors have the same size
        as those of the filters. Otherwise it stands apart, and so does block B; the
        last axis is the one that is compared.

        Args:
            words: vectors of the words, after attention if there is any.
            mask: True at real words.
        """
        config, apart = self.config, []
        blocks = self.holistic(words, mask)
        if config.whole_sentence:
            channels = words.transpose(1, 2)
            pooled = [masked_pool(channels, mask, p) for p in config.poolings]
            whole = torch.stack(pooled, dim=1)[:, :, None]
            if config.sentence_is_a_width:
                blocks = torch.cat([blocks, whole], dim=2)
            elif config.vertical or not config.by_widths:
                apart.append(whole)
        if self.per_dimension is not None:
            apart.append(self.per_dimension(words, mask))
        return blocks, apart

    def features(self, batch: SentencePairBatch) -> Float[Tensor, "batch features"]:
        """Return the comparison of the batch's pairs, as :meth:`compare` does."""
        return self.compare(*_sentences(batch))

    def logits(self, batch: SentencePairBatch) -> Float[Tensor, "batch outputs"]:
        """Return the logits of the grades or classes."""
        return self(*_sentences(batch))

    def score(self, batch: SentencePairBatch) -> Float[Tensor, " batch"]:
        """Return a similarity for each pair, as :meth:`similarity` does."""
        return self.similarity(self.logits(batch))

    def similarity(
        self, logits: Float[Tensor, "batch outputs"]
    ) -> Float[Tensor, " batch"]:
        r"""Turn logits into a similarity for each pair: higher means more alike.

        With grades it is their mean :math:`\hat y = \sum_i i \hat f_i`; with two
        classes the logit of class 1 minus that of class 0.

        Raises:
            ValueError: if there are more than two classes, which have no order.
        """
        if self.config.grades is None:
            if self.config.num_classes != 2:
                raise ValueError(
                    f"score needs grades or 2 classes, got {self.config.num_classes}"
                )
            return logits[:, 1] - logits[:, 0]
        low, high = self.config.grades
        grades = torch.arange(low, high + 1, device=logits.device, dtype=logits.dtype)
        return logits.softmax(dim=-1) @ grades

    def predict(self, batch: SentencePairBatch) -> Int[Tensor, " batch"]:
        """Return the most probable class or grade of each pair, counted from 0."""
        return self.logits(batch).argmax(dim=-1)

    def loss(self, batch: SentencePairBatch) -> Float[Tensor, ""]:
        r"""Return the training loss, a mean over the pairs.

        For grades it is the KL divergence from the sparse target in nats, for classes
        the hinge loss; in training :math:`\frac{\lambda}{2} \lVert \theta \rVert^2` is
        added.

        Raises:
            ValueError: if the batch lacks the scores or the labels, or on a CPU has one
                that is no grade or class of the model.
        """
        if self.config.grades is None:
            if batch.label is None:
                raise ValueError("the batch must have a label for each pair")
            check_range("label", batch.label, 0, self.config.num_classes - 1)
            loss = hinge_loss(self.logits(batch), batch.label)
        else:
            if batch.score is None:
                raise ValueError("the batch must have a score for each pair")
            check_range("score", batch.score, *self.config.grades)
            loss = graded_loss(self.logits(batch), batch.score, *self.config.grades)
        return loss + self.config.l2 / 2 * squared_norm(self) if self.training else loss

    def _words(
        self,
        first_ids: Int[Tensor, "batch first_tokens"],
        first_mask: Bool[Tensor, "batch first_tokens"],
        second_ids: Int[Tensor, "batch second_tokens"],
        second_mask: Bool[Tensor, "batch second_tokens"],
    ) -> tuple[Float[Tensor, "pairs tokens dim"], Bool[Tensor, "pairs tokens"]]:
        """Return all words as one batch: the first sentences, then the second."""
        check_padding("first", first_ids, first_mask)
        check_padding("second", second_ids, second_mask)
        check_pair_rows(first_ids, second_ids)
        first, second = self.embedding(first_ids), self.embedding(second_ids)
        if self.attention is not None:
            both = first_mask[:, :, None] & second_mask[:, None]
            reweighted, _ = self.attention(first, second, both)
            first, _ = self.attention(second, first, both.transpose(1, 2))
            second = reweighted
        longest = max(first.shape[1], second.shape[1])
        words, masks = [], []
        for side, mask in (first, first_mask), (second, second_mask):
            missing = longest - mask.shape[1]
            words.append(F.pad(side, (0, 0, 0, missing)))
            masks.append(F.pad(mask, (0, missing)))
        return torch.cat(words), torch.cat(masks)


def _sentences(batch: SentencePairBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return batch.first, batch.first_mask, batch.second, batch.second_mask
