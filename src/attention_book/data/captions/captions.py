"""Images, or their annotation vectors, in batches with captions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader
from attention_book.data.vocab import BOS, EOS, PAD, Vocab

Caption = tuple[str, ...]


@dataclass(frozen=True)
class CaptionBatch:
    """Images and padded captions; a caption starts with ``BOS``, ends in ``EOS``.

    Attributes:
        source: images, or annotation vectors (batch, locations, dim): the input of the
            model's encoder.
        source_mask: None, because every location of an image may be attended to.
        target: ids, padded on the right.
        target_mask: True at real tokens, special ones included.
        num_tokens: number of tokens to predict, the real ones without ``BOS``; a plain
            number, so that reading it does not wait for a GPU.
    """

    source: Float[Tensor, "batch ..."]
    source_mask: None
    target: Int[Tensor, "batch tokens"]
    target_mask: Bool[Tensor, "batch tokens"]
    num_tokens: int

    def __len__(self) -> int:
        return len(self.source)

    def repeated(self, times: int) -> "CaptionBatch":
        """Return the whole batch so many times, one after the other."""
        if times == 1:
            return self
        return replace(
            self,
            source=torch.cat([self.source] * times),
            target=torch.cat([self.target] * times),
            target_mask=torch.cat([self.target_mask] * times),
            num_tokens=times * self.num_tokens,
        )

    def to(self, device: torch.device | str) -> "CaptionBatch":
        """Return the same batch on ``device``."""
        moved = {
            name: getattr(self, name).to(device)
            for name in ("source", "target", "target_mask")
        }
        return replace(self, **moved)


def caption_batch(
    sources: Float[Tensor, "images ..."],
    captions: Sequence[Sequence[Caption]],
    vocab: Vocab,
) -> CaptionBatch:
    """Put all captions into one batch; an image appears once for each of its captions.

    Args:
        sources: images or annotation vectors.
        captions: one or more captions of each image, as words.
        vocab: vocabulary of the captions.

    Returns:
        The batch, on the device of ``sources``.

    Raises:
        ValueError: if there are no images, not one group of captions for each image, an
            image has no caption, or a caption has no words.

    Example:
        >>> vocab = Vocab(["a", "seven"])
        >>> batch = caption_batch(torch.zeros(1, 4, 4), [[("a", "seven")]], vocab)
        >>> batch.target, batch.num_tokens
        (tensor([[1, 4, 5, 2]]), 3)
    """
    data = _CaptionData(sources, captions, vocab)
    return data.take(range(len(data)))


def caption_loader(
    sources: Float[Tensor, "images ..."],
    captions: Sequence[Sequence[Caption]],
    vocab: Vocab,
    *,
    batch_size: int,
    seed: int | None = None,
) -> DataLoader:
    """Batches of captions with their images, in an order from ``seed`` alone.

    Args:
        sources: images or annotation vectors, kept in memory once.
        captions: one or more captions of each image, as words; they are encoded once.
        vocab: vocabulary of the captions.
        batch_size: number of captions in a batch.
        seed: seed of the random order. None: the order of ``captions``, for evaluation.

    Returns:
        A loader of :class:`CaptionBatch`; its length is the number of batches.

    Raises:
        ValueError: if ``batch_size`` is not positive, or as :func:`caption_batch`.
    """
    data = _CaptionData(sources, captions, vocab)
    return make_loader(range(len(data)), data.take, batch_size=batch_size, seed=seed)


class _CaptionData:
    """Captions as one padded tensor, from which a batch is cut in one go."""

    def __init__(
        self, sources: Tensor, captions: Sequence[Sequence[Caption]], vocab: Vocab
    ) -> None:
        if not len(sources) or len(sources) != len(captions):
            raise ValueError(
                "captions must hold a group for each image, and there must be some: "
                f"got {len(sources)} images and {len(captions)} groups"
            )
        rows, images = [], []
        for image, group in enumerate(captions):
            if not group or not all(group):
                raise ValueError(
                    f"image {image} needs captions with at least one word each, got "
                    f"{list(group)}"
                )
            rows += [[BOS, *vocab.encode(caption), EOS] for caption in group]
            images += [image] * len(group)
        self.sources, self.images = sources, torch.tensor(images)
        self.lengths = torch.tensor([len(row) for row in rows])
        self.target = torch.full((len(rows), int(self.lengths.max())), PAD)
        for row, ids in enumerate(rows):
            self.target[row, : len(ids)] = torch.tensor(ids)

    def __len__(self) -> int:
        return len(self.target)

    def take(self, indices: Sequence[int]) -> CaptionBatch:
        rows = torch.as_tensor(indices)
        lengths = self.lengths[rows]
        target = self.target[rows, : int(lengths.max())]
        device = self.sources.device
        return CaptionBatch(
            source=self.sources[self.images[rows].to(device)],
            source_mask=None,
            target=target.to(device),
            # No word has the id PAD: an unknown one has that of <unk>.
            target_mask=(target != PAD).to(device),
            num_tokens=int(lengths.sum()) - len(rows),
        )
