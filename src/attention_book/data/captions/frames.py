"""Frames of clips or of speech, in padded batches with captions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

from attention_book.data.captions.captions import Caption
from attention_book.data.loader import make_loader
from attention_book.data.vocab import BOS, EOS, PAD, Vocab
from attention_book.functional import check_counts, token_mask


@dataclass(frozen=True)
class FrameBatch:
    """Padded frames and captions; a caption starts with ``BOS``, ends in ``EOS``.

    Attributes:
        source: frames, padded with zeros at the end: images of a clip, or feature
            vectors of speech.
        source_mask: True at real frames.
        target: ids, padded on the right.
        target_mask: True at real tokens, special ones included.
        num_tokens: number of tokens to predict, the real ones without ``BOS``; a plain
            number, so that reading it does not wait for a GPU.
    """

    source: Float[Tensor, "batch frames ..."]
    source_mask: Bool[Tensor, "batch frames"]
    target: Int[Tensor, "batch tokens"]
    target_mask: Bool[Tensor, "batch tokens"]
    num_tokens: int

    def __len__(self) -> int:
        return len(self.source)

    def repeated(self, times: int) -> "FrameBatch":
        """Return the whole batch so many times, one after the other."""
        if times == 1:
            return self
        names = "source", "source_mask", "target", "target_mask"
        tensors = {name: torch.cat([getattr(self, name)] * times) for name in names}
        return replace(self, **tensors, num_tokens=times * self.num_tokens)

    def to(self, device: torch.device | str) -> "FrameBatch":
        """Return the same batch on ``device``."""
        moved = {
            name: getattr(self, name).to(device)
            for name in ("source", "source_mask", "target", "target_mask")
        }
        return replace(self, **moved)


def frame_batch(
    frames: Sequence[Float[Tensor, "_ ..."]], captions: Sequence[Caption], vocab: Vocab
) -> FrameBatch:
    """Put clips or utterances of any lengths, one caption each, into one batch.

    Args:
        frames: of each clip or utterance.
        captions: as words.
        vocab: vocabulary of the captions.

    Raises:
        ValueError: if there is nothing, there is not one caption for each, or one has
            no frames or no words.

    Example:
        >>> clips = [torch.zeros(2, 5), torch.zeros(3, 5)]
        >>> batch = frame_batch(clips, [("one", "two"), ("one",)], Vocab(["one"] * 2))
        >>> batch.source.shape, batch.source_mask[0].tolist(), batch.num_tokens
        (torch.Size([2, 3, 5]), [True, True, False], 5)
    """
    _check(frames, captions)
    lengths = torch.tensor([len(one) for one in frames])
    ids = [torch.tensor([BOS, *vocab.encode(words), EOS]) for words in captions]
    target = pad_sequence(ids, batch_first=True, padding_value=PAD)
    return FrameBatch(
        source=pad_sequence(list(frames), batch_first=True),
        source_mask=token_mask(lengths, int(lengths.max())),
        target=target,
        target_mask=target != PAD,
        num_tokens=sum(map(len, ids)) - len(ids),
    )


def frame_loader(
    frames: Sequence[Float[Tensor, "_ ..."]],
    captions: Sequence[Caption],
    vocab: Vocab,
    *,
    batch_size: int,
    seed: int | None = None,
) -> DataLoader:
    """Batches of clips or utterances, in an order that depends on ``seed`` alone.

    Args:
        frames: of each clip or utterance.
        captions: as words, one each.
        vocab: vocabulary of the captions.
        batch_size: number of clips or utterances in a batch.
        seed: seed of the random order. None: the order given, for evaluation.

    Returns:
        A loader of :class:`FrameBatch`; its length is the number of batches.

    Raises:
        ValueError: if ``batch_size`` is not positive, or as :func:`frame_batch`.
    """
    _check(frames, captions)  # what is wrong is said at once

    def collate(rows: list[int]) -> FrameBatch:
        return frame_batch(
            [frames[row] for row in rows], [captions[row] for row in rows], vocab
        )

    return make_loader(range(len(frames)), collate, batch_size=batch_size, seed=seed)


def marked_spans(
    spans: Sequence[Sequence[tuple[int, int]]],
    num_frames: Sequence[int],
    reduction: int = 1,
) -> Bool[Tensor, "rows words positions"]:
    """For each word of each row, mark the frames or annotations that it is about.

    Args:
        spans: for each word its first frame, and the one after its last.
        num_frames: number of frames of each row.
        reduction: frames for each annotation of an encoder; 1: the frames themselves.

    Returns:
        True at annotation j if the word is about a frame from ``reduction * j`` to
        ``reduction * j + reduction - 1``; nowhere for a padded word.

    Raises:
        ValueError: if there are no rows or not one number of frames for each, or
            ``reduction`` is below 1.
        TypeError: if ``reduction`` is not an integer.

    Example:
        >>> marked_spans([[(0, 1), (3, 5)]], [6], 2).int()
        tensor([[[1, 0, 0],
                 [0, 1, 1]]], dtype=torch.int32)
    """
    check_counts(reduction=reduction)
    if not spans or len(spans) != len(num_frames):
        raise ValueError(
            "num_frames must have one number for each row, and there must be some: got "
            f"{len(num_frames)} for {len(spans)} rows"
        )
    words = max(map(len, spans))
    positions = -(-max(num_frames) // reduction)
    marked = torch.zeros(len(spans), words, positions, dtype=torch.bool)
    for row, own in enumerate(spans):
        for word, (start, stop) in enumerate(own):
            marked[row, word, start // reduction : -(-stop // reduction)] = True
    return marked


def _check(
    frames: Sequence[Float[Tensor, "_ ..."]], captions: Sequence[Caption]
) -> None:
    if not frames or len(frames) != len(captions):
        raise ValueError(
            "captions must hold one for each of the frames, and there must be some: "
            f"got {len(frames)} and {len(captions)}"
        )
    for row, (one, caption) in enumerate(zip(frames, captions, strict=True)):
        if not len(one) or not caption:
            raise ValueError(
                f"row {row} needs at least one frame and one word, got {len(one)} and "
                f"{len(caption)}"
            )
