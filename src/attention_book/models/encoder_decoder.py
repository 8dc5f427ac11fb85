"""One decoder over any encoder: text, images, video and speech (Cho et al., 2015)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.location_aware import NORMALISERS, LocationAwareAttention
from attention_book.functional import check_counts
from attention_book.models.bahdanau import (
    ContextLayer,
    FixedContext,
    RNNSearchDecoder,
    SearchState,
    mean_states,
)
from attention_book.models.checks import check_sizes
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.encoders.encoded import Encoded
from attention_book.models.translation import CaptionedBatch, teacher_forced_loss

SCORES = ("additive", "location-aware", "mean")


@dataclass(frozen=True, kw_only=True)
class EncoderDecoderConfig:
    r"""Sizes of an :class:`EncoderDecoder`; none of them belongs to the encoder.

    Attributes:
        target_vocab: number of words of the output vocabulary.
        annotation_dim: size of an annotation, whatever it stands for.
        embed_dim: size of a word vector.
        hidden_dim: size of the decoder's state.
        attention_dim: size of the hidden layer of the score.
        maxout_dim: size of the maxout layer before the output.
        dropout: probability of setting a component to 0 at the word vectors and at the
            maxout layer.
        score: "additive": the annotations alone are scored; "location-aware": the
            weights of the step before as well; "mean": nothing is scored, every step
            gets the mean of the annotations.
        num_filters: location-aware only: filters over the last weights.
        width: location-aware only: length of a filter in annotations, odd.
        normaliser: location-aware only: "softmax", or "sigmoid" for smoothing.
        sharpening: location-aware only: :math:`\beta`. It is no parameter, so that it
            may be another one in use than in training.
        window: location-aware only: half the width of the window around the median of
            the last weights, in annotations; None: no window. No parameter either.

    Raises:
        ValueError: if a size, ``dropout``, ``score`` or ``normaliser`` is out of its
            range, ``width`` is even, ``sharpening`` not positive or, with a sigmoid,
            not 1, or ``window`` is below 1; or if an option of the location-aware score
            is changed for another.
        TypeError: if a size or ``window`` is not an integer.
    """

    target_vocab: int
    annotation_dim: int = 32
    embed_dim: int = 32
    hidden_dim: int = 64
    attention_dim: int = 32
    maxout_dim: int = 32
    dropout: float = 0.0
    score: str = "additive"
    num_filters: int = 8
    width: int = 9
    normaliser: str = "softmax"
    sharpening: float = 1.0
    window: int | None = None

    def __post_init__(self) -> None:
        check_sizes(self)
        check_counts(width=self.width)
        if self.width % 2 == 0:
            raise ValueError(f"width must be odd, got {self.width}")
        if self.score not in SCORES:
            raise ValueError(
                f"score must be one of {', '.join(SCORES)}, got {self.score!r}"
            )
        if self.normaliser not in NORMALISERS:
            raise ValueError(
                f"normaliser must be one of {', '.join(NORMALISERS)}, "
                f"got {self.normaliser!r}"
            )
        if self.window is not None:
            check_counts(window=self.window)
        changed = self.sharpening != 1 or self.window or self.normaliser != "softmax"
        if changed and self.score != "location-aware":
            raise ValueError(
                "normaliser, sharpening and window are options of the score "
                f'"location-aware", got them with {self.score!r}'
            )
        sigmoid = self.normaliser == "sigmoid"
        if not self.sharpening > 0 or (sigmoid and self.sharpening != 1):
            raise ValueError(
                "sharpening must be positive, and 1 with a sigmoid, got "
                f"{self.sharpening} with {self.normaliser}"
            )


class EncoderDecoder(nn.Module):
    r"""Any encoder, and one decoder that attends to its annotations.

    .. math::
        \{h_1, \ldots, h_M\} = \mathrm{Enc}(x), \qquad
        e_{ij} = f_{att}(s_{i-1}, h_j, \alpha_{i-1}), \qquad
        c_i = \sum_j \alpha_{ij} h_j

    The rest is :class:`attention_book.models.bahdanau.RNNSearchDecoder`: state and
    output. It gets annotations and a mask and nothing else, so that neither its code
    nor the shape of any of its parameters depends on what was encoded. Every row starts
    from the same learned state: all that the decoder knows of an input has come through
    a context.

    Args:
        config: sizes; kept as ``self.config``.
        encoder: called as ``encoder(source, source_mask)``, returns an
            :class:`attention_book.models.encoders.encoded.Encoded`.

    Source: the framework of arXiv:1507.01053, section III, with the decoder of
        arXiv:1409.0473, A.2.2, for all inputs. In the papers that it joins, captions
        come from LSTMs, and the first state from the input.

    Example:
        >>> import torch
        >>> from attention_book.models.encoders.speech import StridedSpeechEncoder
        >>> config = EncoderDecoderConfig(target_vocab=14, score="location-aware")
        >>> model = EncoderDecoder(config, StridedSpeechEncoder(20, 32, 24))
        >>> frames, words = torch.zeros(2, 40, 20), torch.tensor([[1, 5], [1, 7]])
        >>> model(frames, words).shape
        torch.Size([2, 2, 14])
    """

    def __init__(self, config: EncoderDecoderConfig, encoder: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.encoder = encoder
        self.embedding = TokenEmbedding(config.target_vocab, config.embed_dim)
        layers: dict[str, Callable[[int, int], ContextLayer]] = {
            "additive": partial(AdditiveAttention, hidden_dim=config.attention_dim),
            "location-aware": partial(
                LocationAwareAttention,
                hidden_dim=config.attention_dim,
                num_filters=config.num_filters,
                width=config.width,
                normaliser=config.normaliser,
            ),
            "mean": lambda query, key: FixedContext(),
        }
        options: dict[str, Any] = {}
        if config.score == "location-aware":
            options = {"sharpening": config.sharpening, "window": config.window}
        self.decoder = RNNSearchDecoder(
            config.embed_dim,
            config.hidden_dim,
            config.annotation_dim,
            layers[config.score],
            summary_dim=1,
            maxout_dim=config.maxout_dim,
            target_vocab=config.target_vocab,
            dropout=config.dropout,
            attention_options=options,
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        source: Shaped[Tensor, "rows ..."],
        target: Int[Tensor, "rows target_tokens"],
        source_mask: Bool[Tensor, "rows _"] | None = None,
    ) -> Float[Tensor, "rows target_tokens target_vocab"]:
        """Return the logits of the word after each word of ``target``."""
        return self.decode(target, self.start(source, source_mask))[0]

    def encode(
        self,
        source: Shaped[Tensor, "rows ..."],
        source_mask: Bool[Tensor, "rows _"] | None = None,
    ) -> Encoded:
        """Return annotations and mask: of ``score="mean"`` one, the mean of all."""
        encoded = self.encoder(source, source_mask)
        return mean_states(encoded) if self.config.score == "mean" else encoded

    def start(
        self,
        source: Shaped[Tensor, "rows ..."],
        source_mask: Bool[Tensor, "rows _"] | None = None,
    ) -> SearchState:
        """Encode the sources; return the state from which decoding starts."""
        annotations, mask, _ = self.encode(source, source_mask)
        return self.decoder.start(annotations, mask)

    def decode(
        self, inputs: Int[Tensor, "rows target_tokens"], state: SearchState
    ) -> tuple[Float[Tensor, "rows target_tokens target_vocab"], SearchState]:
        """Read ``inputs``; return the logits of the word after each, and the state."""
        return self.decoder(self.dropout(self.embedding(inputs)), state)

    def step(
        self, ids: Int[Tensor, " rows"], state: SearchState
    ) -> tuple[Float[Tensor, "rows target_vocab"], SearchState]:
        """Read one word per row; return the logits of the next, and the state."""
        logits, state = self.decode(ids[:, None], state)
        return logits[:, 0], state

    def loss(self, batch: CaptionedBatch) -> Float[Tensor, ""]:
        """Mean negative log-likelihood under teacher forcing, in nats per token."""
        return teacher_forced_loss(self, batch)

    def with_options(self, **options: Any) -> "EncoderDecoder":
        """Return the same trained model with other options of its config.

        Args:
            options: fields that are no parameters, such as ``window``.

        Returns:
            A model in eval mode with the same encoder and equal parameters.

        Raises:
            RuntimeError: if an option changes the parameters.
        """
        model = EncoderDecoder(replace(self.config, **options), self.encoder)
        first = next(self.decoder.parameters())
        model.to(device=first.device, dtype=first.dtype)
        model.load_state_dict(self.state_dict())
        return model.eval()
