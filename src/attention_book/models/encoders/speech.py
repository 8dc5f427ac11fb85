"""Encoders of speech: from log-mel frames to fewer annotations."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.functional import check_counts
from attention_book.models.checks import check_padding
from attention_book.models.encoders.encoded import Encoded
from attention_book.models.encoders.text import BidirectionalGRU


class StridedSpeechEncoder(nn.Module):
    r"""Encode log-mel frames by convolutions over time that take every few frames.

    An annotation sees only the frames near its own: two equal sounds have equal
    annotations, wherever they are. Nothing counts frames from the ends, so utterances
    longer than those of the training look the same.

    Args:
        num_mels: features of a frame.
        annotation_dim: size of an annotation.
        hidden_dim: channels of all layers but the last.
        width: frames of a filter, odd.
        strides: for each layer the distance between the frames that it keeps; there
            are as many annotations as the product of all divides frames, rounded up.

    Attributes:
        reduction: frames for each annotation, the product of the strides.
        receptive_field: number of frames that an annotation sees; frame
            ``reduction * j`` is in the middle of those of annotation j.

    Raises:
        ValueError: if a size is too small, ``width`` even, or there are no strides;
            from a call, if the frames have another number of features, or as
            :func:`attention_book.models.checks.check_padding`.

    Source: ours; arXiv:1506.07503 has recurrent layers, whose states can count frames.
        Features are normalised within each frame, so that padding changes nothing.

    Example:
        >>> encoder = StridedSpeechEncoder(5, 7, 3, width=3, strides=(2, 1))
        >>> encoder(torch.zeros(2, 9, 5)).annotations.shape
        torch.Size([2, 5, 7])
        >>> encoder.reduction, encoder.receptive_field
        (2, 7)
    """

    def __init__(
        self,
        num_mels: int,
        annotation_dim: int,
        hidden_dim: int,
        *,
        width: int = 5,
        strides: Sequence[int] = (2, 2),
    ) -> None:
        super().__init__()
        check_counts(
            num_mels=num_mels,
            annotation_dim=annotation_dim,
            hidden_dim=hidden_dim,
            width=width,
        )
        for stride in strides:
            check_counts(stride=stride)
        if width % 2 == 0:
            raise ValueError(f"width must be odd, got {width}")
        if not strides:
            raise ValueError("strides must have one entry for each layer, got none")
        sizes = [num_mels, *[hidden_dim] * (len(strides) - 1), annotation_dim]
        self.num_mels, self.strides = num_mels, tuple(strides)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, width, stride, padding=width // 2)
            for before, after, stride in zip(
                sizes[:-1], sizes[1:], strides, strict=True
            )
        )
        self.norms = nn.ModuleList(nn.LayerNorm(size) for size in sizes[1:])
        self.reduction, self.receptive_field = 1, 1
        for stride in strides:
            self.receptive_field += (width - 1) * self.reduction
            self.reduction *= stride

    def forward(
        self,
        frames: Float[Tensor, "rows frames num_mels"],
        mask: Bool[Tensor, "rows frames"] | None = None,
    ) -> Encoded:
        """Return the annotations and their mask.

        Args:
            frames: log-mel frames, padded at the end.
            mask: True at real frames; None: all of them.

        Returns:
            Annotations, 0 at padding; the mask of the annotations whose middle frame is
            real, None if ``mask`` is; and no final state.
        """
        _check_frames(frames, mask, self.num_mels)
        inputs = frames.to(next(self.parameters()).dtype)
        if mask is not None:
            inputs = inputs.masked_fill(~mask[..., None], 0.0)
        for layer, stride in enumerate(self.strides):
            if layer:
                inputs = inputs.relu()
            inputs = self.norms[layer](self.convolutions[layer](inputs.mT).mT)
            if mask is not None:
                mask = mask[:, ::stride]
                inputs = inputs.masked_fill(~mask[..., None], 0.0)
        return Encoded(inputs, mask)


class PyramidSpeechEncoder(nn.Module):
    r"""Encode log-mel frames by a pyramid of bidirectional recurrent layers.

    .. math::
        h^j_i = \mathrm{GRU}\bigl(h^j_{i-1}, [h^{j-1}_{2i} ; h^{j-1}_{2i+1}]\bigr)

    in both directions; :math:`h^0` are the states of a first layer over the frames.
    Each of the other layers reads two neighbouring states as one input and so halves
    the length, which leaves the decoder fewer annotations to choose from.

    Args:
        num_mels: features of a frame.
        annotation_dim: size of an annotation, both directions together; even.
        num_halvings: number of layers above the first; 0: none, one annotation per
            frame.

    Attributes:
        reduction: frames for each annotation, 2 to the power of ``num_halvings``.

    Raises:
        ValueError: if ``annotation_dim`` is odd, a size too small or ``num_halvings``
            negative; from a call, if the frames have another number of features, or as
            :func:`attention_book.models.checks.check_padding`.
        TypeError: if a size is not an integer.

    Source: arXiv:1508.01211, section 3.1, which has LSTM units and three halvings. Of
        two states of which only one is real, the other counts as zeros.

    Example:
        >>> encoder = PyramidSpeechEncoder(5, 6, num_halvings=2)
        >>> encoder(torch.zeros(2, 9, 5)).annotations.shape
        torch.Size([2, 3, 6])
    """

    def __init__(
        self, num_mels: int, annotation_dim: int, *, num_halvings: int = 3
    ) -> None:
        super().__init__()
        check_counts(num_mels=num_mels, annotation_dim=annotation_dim)
        if num_halvings != 0:
            check_counts(num_halvings=num_halvings)
        if annotation_dim % 2:
            raise ValueError(
                "annotation_dim must be even, half for each direction, got "
                f"{annotation_dim}"
            )
        half = annotation_dim // 2
        self.num_mels = num_mels
        self.reduction = 2**num_halvings
        self.first = BidirectionalGRU(num_mels, half)
        self.pyramid = nn.ModuleList(
            BidirectionalGRU(2 * annotation_dim, half) for _ in range(num_halvings)
        )

    def forward(
        self,
        frames: Float[Tensor, "rows frames num_mels"],
        mask: Bool[Tensor, "rows frames"] | None = None,
    ) -> Encoded:
        """Return the annotations, their mask, and the backward state at the first.

        Args:
            frames: log-mel frames, padded at the end.
            mask: True at real frames; None: all of them.

        Returns:
            Annotations, 0 at padding; the mask of the annotations of which at least one
            frame is real, None if ``mask`` is; and the top layer's final state.
        """
        _check_frames(frames, mask, self.num_mels)
        inputs = frames.to(next(self.parameters()).dtype)
        whole = mask
        if whole is None:
            whole = torch.ones(frames.shape[:2], dtype=torch.bool, device=frames.device)
        states, whole, final = self.first(inputs, whole)
        for layer in self.pyramid:
            if states.shape[1] % 2:
                states, whole = F.pad(states, (0, 0, 0, 1)), F.pad(whole, (0, 1))
            pairs = states.unflatten(1, (-1, 2)).flatten(2)
            states, whole, final = layer(pairs, whole.unflatten(1, (-1, 2)).any(dim=2))
        return Encoded(states, None if mask is None else whole, final)


def _check_frames(frames: Tensor, mask: Tensor | None, num_mels: int) -> None:
    if frames.shape[2] != num_mels:
        raise ValueError(
            f"frames must have {num_mels} features each, got {frames.shape[2]}"
        )
    if mask is not None:
        check_padding("frames", frames, mask)
