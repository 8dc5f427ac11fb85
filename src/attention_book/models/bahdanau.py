"""RNNsearch: translation that attends to the source (Bahdanau et al., 2015)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from attention_book.attention.bahdanau import AdditiveAttention, MultiplicativeAttention
from attention_book.attention.location_aware import LocationAwareAttention
from attention_book.data.translation.pairs import PairBatch
from attention_book.functional import Mask, attend
from attention_book.models.checks import check_rows, check_sizes
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.encoders.encoded import Encoded
from attention_book.models.encoders.text import BidirectionalGRU
from attention_book.models.translation import teacher_forced_loss


class SearchState(NamedTuple):
    r"""The state of an :class:`RNNSearchDecoder`.

    Only ``hidden`` and ``previous_weights`` change.

    Attributes:
        hidden: :math:`s_i`.
        annotations: :math:`h_j`.
        keys: :math:`U_a h_j`, the annotations as the score reads them.
        values: :math:`C h_j`, the annotations as the gates read them.
        mask: True where the decoder may attend; None: everywhere.
        previous_weights: :math:`\alpha_{i-1}`, for attention that reads the last
            weights; None: for one that does not.
    """

    hidden: Float[Tensor, "rows hidden_dim"]
    annotations: Float[Tensor, "rows positions annotation_dim"]
    keys: Float[Tensor, "rows positions attention_dim"]
    values: Float[Tensor, "rows positions gates"]
    mask: Bool[Tensor, "rows positions"] | None
    previous_weights: Float[Tensor, "rows positions"] | None = None


class FixedContext(nn.Module):
    """In place of attention: every step gets the one annotation that there is.

    It has no parameters and is called as
    :class:`attention_book.attention.bahdanau.AdditiveAttention`. A decoder with it, and
    with the annotation of :func:`last_states` or of :func:`mean_states`, is the
    encoder-decoder to compare with.

    Example:
        >>> query, key = torch.randn(1, 2, 3), torch.tensor([[[5.0, 7.0]]])
        >>> FixedContext()(query, key, key)
        (tensor([[[5., 7.],
                 [5., 7.]]]), tensor([[[1.],
                 [1.]]]))
    """

    def project(
        self, key: Float[Tensor, "batch 1 key_dim"]
    ) -> Float[Tensor, "batch 1 0"]:
        """Return what is needed of the annotation to score it: nothing."""
        return key[..., :0]

    def forward(
        self,
        query: Float[Tensor, "batch queries query_dim"],
        key: Float[Tensor, "batch 1 key_dim"],
        value: Float[Tensor, "batch 1 value_dim"],
        mask: Mask | None = None,
        *,
        projected_key: Float[Tensor, "batch 1 0"] | None = None,
    ) -> tuple[
        Float[Tensor, "batch queries value_dim"], Float[Tensor, "batch queries 1"]
    ]:
        """Return the annotation as the context of each query, and weights of 1.

        Raises:
            ValueError: if a sentence has another number of annotations than one.
        """
        if key.shape[1] != 1:
            raise ValueError(
                f"key must have one annotation for each sentence, got {key.shape[1]}"
            )
        weights = key.new_ones(len(key), query.shape[1], 1)
        return weights @ value, weights


ContextLayer = (
    AdditiveAttention | MultiplicativeAttention | LocationAwareAttention | FixedContext
)
"""What may compute the contexts of a decoder."""


class AttentionGRU(nn.Module):
    r"""A gated unit that computes the context of each step with its own state.

    .. math::
        c_i &= \sum_j \alpha_{ij} h_j \quad \text{(with } s_{i-1} \text{ as query)} \\
        z_i &= \sigma(W_z x_i + U_z s_{i-1} + C_z c_i), \qquad
        r_i = \sigma(W_r x_i + U_r s_{i-1} + C_r c_i) \\
        \tilde s_i &= \tanh(W x_i + U (r_i \odot s_{i-1}) + C c_i), \qquad
        s_i = (1 - z_i) \odot s_{i-1} + z_i \odot \tilde s_i

    :math:`z` is the share of the *new* state, the opposite of
    :class:`attention_book.models.seq2seq.gru.GatedRecurrentUnit`, and :math:`r`
    multiplies the old state only, not the context.

    Args:
        input_dim: size of an input :math:`x_i`.
        hidden_dim: size of the state :math:`s_i`.
        annotation_dim: size of an annotation :math:`h_j`, and so of a context.
        attention: computes the context from queries of size ``hidden_dim``; a
            :class:`FixedContext` does not look at them. A
            :class:`attention_book.attention.location_aware.LocationAwareAttention` also
            gets the weights of the step before.
        options: further options of each call of ``attention``; None: none.

    Source: arXiv:1409.0473, A.1.2 and A.2.2; the biases, which the paper leaves out of
        its notation, are in :math:`W x`. Recurrent matrices start orthogonal.
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        annotation_dim: int,
        attention: ContextLayer,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.attention = attention
        self.options = dict(options or {})
        gates = 3 * hidden_dim
        self.input_proj = nn.Linear(input_dim, gates)  # W_r, W_z, W
        self.state_proj = nn.Linear(hidden_dim, gates, bias=False)  # U_r, U_z, U
        self.context_proj = nn.Linear(annotation_dim, gates, bias=False)  # C_r, C_z, C
        for block in self.state_proj.weight.data.chunk(3):
            nn.init.orthogonal_(block)

    def project(
        self, annotations: Float[Tensor, "rows positions annotation_dim"]
    ) -> tuple[
        Float[Tensor, "rows positions attention_dim"],
        Float[Tensor, "rows positions gates"],
    ]:
        """Return :math:`U_a h_j` and ``(C_r, C_z, C)`` times :math:`h_j`, as values.

        The weighted sum of these values is :math:`C c_i`, because :math:`C` is linear.
        No step of the loop then has to multiply an annotation by a matrix.
        """
        return self.attention.project(annotations), self.context_proj(annotations)

    def first_weights(
        self, keys: Float[Tensor, "rows positions attention_dim"]
    ) -> Float[Tensor, "rows positions"] | None:
        r"""Return the weights before the first step, :math:`\alpha_0`.

        Args:
            keys: from :meth:`project`.

        Returns:
            None if the attention does not read the last weights.
        """
        if isinstance(self.attention, LocationAwareAttention):
            return self.attention.first_weights(keys)
        return None

    def forward(
        self, inputs: Float[Tensor, "rows tokens input_dim"], state: SearchState
    ) -> tuple[
        Float[Tensor, "rows tokens hidden_dim"],
        Float[Tensor, "rows tokens annotation_dim"],
        SearchState,
    ]:
        """Read all inputs :math:`x`.

        Returns:
            For each step the query :math:`s_{i-1}` and its context :math:`c_i`; and the
            state after the last step.
        """
        hidden, annotations, keys, values, mask, last = state
        mask = None if mask is None else mask[:, None]
        size = hidden.shape[-1]
        # Split once, outside the loop: each split of a weight costs a full gradient.
        gate_weight, weight = self.state_proj.weight.split([2 * size, size])
        queries, all_weights = [], []
        for projected in self.input_proj(inputs).unbind(dim=1):
            context, weights = self.attention(
                hidden[:, None], annotations, values, mask, **self._options(keys, last)
            )
            last = None if last is None else weights[:, 0]
            queries.append(hidden)
            all_weights.append(weights)
            outer = projected + context[:, 0]
            outer_gates, outer = outer.split([2 * size, size], dim=-1)
            gates = (outer_gates + F.linear(hidden, gate_weight)).sigmoid()
            reset, new_share = gates.chunk(2, dim=-1)
            candidate = (outer + F.linear(reset * hidden, weight)).tanh()
            hidden = torch.lerp(hidden, candidate, new_share)
        contexts = torch.cat(all_weights, dim=1) @ annotations
        state = state._replace(hidden=hidden, previous_weights=last)
        return torch.stack(queries, dim=1), contexts, state

    def _options(self, keys: Tensor, last: Tensor | None) -> dict[str, Any]:
        """The options of a call: the projected keys, and the last weights if read."""
        read = {} if last is None else {"previous_weights": last}
        return {"projected_key": keys, **read, **self.options}


class RNNSearchDecoder(nn.Module):
    r"""The decoder of RNNsearch, for the annotations of any encoder.

    .. math::
        \tilde t_i = U_o s_{i-1} + V_o x_i + C_o c_i, \qquad
        t_{i,k} = \max(\tilde t_{i,2k-1}, \tilde t_{i,2k}), \qquad
        p(y_i) \propto \exp(W_o t_i)

    with :math:`c_i` and :math:`s_i` from :class:`AttentionGRU` on input :math:`x_i`,
    the vector of the last word, and :math:`s_0 = \tanh(W_s\, \mathrm{summary})`.

    Args:
        embed_dim: size of an input :math:`x_i`.
        hidden_dim: size of the state :math:`s_i`.
        annotation_dim: size of an annotation :math:`h_j`.
        attention: makes the attention layer, called as ``attention(query_dim,
            key_dim)``.
        summary_dim: size of the summary from which decoding starts.
        maxout_dim: size of the maxout layer before the output, :math:`l`.
        target_vocab: number of words of the target vocabulary.
        dropout: probability of setting a component of the maxout layer to 0.
        attention_options: as ``options`` of :class:`AttentionGRU`.

    Source: arXiv:1409.0473, A.2.2.

    Example:
        >>> sizes = {"summary_dim": 5, "maxout_dim": 11, "target_vocab": 13}
        >>> additive = partial(AdditiveAttention, hidden_dim=7)
        >>> decoder = RNNSearchDecoder(2, 3, 4, additive, **sizes)
        >>> state = decoder.start(torch.randn(1, 6, 4))
        >>> logits, state = decoder(torch.randn(1, 8, 2), state)
        >>> logits.shape
        torch.Size([1, 8, 13])
    """

    def __init__(
        self,
        embed_dim: int,
        hidden_dim: int,
        annotation_dim: int,
        attention: Callable[[int, int], ContextLayer],
        *,
        summary_dim: int,
        maxout_dim: int,
        target_vocab: int,
        dropout: float = 0.0,
        attention_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.initial_proj = nn.Linear(summary_dim, hidden_dim)  # W_s
        layer = attention(hidden_dim, annotation_dim)
        self.unit = AttentionGRU(
            embed_dim, hidden_dim, annotation_dim, layer, attention_options
        )
        self.maxout_proj = nn.Linear(
            hidden_dim + embed_dim + annotation_dim, 2 * maxout_dim
        )  # U_o, V_o, C_o
        self.output_proj = nn.Linear(maxout_dim, target_vocab)  # W_o
        self.dropout = nn.Dropout(dropout)

    def start(
        self,
        annotations: Float[Tensor, "rows positions annotation_dim"],
        mask: Bool[Tensor, "rows positions"] | None = None,
        summary: Float[Tensor, "rows summary_dim"] | None = None,
    ) -> SearchState:
        """Return the state from which decoding starts.

        Args:
            annotations: :math:`h_j`.
            mask: True where the decoder may attend; None: everywhere.
            summary: what the first state is computed from; None, for an encoder without
                one: zeros, so that every row starts from the same learned vector.
        """
        if summary is None:
            summary = annotations.new_zeros(
                len(annotations), self.initial_proj.in_features
            )
        hidden = self.initial_proj(summary).tanh()
        keys, values = self.unit.project(annotations)
        first = self.unit.first_weights(keys)
        return SearchState(hidden, annotations, keys, values, mask, first)

    def forward(
        self, inputs: Float[Tensor, "rows tokens embed_dim"], state: SearchState
    ) -> tuple[Float[Tensor, "rows tokens target_vocab"], SearchState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        check_rows(inputs, state.hidden)
        queries, contexts, state = self.unit(inputs, state)
        pairs = self.maxout_proj(torch.cat([queries, inputs, contexts], dim=-1))
        maxout = pairs.unflatten(-1, (-1, 2)).amax(dim=-1)
        return self.output_proj(self.dropout(maxout)), state


@dataclass(frozen=True, kw_only=True)
class RNNSearchConfig:
    """Sizes of an :class:`RNNSearch`; the defaults are those of the book's quick runs.

    Attributes:
        source_vocab: number of words of the source vocabulary.
        target_vocab: number of words of the target vocabulary.
        embed_dim: size of a word vector, :math:`m` (the paper: 620).
        hidden_dim: size of the decoder's state, and of the encoder's in each direction,
            :math:`n` (the paper: 1,000).
        attention_dim: size of the attention's hidden layer, :math:`n'` (the paper:
            1,000).
        maxout_dim: size of the maxout layer before the output, :math:`l` (the paper:
            500).
        dropout: probability of setting a component to 0 at each embedding and at the
            maxout layer (the paper: none).
        score: "additive" as in the paper; "dot": :class:`MultiplicativeAttention`; or
            no attention, the decoder gets the same vector at each step: "none", the
            :func:`last_states`, or "mean", the :func:`mean_states`.
        uniform_start: whether :math:`v_a` of the additive score starts at 0, so that
            the first attention is uniform (the paper: yes).

    Raises:
        ValueError: if a size, ``dropout`` or ``score`` is out of its range, or
            ``uniform_start`` is set for another score than the additive one.
    """

    source_vocab: int
    target_vocab: int
    embed_dim: int = 64
    hidden_dim: int = 128
    attention_dim: int = 128
    maxout_dim: int = 64
    dropout: float = 0.0
    score: str = "additive"
    uniform_start: bool = False

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.score not in ("additive", "dot", *FIXED_CONTEXTS):
            raise ValueError(
                f'score must be "additive", "dot", "none" or "mean", got {self.score!r}'
            )
        if self.score != "additive" and self.uniform_start:
            raise ValueError(
                f"uniform_start is for the additive score: {self.score!r} has no v_a"
            )


def last_states(encoded: Encoded) -> Encoded:
    r"""Replace the annotations of each sentence by one, its last state both ways.

    .. math:: c = q(h_1, \ldots, h_T) = [\overrightarrow h_T ; \overleftarrow h_1]

    Args:
        encoded: from a
            :class:`attention_book.models.encoders.text.BidirectionalGRU`.

    Source: arXiv:1409.0473, section 2.1, where :math:`q` is left open, and is the last
        state in the example of arXiv:1409.3215. Here both directions have one.

    Example:
        >>> mask = torch.tensor([[True, True, False]])
        >>> states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]])
        >>> last_states(Encoded(states, mask, states[:, 0, 1:])).annotations
        tensor([[[3., 2.]]])
    """
    annotations, mask, backward = encoded
    forward = annotations[:, -1]
    if mask is not None:
        rows = torch.arange(len(mask), device=mask.device)
        forward = annotations[rows, mask.sum(dim=1) - 1]
    context = torch.cat([forward[:, : backward.shape[1]], backward], dim=1)
    return Encoded(context[:, None], None, backward)


def mean_states(encoded: Encoded) -> Encoded:
    r"""Replace the annotations of each sentence by one, their mean.

    .. math:: c = \frac1T \sum_{j=1}^T h_j

    This is attention whose weights are uniform and stay so.

    Args:
        encoded: from any encoder.

    Example:
        >>> mask = torch.tensor([[True, True, False]])
        >>> states = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]]])
        >>> mean_states(Encoded(states, mask)).annotations
        tensor([[[2., 3.]]])
    """
    annotations, mask, final = encoded
    scores = annotations.new_zeros(len(annotations), 1, annotations.shape[1])
    context, _ = attend(scores, annotations, None if mask is None else mask[:, None])
    return Encoded(context, None, final)


FIXED_CONTEXTS = {"none": last_states, "mean": mean_states}
"""By the name of a score that compares nothing, what makes the one context."""


class RNNSearch(nn.Module):
    r"""A bidirectional encoder and a decoder that attends to its annotations.

    .. math::
        h_j = [\overrightarrow h_j ; \overleftarrow h_j], \qquad
        s_0 = \tanh(W_s \overleftarrow h_1)

    from :class:`attention_book.models.encoders.text.BidirectionalGRU`; the rest is
    :class:`RNNSearchDecoder` on input :math:`x_i = E y_{i-1}`. No vector has to hold
    the whole sentence: the backward state at the first word only starts the decoder.
    With ``score="none"`` or ``"mean"`` one has to, and all else is the same.

    The paper predicts the word from :math:`s_i` in section 3.1 and from :math:`s_{i-1}`
    in A.2.2. Here it is :math:`s_{i-1}`, the query of :math:`c_i`, as in the only
    equation that is written out, and in the authors' code.

    Args:
        config: sizes; kept as ``self.config``.

    Source: arXiv:1409.0473, section 3 and A.2. Initial values are PyTorch's, except for
        orthogonal recurrent matrices and ``uniform_start``.
    """

    def __init__(self, config: RNNSearchConfig) -> None:
        super().__init__()
        self.config = config
        embed, hidden = config.embed_dim, config.hidden_dim
        self.source_embedding = TokenEmbedding(config.source_vocab, embed)
        self.target_embedding = TokenEmbedding(config.target_vocab, embed)
        self.encoder = BidirectionalGRU(embed, hidden)
        layers: dict[str, Callable[[int, int], ContextLayer]] = {
            "additive": partial(
                AdditiveAttention,
                hidden_dim=config.attention_dim,
                uniform_start=config.uniform_start,
            ),
            "dot": partial(MultiplicativeAttention, hidden_dim=config.attention_dim),
        }
        layers |= dict.fromkeys(FIXED_CONTEXTS, lambda query, key: FixedContext())
        self.decoder = RNNSearchDecoder(
            embed,
            hidden,
            2 * hidden,
            layers[config.score],
            summary_dim=hidden,
            maxout_dim=config.maxout_dim,
            target_vocab=config.target_vocab,
            dropout=config.dropout,
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        source: Int[Tensor, "rows source_tokens"],
        target: Int[Tensor, "rows target_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> Float[Tensor, "rows target_tokens target_vocab"]:
        """Return the logits of the word after each word of ``target``."""
        return self.decode(target, self.start(source, source_mask))[0]

    def encode(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> Encoded:
        """Return the annotations of the sources."""
        embedded = self.dropout(self.source_embedding(source))
        encoded = self.encoder(embedded, source_mask)
        fixed = FIXED_CONTEXTS.get(self.config.score)
        return encoded if fixed is None else fixed(encoded)

    def start(
        self,
        source: Int[Tensor, "rows source_tokens"],
        source_mask: Bool[Tensor, "rows source_tokens"],
    ) -> SearchState:
        """Encode the sources; return the state from which decoding starts."""
        return self.decoder.start(*self.encode(source, source_mask))

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: SearchState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], SearchState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        return self.decoder(self.dropout(self.target_embedding(inputs)), state)

    def step(
        self, ids: Int[Tensor, " rows"], state: SearchState
    ) -> tuple[Float[Tensor, "rows target_vocab"], SearchState]:
        """Read one word per row; return the logits of the next, and the state."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: PairBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood under teacher forcing, in nats per token."""
        return teacher_forced_loss(self, batch)
