"""Segments, chosen tokens and masks, against the rules of BERT's example generator."""

import itertools
import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.pretraining import (
    MarkIds,
    MaskedExample,
    Masking,
    SegmentPair,
    SubwordIds,
    choose_tokens,
    continuation_ids,
    finetuning_batch,
    finetuning_loader,
    fresh_loader,
    hide_tokens,
    join_segments,
    masked_batch,
    masked_example,
    next_word_example,
    pretraining_batch,
    segment_pairs,
    static_loader,
    static_masks,
)
from attention_book.data.vocab import Vocab

MARKS = MarkIds(mask=499)
MASKING = Masking(marks=MARKS, vocab_size=500)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def documents():
    """Every token occurs once, so that it tells where it is from."""
    ids = iter(range(4, 100_000))
    return [
        [[next(ids) for _ in range(1 + (3 * i + d) % 7)] for i in range(20 + d)]
        for d in range(30)
    ]


@pytest.fixture(scope="module")
def pairs(documents):
    return segment_pairs(documents, max_tokens=33, passes=3, seed=5)


def places(documents):
    """For each token its document, and its position in that."""
    return {
        token: (d, i)
        for d, document in enumerate(documents)
        for i, token in enumerate(t for sentence in document for t in sentence)
    }


def test_segments_are_spans_and_the_label_says_where_the_second_is_from(
    documents, pairs
):
    where = places(documents)
    for pair in pairs:
        first, second = ([where[t] for t in part] for part in (pair.first, pair.second))
        for span in first, second:
            d, start = span[0]
            assert span == [(d, start + i) for i in range(len(span))]
        assert (first[0][0] != second[0][0]) == pair.from_elsewhere
        if not pair.from_elsewhere:
            assert second[0][1] > first[-1][1]
        assert 2 <= len(pair.first) + len(pair.second) <= 30


def test_no_sentence_is_lost_or_read_twice(documents):
    """Apart from tokens cut off: there are none where sentences are of one token."""
    tokens = [[t for sentence in document for t in sentence] for document in documents]
    pairs = segment_pairs([[[t] for t in ts] for ts in tokens], max_tokens=23)
    kept = [
        token
        for pair in pairs
        for token in pair.first + (() if pair.from_elsewhere else pair.second)
    ]
    assert kept == list(itertools.chain(*tokens))


def test_share_of_pairs_from_elsewhere_is_more_than_asked(documents):
    """One half of those with two sentences or more, and all others."""
    two = [document[:2] for document in documents] * 20
    pairs = segment_pairs(two, max_tokens=40, short_p=0.0)
    # Each first draw leaves its second sentence alone, which makes one more pair.
    draws, alone = len(two), len(pairs) - len(two)
    assert abs(alone / draws - 0.5) < 4 * math.sqrt(0.25 / draws)
    assert sum(pair.from_elsewhere for pair in pairs) == 2 * alone
    assert all(
        pair.from_elsewhere
        for pair in segment_pairs([[[5]], [[6, 7]]], max_tokens=9, elsewhere_p=0.0)
    )
    assert not any(
        pair.from_elsewhere
        for pair in segment_pairs(two, max_tokens=40, short_p=0.0, elsewhere_p=0.0)
    )


def test_some_documents_are_cut_into_short_pairs(documents):
    lengths = [
        len(pair.first) + len(pair.second)
        for pair in segment_pairs(documents, max_tokens=103, short_p=1.0)
    ]
    long = [
        len(pair.first) + len(pair.second)
        for pair in segment_pairs(documents, max_tokens=103, short_p=0.0)
    ]
    assert sum(lengths) / len(lengths) < 0.8 * sum(long) / len(long)


def test_a_seed_gives_the_same_pairs(documents, pairs):
    assert segment_pairs(documents, max_tokens=33, passes=3, seed=5) == pairs
    assert segment_pairs(documents, max_tokens=33, passes=3, seed=6) != pairs


def test_join_one_text_and_two():
    ids, segments = join_segments(SegmentPair((7, 8), (9,)), MARKS)
    assert ids.tolist() == [1, 7, 8, 2, 9, 2]
    assert segments.tolist() == [0, 0, 0, 0, 1, 1]
    ids, segments = join_segments(SegmentPair((7, 8)), MARKS)
    assert ids.tolist() == [1, 7, 8, 2]
    assert segments.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("tokens", "options", "wanted"),
    [
        (128, {}, 19),
        (128, {"max_chosen": 7}, 7),
        (5, {}, 1),
        (11, {}, 2),
        (11, {"share": 0.3}, 3),
        (11, {"share": 1.0}, 9),
    ],
)
def test_number_of_chosen_tokens(tokens, options, wanted):
    ids = torch.arange(10, 10 + tokens)
    ids[0], ids[-1] = MARKS.cls, MARKS.sep
    masking = Masking(marks=MARKS, vocab_size=500, **options)
    for seed in range(5):
        chosen = choose_tokens(ids, masking, generator(seed))
        assert chosen.sum() == wanted
        assert not chosen[[0, -1]].any()


def test_special_tokens_are_never_chosen_and_others_equally_often():
    ids = torch.tensor([1, 7, 499, 8, 2, 9, 3, 0, 2])
    masking, draw = Masking(marks=MARKS, vocab_size=500, share=0.25), generator()
    counts = sum(choose_tokens(ids, masking, draw).long() for _ in range(2000))
    free = torch.tensor([1, 3, 5, 6])  # the unknown word counts as a word
    assert counts.sum() == counts[free].sum() == 2 * 2000
    assert (counts[free] - 1000).abs().max() < 4 * math.sqrt(2000 / 4)


def test_shares_of_mask_random_and_same():
    """Exact up to four standard deviations of a binomial."""
    masking = Masking(marks=MARKS, vocab_size=500, mask_p=0.6, random_p=0.3)
    ids = torch.full((20_000,), 77)
    chosen = torch.arange(20_000) % 2 == 0
    hidden = hide_tokens(ids, chosen, masking, generator())
    assert (hidden[~chosen] == 77).all()
    found = hidden[chosen]
    masks, same = (found == MARKS.mask).double(), (found == 77).double()
    # A random token may be the mask or the token itself.
    for share, p in (masks, 0.6 + 0.3 / 500), (same, 0.1 + 0.3 / 500):
        assert abs(share.mean() - p) < 4 * math.sqrt(p * (1 - p) / 10_000)
    others = found[(found != 77) & (found != MARKS.mask)]
    assert others.min() == 0  # the whole vocabulary, special tokens included
    assert others.max() > 490
    assert abs(others.double().mean() - 249.5) < 4 * 500 / math.sqrt(12 * len(others))


def test_all_masks_and_none():
    ids, chosen = torch.arange(50), torch.ones(50, dtype=torch.bool)
    all_masks = Masking(marks=MARKS, vocab_size=500, mask_p=1.0, random_p=0.0)
    assert (hide_tokens(ids, chosen, all_masks, generator()) == MARKS.mask).all()
    same = Masking(marks=MARKS, vocab_size=500, mask_p=0.0, random_p=0.0)
    assert_close(hide_tokens(ids, chosen, same, generator()), ids)


def test_whole_words_are_chosen_with_all_their_pieces():
    more = frozenset({20, 21, 22})
    masking = Masking(marks=MARKS, vocab_size=500, share=0.5, continuations=more)
    ids = torch.tensor([1, 10, 20, 21, 11, 2, 20, 12, 22, 13, 2])
    words = [{1, 2, 3}, {4}, {6}, {7, 8}, {9}]  # a mark ends a word
    found = set()
    for seed in range(40):
        chosen = set(
            choose_tokens(ids, masking, generator(seed)).nonzero()[:, 0].tolist()
        )
        assert all(word <= chosen or not word & chosen for word in words)
        assert 1 <= len(chosen) <= 6
        found.add(frozenset(chosen))
    # Room for 6 of 8: without the pair, without two of three single ones, or without
    # the three.
    assert len(found) == 5


def test_nothing_is_chosen_where_no_whole_word_fits():
    masking = Masking(marks=MARKS, vocab_size=500, continuations=frozenset({20}))
    pair = SegmentPair((10, 20), (11, 20, 20))
    assert not masked_example(pair, masking, generator()).chosen.any()
    assert masked_example(pair, MASKING, generator()).chosen.sum() == 1


def test_continuations_of_subwords():
    vocab = Vocab(["▁low", "▁low", "est", "▁new", "▁"])
    assert {vocab.decode([i])[0] for i in continuation_ids(vocab)} == {"est"}


def test_target_and_hidden_ids_differ_at_chosen_tokens_only():
    pair = SegmentPair(tuple(range(10, 40)), tuple(range(50, 60)), True)
    example = masked_example(pair, MASKING, generator())
    ids, segments = join_segments(pair, MARKS)
    assert_close(example.target, ids)
    assert_close(example.segments, segments)
    assert_close(example.ids[~example.chosen], ids[~example.chosen])
    assert example.from_elsewhere


def test_batch_is_padded_and_counted(pairs):
    masking = Masking(marks=MARKS, vocab_size=100_000)
    examples = static_masks(pairs[:5], masking)
    batch = pretraining_batch(examples)
    for row, example in enumerate(examples):
        size = len(example.ids)
        for name in "ids", "segments", "chosen", "target":
            values = getattr(batch, name)[row]
            assert_close(values[:size], getattr(example, name))
            assert not values[size:].any()
        assert batch.token_mask[row].sum() == size
    assert batch.num_tokens == batch.num_chosen == batch.chosen.sum()
    assert batch.num_nonpad == batch.token_mask.sum()
    assert batch.from_elsewhere.tolist() == [p.from_elsewhere for p in pairs[:5]]
    assert batch.to("meta").ids.is_meta
    assert batch.to("meta").num_chosen == batch.num_chosen


@pytest.mark.parametrize("options", [{}, {"max_chosen": 2}, {"share": 0.4}])
def test_a_batch_is_masked_as_its_texts_one_by_one(pairs, options):
    masking = Masking(marks=MARKS, vocab_size=500, **options)
    some = [SegmentPair((7,)), *(p for p in pairs if max(p.first + p.second) < 499)]
    batch = masked_batch(some, masking, generator())
    wanted = pretraining_batch([masked_example(p, masking, generator()) for p in some])
    for name in "target", "token_mask", "segments", "from_elsewhere":
        assert getattr(batch, name).equal(getattr(wanted, name))
    assert batch.chosen.sum(1).equal(wanted.chosen.sum(1))
    assert batch.num_chosen == wanted.num_chosen
    assert batch.num_nonpad == wanted.num_nonpad
    special = [0, MARKS.cls, MARKS.sep, MARKS.mask]
    assert not torch.isin(batch.target[batch.chosen], torch.tensor(special)).any()
    changed = batch.ids != batch.target
    assert (batch.chosen | ~changed).all()


def test_tokens_of_a_batch_are_chosen_equally_often():
    pair = SegmentPair(tuple(range(4, 11)), tuple(range(11, 21)))
    batch = masked_batch([pair] * 4000, MASKING, generator())
    counts = batch.chosen.sum(0)
    assert counts[[0, 8, 19]].sum() == 0
    words = counts[counts > 0]
    mean = 4000 * 3 / 17
    assert len(words) == 17
    assert (words - mean).abs().max() < 4 * math.sqrt(mean)
    shares = [(batch.ids[batch.chosen] == 499).double().mean().item()]
    shares.append((batch.ids == batch.target)[batch.chosen].double().mean().item())
    assert shares == pytest.approx([0.8, 0.1], abs=4 * math.sqrt(0.16 / 12000))


def test_whole_words_of_a_batch():
    masking = Masking(
        marks=MARKS, vocab_size=500, share=0.5, continuations=frozenset({8})
    )
    batch = masked_batch([SegmentPair((7, 8, 7, 8))] * 20, masking, generator())
    assert batch.chosen[:, 1].equal(batch.chosen[:, 2])
    assert batch.chosen[:, 3].equal(batch.chosen[:, 4])


def test_static_masks_stay_and_fresh_ones_change():
    pairs = [SegmentPair(tuple(range(10 * i, 10 * i + 30))) for i in range(1, 8)]

    def read(loader):
        rows = [
            (target.tolist(), chosen.tolist())
            for batch in loader
            for target, chosen in zip(batch.target, batch.chosen, strict=True)
        ]
        return sorted(rows)

    static = static_loader(static_masks(pairs, MASKING), batch_size=3, seed=0)
    assert read(static) == read(static)
    fresh = fresh_loader(pairs, MASKING, batch_size=3, seed=0)
    state = fresh.generator.get_state()
    first = read(fresh)
    second = read(fresh)
    assert [target for target, _ in first] == [target for target, _ in second]
    assert first != second
    fresh.generator.set_state(state)  # what a checkpoint does
    assert [read(fresh), read(fresh)] == [first, second]


def test_texts_with_classes():
    examples = [(SegmentPair((7, 8), (9,)), 2), (SegmentPair((5,)), 0)]
    batch = finetuning_batch(examples, MARKS)
    assert batch.ids.tolist() == [[1, 7, 8, 2, 9, 2], [1, 5, 2, 0, 0, 0]]
    assert batch.segments.tolist() == [[0, 0, 0, 0, 1, 1], [0] * 6]
    assert batch.labels.tolist() == [2, 0]
    assert (batch.num_tokens, batch.num_nonpad) == (2, 9)
    (same,) = finetuning_loader(examples, MARKS, batch_size=2)
    assert_close(same.ids, batch.ids)
    assert batch.to("meta").labels.is_meta


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"vocab_size": 499}, r"vocab_size \(499\) must be more than each id of"),
        ({"share": 0.0}, r"share must be in \(0, 1\], got 0.0"),
        ({"max_chosen": 0}, "max_chosen must be at least 1, got 0"),
        ({"mask_p": 0.95}, "sum not more than 1, got 0.95 and 0.1"),
        ({"random_p": -0.1}, "must not be negative.*got 0.8 and -0.1"),
    ],
)
def test_wrong_shares(fields, message):
    with pytest.raises(ValueError, match=message):
        Masking(**{"marks": MARKS, "vocab_size": 500} | fields)


def test_wrong_marks_texts_and_lengths():
    for ids in {"mask": 0}, {"mask": 2}, {"mask": -1}:
        with pytest.raises(ValueError, match="must differ from each other"):
            MarkIds(**ids)
    with pytest.raises(ValueError, match="max_tokens must be at least 5, got 4"):
        segment_pairs([[[5]], [[6]]], max_tokens=4)
    with pytest.raises(ValueError, match="documents must be at least two, got 1"):
        segment_pairs([[[5]]], max_tokens=9)
    for empty in [], [[5], []]:
        with pytest.raises(ValueError, match=r"document 1 \(from 0\) does not"):
            segment_pairs([[[5]], empty], max_tokens=9)


def test_next_words_are_the_same_predictions_one_token_earlier():
    pair = SegmentPair((5, 6, 7), (8, 9, 10, 11))
    example = masked_example(pair, MASKING, generator())
    shifted = next_word_example(example)
    assert_close(shifted.ids, example.target)  # nothing is hidden
    assert_close(shifted.segments, example.segments)
    asked = [
        (at, word)
        for at, word in enumerate(example.target.tolist())
        if example.chosen[at]
    ]
    found = [
        (at + 1, word)
        for at, word in enumerate(shifted.target.tolist())
        if shifted.chosen[at]
    ]
    assert found == asked
    assert isinstance(shifted, MaskedExample)


def test_subword_ids_and_back():
    text = SubwordIds(["low lowest newest", "Lowest <unk> new"], max_pieces=14)
    assert len(text) == len(text.vocab) + 1
    assert text.marks.mask == len(text.vocab)
    ids = text.encode("LOWEST new <unk> zz")
    assert ids[:2] == text.vocab.encode(["\u2581low", "est"])
    names = text.decode(ids)
    assert names[:2] == ["low", "##est"]
    assert names.count("[UNK]") >= 2  # the unknown word, and letters that are unknown
    special = [0, text.marks.cls, text.marks.sep, 3, text.marks.mask]
    assert text.decode(special) == ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
    assert text.encode("") == []


def test_subword_ids_out_of_range():
    text = SubwordIds(["Low lowest newest"], max_pieces=14)
    for wrong in -1, len(text):
        with pytest.raises(IndexError, match=f"ids must be from 0 to .*: {wrong}"):
            text.decode([wrong])


@pytest.mark.parametrize("name", ["short_p", "elsewhere_p"])
@pytest.mark.parametrize("value", [-0.1, 50.0])
def test_wrong_probabilities_of_pairs(name, value):
    with pytest.raises(ValueError, match=f"{name} must be from 0 to 1, got {value}"):
        segment_pairs([[[5]], [[6]]], max_tokens=9, **{name: value})
