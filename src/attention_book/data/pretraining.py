"""Text for pre-training BERT: pairs of segments, hidden words, batches of both."""

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.utils.data import DataLoader

from attention_book.data.loader import make_loader, pad_ids
from attention_book.data.translation.subwords import Subwords
from attention_book.data.vocab import BOS, EOS, PAD, SPECIAL_TOKENS, UNK, Vocab
from attention_book.functional import check_counts, token_mask

UNKNOWN = SPECIAL_TOKENS[UNK]
Ids = tuple[int, ...]
"""Ids of word pieces, without special tokens."""


@dataclass(frozen=True, kw_only=True)
class MarkIds:
    """Ids of the special tokens; that of padding is ``PAD``, 0.

    The defaults are for a :class:`~attention_book.data.vocab.Vocab`, which has no mask:
    the id behind its last one, ``len(vocab)``, can serve, in a model of one word more.
    In the published English vocabulary they are 101, 102 and 103.

    Attributes:
        cls: of ``[CLS]``, which opens the input.
        sep: of ``[SEP]``, which closes each segment.
        mask: of ``[MASK]``, which stands in the place of a hidden token.

    Raises:
        ValueError: if two of them are equal, or one is ``PAD`` or negative.
    """

    cls: int = BOS
    sep: int = EOS
    mask: int

    def __post_init__(self) -> None:
        ids = self.cls, self.sep, self.mask
        if len({PAD, *ids}) < 4 or min(ids) < 0:
            raise ValueError(
                f"cls, sep and mask must differ from each other and from PAD ({PAD}), "
                f"and not be negative, got {ids}"
            )


@runtime_checkable
class TextEncoder(Protocol):
    """Text to ids and back.

    There are two: :class:`SubwordIds` and
    :class:`attention_book.data.wordpiece.WordPiece`.
    """

    marks: MarkIds

    def __len__(self) -> int:
        """Number of ids, special tokens included."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return a name for each id; "##" marks pieces that continue a word."""


class SubwordIds:
    """Lower-case text as ids of byte pairs, with ids for BERT's special tokens.

    ``<unk>``, which stands for rare words in some public texts, is the unknown word.

    Args:
        lines: the text from which the pieces are learned.
        max_pieces: as for
            :class:`attention_book.data.translation.subwords.Subwords`.

    Raises:
        ValueError: as :class:`~attention_book.data.translation.subwords.Subwords`.

    Example:
        >>> text = SubwordIds(["Low lowest newest"], max_pieces=14)
        >>> text.decode([text.marks.cls, *text.encode("lowest"), text.marks.mask])
        ['[CLS]', 'low', '##est', '[MASK]']
    """

    def __init__(self, lines: Iterable[str], *, max_pieces: int) -> None:
        lines = [line.lower().replace(UNKNOWN, " ") for line in lines]
        self._subwords = Subwords(lines, max_pieces=max_pieces)
        self.vocab = Vocab(
            piece for line in lines for piece in self._subwords.encode(line)
        )
        self.marks = MarkIds(mask=len(self.vocab))
        words = ("##" + piece for piece in self.vocab.decode(self._plain_ids()))
        self._names = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *words, "[MASK]"]

    def _plain_ids(self) -> range:
        return range(len(SPECIAL_TOKENS), len(self.vocab))

    def __len__(self) -> int:
        return len(self.vocab) + 1

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, without special tokens."""
        ids: list[int] = []
        for number, part in enumerate(text.lower().split(UNKNOWN)):
            ids += [UNK] * (number > 0)
            ids += self.vocab.encode(self._subwords.encode(part))
        return ids

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return a name for each id; "##" marks pieces that continue a word.

        Raises:
            IndexError: if an id is out of range.
        """
        names = []
        for i in map(operator.index, ids):
            if not 0 <= i < len(self):  # Python counts -1 from the end
                raise IndexError(f"ids must be from 0 to {len(self) - 1}: {i}")
            names.append(self._names[i].replace("##\u2581", "") or "_")
        return names


@dataclass(frozen=True)
class SegmentPair:
    """Two spans of text, or one.

    Attributes:
        first: ids of the first segment.
        second: ids of the second one; empty: there is none.
        from_elsewhere: whether the second segment is from another document; False: it
            follows the first one. It is BERT's label, 1 for True.
    """

    first: Ids
    second: Ids = ()
    from_elsewhere: bool = False


@dataclass(frozen=True, kw_only=True)
class Masking:
    """Which tokens are to be predicted, and what the model reads in their places.

    Attributes:
        marks: ids of the special tokens, which are never chosen.
        vocab_size: number of ids, from which a random token is drawn, special tokens
            included.
        share: share of the tokens that is chosen (paper: 0.15).
        max_chosen: largest number that is chosen in one input; None: no limit.
        mask_p: probability that the mask stands in a chosen place (paper: 0.8).
        random_p: probability that a random token stands there (paper: 0.1). In what is
            left of 1, the token itself does.
        continuations: ids of pieces that continue a word. If there are any, words are
            chosen whole, with all their pieces; see :func:`continuation_ids`.

    Raises:
        ValueError: if a probability is not from 0 to 1, ``share`` is 0, or
            ``mask_p + random_p`` is more than 1.

    Source: arXiv:1810.04805, 3.1 and table 8; ``max_chosen`` and whole words are in the
        authors' code.
    """

    marks: MarkIds
    vocab_size: int
    share: float = 0.15
    max_chosen: int | None = None
    mask_p: float = 0.8
    random_p: float = 0.1
    continuations: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        check_counts(vocab_size=self.vocab_size)
        if self.max_chosen is not None:
            check_counts(max_chosen=self.max_chosen)
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be in (0, 1], got {self.share}")
        if min(self.mask_p, self.random_p) < 0 or self.mask_p + self.random_p > 1:
            raise ValueError(
                "mask_p and random_p must not be negative, and their sum not more than "
                f"1, got {self.mask_p} and {self.random_p}"
            )
        if max(self.marks.cls, self.marks.sep, self.marks.mask) >= self.vocab_size:
            raise ValueError(
                f"vocab_size ({self.vocab_size}) must be more than each id of "
                f"{self.marks}"
            )


@dataclass(frozen=True)
class MaskedExample:
    """One input with some of its tokens hidden.

    Attributes:
        ids: what the model reads.
        segments: 0 up to the first ``[SEP]``, 1 behind it.
        chosen: True at tokens that are to be predicted.
        target: the ids as they were.
        from_elsewhere: as in :class:`SegmentPair`.
    """

    ids: Int[Tensor, " tokens"]
    segments: Int[Tensor, " tokens"]
    chosen: Bool[Tensor, " tokens"]
    target: Int[Tensor, " tokens"]
    from_elsewhere: bool


@dataclass(frozen=True)
class PretrainingBatch:
    """Padded examples; the numbers are plain, so that reading them stalls no GPU.

    Attributes:
        ids: what the model reads, ``PAD`` behind the last token.
        token_mask: True at real tokens.
        segments: 0 or 1, at padding 0.
        chosen: True at tokens that are to be predicted.
        target: the ids as they were.
        from_elsewhere: True for pairs whose second segment is from another document.
        num_nonpad: number of real tokens.
        num_chosen: number of tokens that are to be predicted.
    """

    ids: Int[Tensor, "batch tokens"]
    token_mask: Bool[Tensor, "batch tokens"]
    segments: Int[Tensor, "batch tokens"]
    chosen: Bool[Tensor, "batch tokens"]
    target: Int[Tensor, "batch tokens"]
    from_elsewhere: Bool[Tensor, " batch"]
    num_nonpad: int
    num_chosen: int

    @property
    def num_tokens(self) -> int:
        """Number of predicted tokens; the sentence pairs are not counted."""
        return self.num_chosen

    def to(self, device: torch.device | str) -> "PretrainingBatch":
        """Return the same batch on ``device``."""
        return replace(self, **_moved(self, device))


@dataclass(frozen=True)
class FineTuningBatch:
    """Padded texts, or pairs of texts, with a class each.

    Attributes:
        ids: as in :class:`PretrainingBatch`, nothing hidden.
        token_mask: as there.
        segments: as there.
        labels: number of each text's class, from 0.
        num_nonpad: number of real tokens.
    """

    ids: Int[Tensor, "batch tokens"]
    token_mask: Bool[Tensor, "batch tokens"]
    segments: Int[Tensor, "batch tokens"]
    labels: Int[Tensor, " batch"]
    num_nonpad: int

    @property
    def num_tokens(self) -> int:
        """Number of predictions, one per text."""
        return len(self.labels)

    def to(self, device: torch.device | str) -> "FineTuningBatch":
        """Return the same batch on ``device``."""
        return replace(self, **_moved(self, device))


def continuation_ids(vocab: Vocab) -> frozenset[int]:
    """Return the ids of pieces that do not begin a word, for whole-word masking.

    Args:
        vocab: of the pieces of
            :class:`attention_book.data.translation.subwords.Subwords`, in which the
            first piece of a word starts with "▁".

    Example:
        >>> sorted(continuation_ids(Vocab(["▁low", "est", "▁new"])))
        [4]
    """
    return frozenset(
        i
        for i in range(len(SPECIAL_TOKENS), len(vocab))
        if not vocab.decode([i])[0].startswith("\u2581")
    )


def segment_pairs(
    documents: Sequence[Sequence[Sequence[int]]],
    *,
    max_tokens: int,
    short_p: float = 0.1,
    elsewhere_p: float = 0.5,
    passes: int = 1,
    seed: int = 0,
) -> list[SegmentPair]:
    """Cut documents into pairs of segments for the task of the next sentence.

    Sentences are collected until they fill an input, and cut at a random sentence. The
    second segment is what is left of them or, with probability ``elsewhere_p`` and
    always where there is only one sentence, a span of another document; the sentences
    that are then not needed begin the next pair. The share of pairs from elsewhere is
    therefore more than ``elsewhere_p``. A segment is no sentence: it may have many.
    Pairs that are too long lose tokens of the longer segment, at random at its front or
    its back.

    Args:
        documents: the sentences of each document, as ids of word pieces.
        max_tokens: largest size of an input in tokens, ``[CLS]`` and twice ``[SEP]``
            included; at least 5.
        short_p: probability that a document is cut into pairs of a length that is
            uniform from 2 to ``max_tokens - 3`` instead of the longest.
        elsewhere_p: probability that the second segment is from another document.
        passes: how many times each document is cut, each time at random.
        seed: of all random choices.

    Raises:
        ValueError: if ``max_tokens`` is too small, a probability is not from 0 to 1,
            there are fewer than two documents, or one has no sentence or a sentence
            without a token.

    Source: arXiv:1810.04805, A.2, and the authors' code, which draws the other document
        up to ten times until it is another one. Here it is always another one.

    Example:
        >>> text = [[[5, 6], [7]], [[8], [9, 5]]]
        >>> segment_pairs(text, max_tokens=9, elsewhere_p=0.0, short_p=0.0)[0]
        SegmentPair(first=(5, 6), second=(7,), from_elsewhere=False)
    """
    check_counts(passes=passes)
    if max_tokens < 5:
        raise ValueError(f"max_tokens must be at least 5, got {max_tokens}")
    for name, value in ("short_p", short_p), ("elsewhere_p", elsewhere_p):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be from 0 to 1, got {value}")
    if len(documents) < 2:
        raise ValueError(
            f"documents must be at least two, got {len(documents)}: the second segment "
            "of half of the pairs is from another one"
        )
    for number, document in enumerate(documents):
        if not document or not all(len(sentence) for sentence in document):
            raise ValueError(
                "each document must have a sentence and each sentence a token, but "
                f"document {number} (from 0) does not"
            )
    generator = torch.Generator().manual_seed(operator.index(seed))
    return [
        pair
        for _ in range(passes)
        for number in range(len(documents))
        for pair in _pairs_of(
            documents, number, max_tokens - 3, short_p, elsewhere_p, generator
        )
    ]


def join_segments(
    pair: SegmentPair, marks: MarkIds
) -> tuple[Int[Tensor, " tokens"], Int[Tensor, " tokens"]]:
    """Return ``[CLS] first [SEP] second [SEP]`` and the segment of each token.

    Args:
        pair: the text; without a second segment there is one ``[SEP]``.
        marks: ids of the special tokens.

    Example:
        >>> ids, segments = join_segments(SegmentPair((7, 8), (9,)), MarkIds(mask=3))
        >>> ids.tolist(), segments.tolist()
        ([1, 7, 8, 2, 9, 2], [0, 0, 0, 0, 1, 1])
    """
    ids, segments = _joined(pair, marks)
    return torch.tensor(ids), torch.tensor(segments)


def choose_tokens(
    ids: Int[Tensor, " tokens"], masking: Masking, generator: torch.Generator
) -> Bool[Tensor, " tokens"]:
    """Choose the tokens that are to be predicted.

    Their number is ``masking.share`` of all tokens, special ones counted, rounded, and
    at least 1 and at most ``masking.max_chosen``; fewer, if there are no more that can
    be chosen. Words that are chosen whole are skipped where they do not fit in; in a
    short text it may be that none fits, and nothing is chosen.

    Args:
        ids: of one input, without padding.
        masking: shares, and what is never chosen.
        generator: of the random order.

    Returns:
        True at chosen tokens.

    Example:
        >>> masking = Masking(marks=MarkIds(mask=3), vocab_size=9, share=0.5)
        >>> ids, generator = torch.tensor([1, 7, 8, 2]), torch.Generator()
        >>> choose_tokens(ids, masking, generator)
        tensor([False,  True,  True, False])
    """
    marks = masking.marks
    never = {PAD, marks.cls, marks.sep, marks.mask}
    words: list[list[int]] = []
    inside = False  # whether the token before could be continued
    for position, token in enumerate(ids.tolist()):
        if token in never:
            inside = False
        elif inside and token in masking.continuations:
            words[-1].append(position)
        else:
            words.append([position])
            inside = True
    wanted = max(1, round(masking.share * len(ids)))
    if masking.max_chosen is not None:
        wanted = min(wanted, masking.max_chosen)
    positions: list[int] = []
    for word in torch.randperm(len(words), generator=generator).tolist():
        if len(positions) + len(words[word]) <= wanted:
            positions += words[word]
        if len(positions) == wanted:
            break
    chosen = torch.zeros(len(ids), dtype=torch.bool)
    chosen[positions] = True
    return chosen


def hide_tokens(
    ids: Int[Tensor, " tokens"],
    chosen: Bool[Tensor, " tokens"],
    masking: Masking,
    generator: torch.Generator,
) -> Int[Tensor, " tokens"]:
    """Return what the model reads: masks, random tokens, and tokens as they are.

    Args:
        ids: of one input.
        chosen: what :func:`choose_tokens` returned; all other tokens stay.
        masking: the probabilities of mask and random token.
        generator: of all random choices.

    Example:
        >>> marks = MarkIds(mask=3)
        >>> masking = Masking(marks=marks, vocab_size=9, mask_p=1.0, random_p=0.0)
        >>> ids = torch.tensor([1, 7, 8, 2])
        >>> hide_tokens(ids, ids == 8, masking, torch.Generator())
        tensor([1, 7, 3, 2])
    """
    draw = torch.rand(ids.shape, generator=generator, dtype=torch.float64)
    random = torch.randint(masking.vocab_size, ids.shape, generator=generator)
    hidden = torch.where(draw < masking.mask_p + masking.random_p, random, ids)
    hidden = hidden.masked_fill(draw < masking.mask_p, masking.marks.mask)
    return torch.where(chosen, hidden, ids)


def masked_example(
    pair: SegmentPair, masking: Masking, generator: torch.Generator
) -> MaskedExample:
    """Join a pair, choose tokens and hide them; each call draws anew.

    Args:
        pair: the text.
        masking: shares and special tokens.
        generator: of all random choices.
    """
    ids, segments = join_segments(pair, masking.marks)
    chosen = choose_tokens(ids, masking, generator)
    hidden = hide_tokens(ids, chosen, masking, generator)
    return MaskedExample(hidden, segments, chosen, ids, pair.from_elsewhere)


def masked_batch(
    pairs: Sequence[SegmentPair], masking: Masking, generator: torch.Generator
) -> PretrainingBatch:
    """Join pairs, choose tokens and hide them, for a whole batch in a few operations.

    The probabilities are those of :func:`masked_example`, the draws are others. Whole
    words are chosen text by text.

    Args:
        pairs: the texts.
        masking: shares and special tokens.
        generator: of all random choices.

    Example:
        >>> masking = Masking(marks=MarkIds(mask=3), vocab_size=9, share=0.5)
        >>> pairs = [SegmentPair((7, 8)), SegmentPair((6, 5), (4, 8))]
        >>> masked_batch(pairs, masking, torch.Generator()).chosen.sum(dim=1)
        tensor([2, 4])
    """
    if masking.continuations:
        return pretraining_batch(
            [masked_example(pair, masking, generator) for pair in pairs]
        )
    marks = masking.marks
    joined = [_joined(pair, marks) for pair in pairs]
    lengths = torch.tensor([len(ids) for ids, _ in joined])
    size = int(lengths.max())
    ids = torch.tensor([ids + [PAD] * (size - len(ids)) for ids, _ in joined])
    segments = torch.tensor([row + [0] * (size - len(row)) for _, row in joined])
    free = ~torch.isin(ids, torch.tensor([PAD, marks.cls, marks.sep, marks.mask]))
    wanted = (masking.share * lengths.double()).round().clamp(1, masking.max_chosen)
    draw = torch.rand(ids.shape, generator=generator, dtype=torch.float64)
    rank = draw.masked_fill(~free, 2.0).argsort(dim=1).argsort(dim=1)
    chosen = free & (rank < wanted[:, None])
    hidden = hide_tokens(ids.flatten(), chosen.flatten(), masking, generator)
    return PretrainingBatch(
        hidden.view_as(ids),
        token_mask(lengths, size),
        segments,
        chosen,
        ids,
        torch.tensor([pair.from_elsewhere for pair in pairs]),
        num_nonpad=int(lengths.sum()),
        num_chosen=int(chosen.sum()),
    )


def next_word_example(example: MaskedExample) -> MaskedExample:
    """Return the same predictions for a left-to-right model: nothing is hidden.

    Such a model reads a text as it is, and predicts each word at the token before it.

    Args:
        example: its chosen tokens stay those that are predicted.

    Example:
        >>> ids = torch.tensor([1, 7, 8, 2])
        >>> one = MaskedExample(ids, 0 * ids, ids == 8, ids, False)
        >>> next_word_example(one).chosen, next_word_example(one).target
        (tensor([False,  True, False, False]), tensor([7, 8, 2, 1]))
    """
    return replace(
        example,
        ids=example.target,
        chosen=example.chosen.roll(-1),
        target=example.target.roll(-1),
    )


def static_masks(
    pairs: Sequence[SegmentPair], masking: Masking, *, seed: int = 0
) -> list[MaskedExample]:
    """Draw one set of masks for each pair, which stays the same in every epoch.

    BERT's were static, in ten copies of the text with different masks:
    ``segment_pairs(..., passes=10)``. For evaluation too they must stay the same.

    Args:
        pairs: the texts.
        masking: shares and special tokens.
        seed: of all random choices.
    """
    generator = torch.Generator().manual_seed(operator.index(seed))
    return [masked_example(pair, masking, generator) for pair in pairs]


def pretraining_batch(examples: Sequence[MaskedExample]) -> PretrainingBatch:
    """Put examples into one batch, padded on the right."""
    ids, token_mask = pad_ids([example.ids for example in examples])
    segments, _ = pad_ids([example.segments for example in examples])
    target, _ = pad_ids([example.target for example in examples])
    chosen = torch.zeros_like(token_mask)
    for row, example in enumerate(examples):
        chosen[row, : len(example.chosen)] = example.chosen
    elsewhere = torch.tensor([example.from_elsewhere for example in examples])
    return PretrainingBatch(
        ids,
        token_mask,
        segments,
        chosen,
        target,
        elsewhere,
        num_nonpad=int(token_mask.sum()),
        num_chosen=int(chosen.sum()),
    )


def static_loader(
    examples: Sequence[MaskedExample], *, batch_size: int, seed: int | None = None
) -> DataLoader:
    """Batches of examples whose masks are drawn already.

    Args:
        examples: what :func:`static_masks` returned.
        batch_size: number of examples in a batch.
        seed: of the random order; None: the order of ``examples``, for evaluation.

    Raises:
        ValueError: if ``batch_size`` is not positive.
    """
    return make_loader(examples, pretraining_batch, batch_size=batch_size, seed=seed)


def fresh_loader(
    pairs: Sequence[SegmentPair], masking: Masking, *, batch_size: int, seed: int
) -> DataLoader:
    """Batches whose masks are drawn anew each time that a pair is read.

    Order and masks come from the loader's one ``generator``, so that a checkpoint
    restores both.

    Args:
        pairs: the texts.
        masking: shares and special tokens.
        batch_size: number of pairs in a batch.
        seed: of order and masks.

    Raises:
        ValueError: if ``batch_size`` is not positive.

    Source: Liu et al., arXiv:1907.11692, 4.1, who call these masks dynamic.
    """

    def collate(batch: list[SegmentPair]) -> PretrainingBatch:
        return masked_batch(batch, masking, loader.generator)

    loader = make_loader(pairs, collate, batch_size=batch_size, seed=seed)
    return loader


def finetuning_batch(
    examples: Sequence[tuple[SegmentPair, int]], marks: MarkIds
) -> FineTuningBatch:
    """Put texts with their classes into one batch, padded on the right.

    Args:
        examples: a text or a pair of texts, and the number of its class, each.
        marks: ids of the special tokens.
    """
    joined = [join_segments(pair, marks) for pair, _ in examples]
    ids, token_mask = pad_ids([ids for ids, _ in joined])
    segments, _ = pad_ids([segments for _, segments in joined])
    labels = torch.tensor([label for _, label in examples])
    return FineTuningBatch(ids, token_mask, segments, labels, int(token_mask.sum()))


def finetuning_loader(
    examples: Sequence[tuple[SegmentPair, int]],
    marks: MarkIds,
    *,
    batch_size: int,
    seed: int | None = None,
) -> DataLoader:
    """Batches of texts with a class each.

    Args:
        examples: as for :func:`finetuning_batch`.
        marks: ids of the special tokens.
        batch_size: number of texts in a batch.
        seed: of the random order; None: the order of ``examples``, for evaluation.

    Raises:
        ValueError: if ``batch_size`` is not positive.
    """

    def collate(batch: list[tuple[SegmentPair, int]]) -> FineTuningBatch:
        return finetuning_batch(batch, marks)

    return make_loader(examples, collate, batch_size=batch_size, seed=seed)


def _joined(pair: SegmentPair, marks: MarkIds) -> tuple[list[int], list[int]]:
    """The ids of an input, and the segment of each of its tokens."""
    first = [marks.cls, *pair.first, marks.sep]
    second = [*pair.second, marks.sep] if pair.second else []
    return first + second, [0] * len(first) + [1] * len(second)


def _pairs_of(
    documents: Sequence[Sequence[Sequence[int]]],
    number: int,
    budget: int,
    short_p: float,
    elsewhere_p: float,
    generator: torch.Generator,
) -> Iterator[SegmentPair]:
    """Yield the pairs of one document, of at most ``budget`` tokens each."""
    document = documents[number]
    target = budget
    if _uniform(generator) < short_p:
        target = 2 + _below(budget - 1, generator)
    start = 0
    while start < len(document):
        end, length = start, 0
        while end < len(document) and length < target:
            length += len(document[end])
            end += 1
        cut = start + 1
        if end - start > 1:
            cut += _below(end - start - 1, generator)
        first = _flat(document[start:cut])
        elsewhere = end - start == 1 or _uniform(generator) < elsewhere_p
        if elsewhere:
            other = _below(len(documents) - 1, generator)
            other += other >= number  # any but this one
            second = _span(documents[other], target - len(first), generator)
            start = cut
        else:
            second = _flat(document[cut:end])
            start = end
        _shorten(first, second, budget, generator)
        yield SegmentPair(tuple(first), tuple(second), elsewhere)


def _span(
    document: Sequence[Sequence[int]], wanted: int, generator: torch.Generator
) -> list[int]:
    """Sentences from a random one on, until there are enough tokens; at least one."""
    start = _below(len(document), generator)
    span: list[int] = []
    for sentence in document[start:]:
        span += sentence
        if len(span) >= wanted:
            break
    return span


def _shorten(
    first: list[int], second: list[int], budget: int, generator: torch.Generator
) -> None:
    """Drop tokens of the longer list until both together fit, in place."""
    while len(first) + len(second) > budget:
        longer = first if len(first) > len(second) else second
        del longer[0 if _uniform(generator) < 0.5 else -1]


def _flat(sentences: Sequence[Sequence[int]]) -> list[int]:
    return [token for sentence in sentences for token in sentence]


def _uniform(generator: torch.Generator) -> float:
    return torch.rand((), generator=generator, dtype=torch.float64).item()


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))


def _moved(batch: object, device: torch.device | str) -> dict[str, Any]:
    """The tensors of a batch by their names, on ``device``."""
    values = vars(batch).items()
    return {name: x.to(device) for name, x in values if isinstance(x, Tensor)}
