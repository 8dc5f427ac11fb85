"""The hierarchical attention network (Yang et al., 2016), and its rivals."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.han import LearnedQueryAttention
from attention_book.data.documents.labelled import DocumentBatch
from attention_book.models.checks import check_range, check_sizes
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.encoders.text import BidirectionalGRU

POOLINGS = ("attention", "average", "max")
ENCODERS = ("GRU", "one by one")


@dataclass(frozen=True, kw_only=True)
class HANConfig:
    """Sizes and parts of a :class:`HAN`; the default sizes are the paper's.

    Attributes:
        vocab_size: number of words, special tokens included.
        num_classes: number of classes.
        embed_dim: size of a word vector.
        hidden_dim: size of a GRU's state in each direction; the states of words and of
            sentences are twice as large.
        attention_dim: size of the query, which is the paper's context vector.
        pooling: how states become one vector: "attention" (HN-ATT), "average" (HN-AVE)
            or "max", feature by feature (HN-MAX).
        hierarchical: whether sentences are read one by one and then summarised. False:
            a document is one long sequence of words, with one attention.
        word_encoder: how words are encoded: "GRU", in both directions, or "one by
            one", each word by itself, with no view of its neighbours.
        sentence_encoder: the same for sentences.
        dropout: probability of setting a component to 0, before each encoder and before
            the classifier; the paper mentions none.

    Raises:
        ValueError: if a setting is out of its range.
    """

    vocab_size: int
    num_classes: int
    embed_dim: int = 200
    hidden_dim: int = 50
    attention_dim: int = 100
    pooling: str = "attention"
    hierarchical: bool = True
    word_encoder: str = "GRU"
    sentence_encoder: str = "GRU"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        choices = {
            "pooling": POOLINGS,
            "word_encoder": ENCODERS,
            "sentence_encoder": ENCODERS,
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, got "
                    f"{getattr(self, name)!r}"
                )


class OneByOne(nn.Module):
    r"""Encode each vector by itself: :math:`h_t = \tanh(W x_t + b)`.

    Args:
        input_dim: size of a vector.
        hidden_dim: half of the size of a state, as for
            :class:`attention_book.models.encoders.BidirectionalGRU`.

    Source: the encoder without context of arXiv:1908.04626.

    Example:
        >>> OneByOne(3, 5)(torch.randn(2, 4, 3), torch.ones(2, 4) > 0)[0].shape
        torch.Size([2, 4, 10])
    """

    def __init__(self, input_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(input_dim, 2 * hidden_dim)

    def forward(
        self,
        inputs: Float[Tensor, "rows items input_dim"],
        mask: Bool[Tensor, "rows items"],
    ) -> tuple[Float[Tensor, "rows items dim"], Bool[Tensor, "rows items"]]:
        """Return the states, and the mask as it came."""
        return self.proj(inputs).tanh(), mask


class Level(nn.Module):
    """One level of the hierarchy: encode a sequence, then summarise it in one vector.

    Words make a sentence and sentences make a document in the same way, so a model has
    two of these.

    Args:
        input_dim: size of the vectors to read.
        encoder: "GRU" or "one by one".
        config: the other sizes, and the pooling.
    """

    def __init__(self, input_dim: int, encoder: str, config: HANConfig) -> None:
        super().__init__()
        make = BidirectionalGRU if encoder == "GRU" else OneByOne
        self.encoder = make(input_dim, config.hidden_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.pooling = config.pooling
        if config.pooling == "attention":
            dim = 2 * config.hidden_dim
            self.attention = LearnedQueryAttention(dim, config.attention_dim)

    def encode(
        self,
        inputs: Float[Tensor, "rows items input_dim"],
        mask: Bool[Tensor, "rows items"],
    ) -> Float[Tensor, "rows items dim"]:
        """Return the states of all items; those at padding have no meaning.

        Args:
            inputs: vectors of the items, padded on the right.
            mask: True at real items. A row may have none.
        """
        # No GRU can read an empty row: there it reads one vector of padding, whose
        # state gets no weight.
        first = torch.arange(mask.shape[1], device=mask.device) == 0
        return self.encoder(self.dropout(inputs), mask | first)[0]

    def summarise(
        self,
        states: Float[Tensor, "rows items dim"],
        mask: Bool[Tensor, "rows items"],
        weights: Float[Tensor, "rows items"] | None = None,
    ) -> Float[Tensor, "rows dim"]:
        """Return one vector per row; 0 for a row without a real item.

        Args:
            states: of the items.
            mask: True at real items.
            weights: used in place of the level's own pooling; None: its own.
        """
        if weights is not None:
            return (weights[:, None] @ states).squeeze(1)
        if self.pooling == "attention":
            return self.attention(states, mask[:, None])[0].squeeze(1)
        real = mask[..., None]
        if self.pooling == "average":
            return states.masked_fill(~real, 0.0).sum(1) / real.sum(1).clamp(min=1)
        highest = states.masked_fill(~real, -torch.inf).amax(1)
        return highest.masked_fill(~real.any(1), 0.0)


class HAN(nn.Module):
    r"""Classify a document: attend to the words of each sentence, then to sentences.

    .. math::
        s_i = \sum_t \alpha_{it} h_{it}, \qquad v = \sum_i \alpha_i h_i, \qquad
        p = \mathrm{softmax}(W_c v + b_c)

    where :math:`h_{it}` are the states of a bidirectional GRU over the words of
    sentence :math:`i`, :math:`h_i` those of another one over the vectors :math:`s_i`,
    and both attentions have a learned query. All sentences of all documents of a batch
    are read together.

    Padding gets no weight at either level. Neither does an empty sentence, wherever it
    is; a document without a word has :math:`v = 0`.

    Args:
        config: sizes and parts; kept as ``self.config``.
        vectors: a word vector for each id at the start of training; None: normal
            random numbers.

    Raises:
        ValueError: if the vectors are not of the shape that the config says.

    Source: Yang et al., NAACL 2016, whose reset gate multiplies :math:`U h`, as that of
        :class:`torch.nn.GRU` does.

    Example:
        >>> config = HANConfig(vocab_size=9, num_classes=3, embed_dim=4, hidden_dim=2)
        >>> words = torch.tensor([[[4, 5, 6], [7, 0, 0]]])
        >>> HAN(config)(words, words > 0).shape
        torch.Size([1, 3])
    """

    def __init__(
        self, config: HANConfig, vectors: Float[Tensor, "vocab dim"] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        wanted = config.vocab_size, config.embed_dim
        self.embedding = TokenEmbedding(*wanted)
        if vectors is not None:
            if vectors.shape != wanted:
                raise ValueError(
                    f"vectors must have shape {wanted}, vocab_size and embed_dim, got "
                    f"{tuple(vectors.shape)}"
                )
            self.embedding.weight.data.copy_(vectors)
        dim = 2 * config.hidden_dim
        self.word_level = Level(config.embed_dim, config.word_encoder, config)
        if config.hierarchical:
            self.sentence_level = Level(dim, config.sentence_encoder, config)
        self.dropout = nn.Dropout(config.dropout)
        self.class_proj = nn.Linear(dim, config.num_classes)  # W_c, b_c

    def forward(
        self,
        words: Int[Tensor, "batch sentences words"],
        word_mask: Bool[Tensor, "batch sentences words"],
        *,
        word_weights: Float[Tensor, "batch sentences words"] | None = None,
        sentence_weights: Float[Tensor, "batch sentences"] | None = None,
    ) -> Float[Tensor, "batch classes"]:
        """Return the logits of the classes.

        Args:
            words: ids of the words, each sentence padded on the right.
            word_mask: True at real words.
            word_weights: weights to use in place of the word level's own pooling; None:
                these.
            sentence_weights: the same for the sentence level.

        Raises:
            ValueError: if the shapes differ, or ``sentence_weights`` are given to a
                model that does not read sentences.
        """
        check_documents(words, word_mask)
        if not self.config.hierarchical:
            if sentence_weights is not None:
                raise ValueError(
                    "sentence_weights must be None for a model with hierarchical=False"
                )
            return self.classify(self.read_flat(words, word_mask, word_weights))
        vectors = self.read_words(words, word_mask, word_weights)  # s_i
        mask = word_mask.any(dim=2)
        states = self.read_sentences(vectors, mask)  # h_i
        document = self.sentence_level.summarise(states, mask, sentence_weights)  # v
        return self.classify(document)

    def read_words(
        self,
        words: Int[Tensor, "batch sentences words"],
        word_mask: Bool[Tensor, "batch sentences words"],
        word_weights: Float[Tensor, "batch sentences words"] | None = None,
    ) -> Float[Tensor, "batch sentences dim"]:
        """Return the vector of each sentence; arguments as for :meth:`forward`."""
        rows, mask = words.flatten(0, 1), word_mask.flatten(0, 1)
        weights = None if word_weights is None else word_weights.flatten(0, 1)
        states = self.word_level.encode(self.embedding(rows), mask)
        vectors = self.word_level.summarise(states, mask, weights)
        return vectors.unflatten(0, words.shape[:2])

    def read_sentences(
        self,
        vectors: Float[Tensor, "batch sentences dim"],
        mask: Bool[Tensor, "batch sentences"],
    ) -> Float[Tensor, "batch sentences dim"]:
        """Return the state of each sentence among its neighbours.

        Args:
            vectors: one per sentence.
            mask: True at sentences that have a word.
        """
        order = real_first(mask)
        states = self.sentence_level.encode(
            reorder(vectors, order), mask.gather(1, order)
        )
        return reorder(states, order.argsort(1))

    def read_flat(
        self,
        words: Int[Tensor, "batch sentences words"],
        word_mask: Bool[Tensor, "batch sentences words"],
        word_weights: Float[Tensor, "batch sentences words"] | None = None,
    ) -> Float[Tensor, "batch dim"]:
        """Return one vector per document, read as one long sequence of words.

        Arguments are those of :meth:`forward`.
        """
        words, mask = words.flatten(1), word_mask.flatten(1)
        weights = None if word_weights is None else word_weights.flatten(1)
        order = real_first(mask)
        inputs = self.embedding(words.gather(1, order))
        states = self.word_level.encode(inputs, mask.gather(1, order))
        return self.word_level.summarise(
            reorder(states, order.argsort(1)), mask, weights
        )

    def classify(
        self, document: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch classes"]:
        """Return the logits of the classes from the documents' vectors :math:`v`."""
        return self.class_proj(self.dropout(document))

    def loss(self, batch: DocumentBatch) -> Float[Tensor, ""]:
        """Return the mean negative log-likelihood of the classes, in nats per document.

        Raises:
            ValueError: on a CPU, if a label is not a number of a class.
        """
        check_range("label", batch.labels, 0, self.config.num_classes - 1)
        logits = self(
            batch.words, batch.word_mask, sentence_weights=batch.sentence_weights
        )
        return F.cross_entropy(logits, batch.labels)


def real_first(mask: Bool[Tensor, "rows items"]) -> Int[Tensor, "rows items"]:
    """Return an order of the items of each row that puts padding behind the others.

    A recurrent encoder must read the real items one after the other.

    Args:
        mask: True at real items, with padding anywhere.

    Example:
        >>> real_first(torch.tensor([[False, True, False, True]]))
        tensor([[1, 3, 0, 2]])
    """
    return (~mask).byte().argsort(dim=1, stable=True)


def reorder(
    values: Float[Tensor, "rows items dim"], order: Int[Tensor, "rows items"]
) -> Float[Tensor, "rows items dim"]:
    """Return the vectors of each row in another order.

    Example:
        >>> reorder(torch.tensor([[[1.0], [2.0]]]), torch.tensor([[1, 0]]))
        tensor([[[2.],
                 [1.]]])
    """
    return values.gather(1, order[..., None].expand_as(values))


def check_documents(
    words: Int[Tensor, "batch sentences words"],
    word_mask: Bool[Tensor, "_ _ _"],
) -> None:
    """Check that a mask fits the words.

    Raises:
        ValueError: if the shapes differ.
        TypeError: if the mask is not boolean.
    """
    if words.shape != word_mask.shape or words.ndim != 3:
        raise ValueError(
            "words and word_mask must have one shape (batch, sentences, words), got "
            f"{tuple(words.shape)} and {tuple(word_mask.shape)}"
        )
    if word_mask.dtype != torch.bool:
        raise TypeError(f"word_mask must be boolean, got {word_mask.dtype}")
