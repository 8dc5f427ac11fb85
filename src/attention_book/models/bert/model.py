"""BERT (Devlin et al., 2019): an encoder trained to fill in words it does not see."""

from collections.abc import Iterator
from functools import partial

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.absolute import LearnedPositions
from attention_book.data.pretraining import FineTuningBatch, PretrainingBatch
from attention_book.functional import causal_mask
from attention_book.models.bert.config import (
    ACTIVATIONS,
    BertClassifierConfig,
    BertConfig,
)
from attention_book.models.checks import check_padding, check_range
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.transformer.encoder import Encoder, EncoderLayer
from attention_book.models.transformer.layers import (
    FeedForward,
    Residual,
    nonpad_indices,
)


class BertEmbeddings(nn.Module):
    r"""Add up the embeddings of word, position and segment; normalise the sum.

    .. math::
        x_t = \mathrm{Dropout}(\mathrm{LN}(
            E^{\text{word}}_{w_t} + E^{\text{segment}}_{s_t} + E^{\text{position}}_t))

    Args:
        config: sizes; see :class:`~attention_book.models.bert.config.BertConfig`.

    Raises:
        ValueError: from a call, if the input is longer than ``max_positions`` or, on a
            CPU, an id or a segment is out of range.

    Source: arXiv:1810.04805, figure 2. Norm and dropout are in the authors' code only.

    Example:
        >>> import torch
        >>> ids = torch.tensor([[1, 5, 2]])
        >>> BertEmbeddings(BertConfig(vocab_size=9))(ids, torch.zeros_like(ids)).shape
        torch.Size([1, 3, 128])
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.words = TokenEmbedding(config.vocab_size, config.embed_dim)
        self.positions = LearnedPositions(config.max_positions, config.embed_dim)
        self.segments = TokenEmbedding(config.num_segments, config.embed_dim)
        self.norm = nn.LayerNorm(config.embed_dim, eps=config.norm_epsilon)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        ids: Int[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"],
    ) -> Float[Tensor, "batch tokens embed_dim"]:
        """Return the tokens that the first layer reads.

        Args:
            ids: of the word pieces.
            segments: of the same tokens, from 0.
        """
        tokens = self.positions(self.words(ids) + self.segments(segments))
        return self.dropout(self.norm(tokens))


class Bert(nn.Module):
    r"""Read one or two segments of text; return a vector for each token and for all.

    .. math::
        H^0 &= (x_1 \ldots x_T), \qquad
        \tilde H^l = \mathrm{LN}(H^{l-1} + \mathrm{MultiHead}(H^{l-1})), \qquad
        H^l = \mathrm{LN}(\tilde H^l + \mathrm{FFN}(\tilde H^l)) \\
        c &= \tanh(W_p H^L_1 + b_p)

    with the embeddings :math:`x_t` of :class:`BertEmbeddings`, GELU in the feed-forward
    networks, and dropout before each sum and on the attention weights. The first token
    is ``[CLS]``; the pooler makes :math:`c` of it. Every token sees every other, unless
    ``config.causal`` asks for the left-to-right model that BERT is compared with.

    Args:
        config: sizes and parts; kept as ``self.config``.

    Raises:
        ValueError: from a call, as :class:`BertEmbeddings`, or if the shapes do not fit
            each other, or padding is not on the right.

    Source: arXiv:1810.04805, section 3 and appendix A.2; layers as in
        arXiv:1706.03762. Initial values are those of the authors' code: matrices and
        embeddings normal with standard deviation ``config.initial_std``, or
        ``config.embedding_std``, cut off at two of them, biases 0, gains 1. That code
        adds -10,000 to the scores of padding, where this gives it a weight of exactly
        0.

    Example:
        >>> import torch
        >>> ids = torch.tensor([[1, 5, 2, 6, 2]])
        >>> segments = torch.tensor([[0, 0, 0, 1, 1]])
        >>> tokens, pooled = Bert(BertConfig(vocab_size=9))(ids, ids != 0, segments)
        >>> tokens.shape, pooled.shape
        (torch.Size([1, 5, 128]), torch.Size([1, 128]))
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.encoder = Encoder(_layers(config))
        self.pooler = nn.Linear(config.embed_dim, config.embed_dim)  # W_p, b_p
        self.apply(partial(_start, std=config.initial_std))
        positions = self.embeddings.positions.table
        _truncated_normal(positions, config.initial_std)
        if config.embedding_std is not None:
            words, segments = self.embeddings.words, self.embeddings.segments
            for table in (words.weight, positions, segments.weight):
                table.data.mul_(config.embedding_std / config.initial_std)

    def forward(
        self,
        ids: Int[Tensor, "batch tokens"],
        token_mask: Bool[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"],
        *,
        nonpad: Int[Tensor, " nonpad"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch tokens embed_dim"], Float[Tensor, "batch embed_dim"]
    ]:
        r"""Return :math:`H^L` and :math:`c`.

        Args:
            ids: ``[CLS] first [SEP] second [SEP]``, padded on the right.
            token_mask: True at real tokens.
            segments: 0 up to the first ``[SEP]``, 1 behind it.
            nonpad: what
                :func:`attention_book.models.transformer.layers.nonpad_indices` returned
                for ``token_mask``: saves the work on the padding, whose vectors are
                then others, and changes nothing else.

        Raises:
            ValueError: if the shapes do not fit each other, padding is not on the
                right, the input is too long or, on a CPU, an id is out of range.
            TypeError: if ``token_mask`` is not boolean.
        """
        check_padding("token", ids, token_mask)
        if segments.shape != ids.shape:
            raise ValueError(
                f"segments must have the shape of ids, {tuple(ids.shape)}, got "
                f"{tuple(segments.shape)}"
            )
        tokens = self.embeddings(ids, segments)
        mask = token_mask[:, None]
        if self.config.causal:
            mask = mask & causal_mask(ids.shape[1], device=ids.device)
        tokens = self.encoder(tokens, mask, nonpad)
        return tokens, self.pooler(tokens[:, 0]).tanh()


class MaskedWordHead(nn.Module):
    r"""Predict words from the vectors of tokens, with the matrix of the embedding.

    .. math:: z = E^{\text{word}}\, \mathrm{LN}(\mathrm{GELU}(W h + b)) + b_o

    The matrix :math:`E` is that of the input, transposed; the transform before it and
    one bias for each word are the head's own.

    Args:
        config: sizes and activation.

    Source: arXiv:1810.04805 speaks of an output softmax over the vocabulary only; the
        transform, the shared matrix and the bias are those of the authors' code.

    Example:
        >>> import torch
        >>> head = MaskedWordHead(BertConfig(vocab_size=9, embed_dim=4))
        >>> head(torch.zeros(2, 3, 4), torch.zeros(9, 4)).shape
        torch.Size([2, 3, 9])
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.transform = nn.Linear(config.embed_dim, config.embed_dim)  # W, b
        self.activation = ACTIVATIONS[config.activation]
        self.norm = nn.LayerNorm(config.embed_dim, eps=config.norm_epsilon)
        self.bias = nn.Parameter(self.transform.weight.new_zeros(config.vocab_size))
        self.apply(partial(_start, std=config.initial_std))

    def forward(
        self,
        tokens: Float[Tensor, "*positions embed_dim"],
        embedding: Float[Tensor, "vocab embed_dim"],
    ) -> Float[Tensor, "*positions vocab"]:
        r"""Return the logits of all words.

        Args:
            tokens: :math:`h`, from the last layer.
            embedding: :math:`E^{\text{word}}`.
        """
        tokens = self.norm(self.activation(self.transform(tokens)))
        return F.linear(tokens, embedding, self.bias)


class BertPretraining(nn.Module):
    r"""BERT with its two heads of pre-training: masked words, and the next sentence.

    .. math::
        \mathcal L = -\frac{1}{|M|} \sum_{(b,t) \in M} \log p(w_{bt} \mid \tilde w_b)
            - \frac{1}{B} \sum_b \log p(r_b \mid \tilde w_b)

    :math:`M` are the positions that were chosen, whether a mask, a random word or the
    word itself stands there in :math:`\tilde w`; :math:`r_b` is 0 if the second segment
    follows the first one in its text, 1 if it is from elsewhere.

    Args:
        config: sizes and parts; kept as ``self.config``.

    Raises:
        ValueError: from a call, as :class:`Bert`.

    Source: arXiv:1810.04805, 3.1 and A.2. The authors' code divides the first sum by
        :math:`|M| + 10^{-5}`.

    Example:
        >>> import torch
        >>> model = BertPretraining(BertConfig(vocab_size=9))
        >>> ids = torch.tensor([[1, 5, 2, 6, 2]])
        >>> words, following = model(ids, ids != 0, torch.zeros_like(ids))
        >>> words.shape, following.shape
        (torch.Size([1, 5, 9]), torch.Size([1, 2]))
    """

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Bert(config)
        self.word_head = MaskedWordHead(config)
        self.next_proj = nn.Linear(config.embed_dim, 2)
        _start(self.next_proj, std=config.initial_std)

    def forward(
        self,
        ids: Int[Tensor, "batch tokens"],
        token_mask: Bool[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"],
        *,
        chosen: Int[Tensor, " chosen"] | None = None,
        nonpad: Int[Tensor, " nonpad"] | None = None,
    ) -> tuple[Float[Tensor, "*positions vocab"], Float[Tensor, "batch 2"]]:
        """Return the logits of the words, and those of "follows" and "from elsewhere".

        Args:
            ids: as for :meth:`Bert.forward`, masks in their places.
            token_mask: as there.
            segments: as there.
            chosen: indices into ``ids.flatten()`` of the tokens whose words are
                needed, which saves the work on the others; None: all.
            nonpad: as there.

        Returns:
            Logits of shape (batch, tokens, vocab), with ``chosen`` (chosen, vocab); and
            logits of shape (batch, 2).

        Raises:
            ValueError: as :meth:`Bert.forward`.
            TypeError: as :meth:`Bert.forward`.
        """
        tokens, pooled = self.bert(ids, token_mask, segments, nonpad=nonpad)
        if chosen is not None:
            tokens = tokens.flatten(0, 1)[chosen]
        words = self.word_head(tokens, self.bert.embeddings.words.weight)
        return words, self.next_proj(pooled)

    def losses(
        self, batch: PretrainingBatch
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """Return the two terms: nats per chosen token, and nats per pair of segments.

        Raises:
            ValueError: if no token is chosen, or as :meth:`forward`.
        """
        if batch.num_chosen < 1:
            raise ValueError("batch must have at least one chosen token, got none")
        chosen = nonpad_indices(batch.chosen, batch.num_chosen)
        words, following = self(
            batch.ids,
            batch.token_mask,
            batch.segments,
            chosen=chosen,
            nonpad=nonpad_indices(batch.token_mask, batch.num_nonpad),
        )
        return (
            F.cross_entropy(words, batch.target.flatten()[chosen]),
            F.cross_entropy(following, batch.from_elsewhere.long()),
        )

    def loss(self, batch: PretrainingBatch) -> Float[Tensor, ""]:
        """Return the sum of both terms of :meth:`losses`, in nats.

        Without ``config.next_sentence`` it is the first one.

        Raises:
            ValueError: as :meth:`losses`.
        """
        words, following = self.losses(batch)
        return words + following if self.config.next_sentence else words


class BertClassifier(nn.Module):
    r"""Classify a text or a pair of texts from the pooled vector of BERT.

    .. math:: p = \mathrm{softmax}(W_c\, \mathrm{Dropout}(c) + b_c)

    Fine-tuning trains all weights, those of BERT included. To start from pre-training,
    load the encoder: ``model.bert.load_state_dict(pretrained.bert.state_dict())``.

    Args:
        config: settings of the encoder, and number of classes; kept as ``self.config``.

    Raises:
        ValueError: from a call, as :class:`Bert`.

    Source: arXiv:1810.04805, 4.1, which has no bias; dropout and :math:`b_c` are in the
        authors' code.

    Example:
        >>> import torch
        >>> config = BertClassifierConfig(bert=BertConfig(vocab_size=9), num_classes=3)
        >>> ids = torch.tensor([[1, 5, 2]])
        >>> BertClassifier(config)(ids, ids != 0, torch.zeros_like(ids)).shape
        torch.Size([1, 3])
    """

    def __init__(self, config: BertClassifierConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Bert(config.bert)
        self.dropout = nn.Dropout(config.dropout)
        self.class_proj = nn.Linear(config.bert.embed_dim, config.num_classes)
        _start(self.class_proj, std=config.bert.initial_std)

    def forward(
        self,
        ids: Int[Tensor, "batch tokens"],
        token_mask: Bool[Tensor, "batch tokens"],
        segments: Int[Tensor, "batch tokens"],
        *,
        nonpad: Int[Tensor, " nonpad"] | None = None,
    ) -> Float[Tensor, "batch classes"]:
        """Return the logits of the classes; arguments as for :meth:`Bert.forward`."""
        _, pooled = self.bert(ids, token_mask, segments, nonpad=nonpad)
        return self.class_proj(self.dropout(pooled))

    def loss(self, batch: FineTuningBatch) -> Float[Tensor, ""]:
        """Return the mean negative log-likelihood of the classes, in nats per label.

        Raises:
            ValueError: on a CPU, if a label is not the number of a class.
        """
        check_range("label", batch.labels, 0, self.config.num_classes - 1)
        nonpad = nonpad_indices(batch.token_mask, batch.num_nonpad)
        logits = self(batch.ids, batch.token_mask, batch.segments, nonpad=nonpad)
        return F.cross_entropy(logits, batch.labels)


def _layers(config: BertConfig) -> Iterator[EncoderLayer]:
    for _ in range(config.num_layers):
        yield EncoderLayer(
            MultiHeadAttention(
                config.embed_dim, config.num_heads, dropout=config.attention_dropout
            ),
            FeedForward(
                config.embed_dim,
                config.hidden_dim,
                activation=ACTIVATIONS[config.activation],
            ),
            lambda: Residual(
                nn.LayerNorm(config.embed_dim, eps=config.norm_epsilon),
                dropout=config.dropout,
            ),
        )


def _start(module: nn.Module, *, std: float) -> None:
    """Give matrices and embeddings their first values, and biases 0."""
    if isinstance(module, nn.Linear | nn.Embedding):
        _truncated_normal(module.weight, std)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def _truncated_normal(weight: Tensor, std: float) -> None:
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)
