"""Probes: padding, shuffling, statistics of match scores, against plain loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.abcnn import match_scores
from attention_book.data.sentence_pairs.overlap_features import OverlapFeatures
from attention_book.data.sentence_pairs.pairs import SentencePair
from attention_book.recipes.sentence_pairs.comparison import main_measure
from attention_book.recipes.sentence_pairs.probes import (
    best_matches,
    column_sizes,
    describe_scores,
    match_statistics,
    pad_batch,
    padding_effects,
    shuffle_second,
    telling_pair,
)
from attention_book.recipes.sentence_pairs.training import build_abcnn, pair_scores

SMALL = {"seed": 0, "batch_size": 8, "num_filters": 3, "width": 2, "max_tokens": 11}


@pytest.fixture
def model(ranking):
    return build_abcnn(ranking, "ABCNN-3", **SMALL).eval()


@pytest.fixture
def batch(ranking):
    return ranking.batches("test", batch_size=5).batches[0]


@pytest.mark.parametrize("masked", [True, False])
def test_a_batch_gets_more_padding(batch, masked):
    padded = pad_batch(batch, 11, masked=masked)
    for side in "first", "second":
        ids, wide = getattr(batch, side), getattr(padded, side)
        width = ids.shape[1]
        assert wide.shape == (5, 11)
        assert_close(wide[:, :width], ids)
        assert (wide[:, width:] == 0).all()
        mask = getattr(padded, f"{side}_mask")
        if masked:
            assert_close(mask[:, :width], getattr(batch, f"{side}_mask"))
            assert not mask[:, width:].any()
        else:
            assert mask.all()
    assert pad_batch(batch, 0).first.shape == batch.first.shape


def test_shuffled_sentences_have_the_same_words_and_the_same_padding(batch):
    shuffled = shuffle_second(batch, np.random.default_rng(0))
    assert (shuffled.second != batch.second).any()
    assert_close(shuffled.first, batch.first)
    for before, after, mask in zip(
        batch.second, shuffled.second, batch.second_mask, strict=True
    ):
        assert_close(before[mask].sort().values, after[mask].sort().values)
        assert (after[~mask] == 0).all()


def test_words_are_matched_one_pair_at_a_time(model, ranking):
    found = match_statistics(model, ranking, after=False)
    equal, other, ids, sums = [], [], [], []
    batches = ranking.batches("test")
    for pair in (ranking.pairs["test"][i] for i in batches.order):
        first, second = pair.first[:4], pair.second[:4]
        rows = [ranking.matrix[ranking.vocab.encode(side)] for side in (first, second)]
        scores = match_scores(rows[0][None], rows[1][None])[0]
        sums += scores.sum(dim=1).tolist()
        for i, word in enumerate(first):
            for j, partner in enumerate(second):
                (equal if word == partner else other).append(scores[i, j])
                ids += ranking.vocab.encode([word]) if word == partner else []
    assert_close(found.equal, torch.stack(equal))
    assert_close(found.other, torch.stack(other))
    assert_close(found.row_sums, torch.tensor(sums))
    assert found.equal_ids.tolist() == ids


def test_windows_are_equal_where_all_their_words_are(model, ranking):
    found = match_statistics(model, ranking, after=True)
    equal, total = [], 0
    for i in ranking.batches("test").order:
        sides = []
        for side in ranking.pairs["test"][i].first, ranking.pairs["test"][i].second:
            words = ["", *side[:4], ""]
            sides.append([(words[k], words[k + 1]) for k in range(len(words) - 1)])
        total += len(sides[0]) * len(sides[1])
        equal += [a for a in sides[0] for b in sides[1] if a == b]
    assert len(found.equal) == len(equal)
    assert len(found.other) == total - len(equal)


def test_columns_that_reach_the_last_block(ranking, batch):
    deep = build_abcnn(ranking, "ABCNN-2", num_blocks=2, **SMALL).eval()
    lengths, outputs = [], []
    masks = batch.first_mask, batch.second_mask
    with torch.no_grad():
        columns = tuple(
            deep.embedding(ids).masked_fill(~mask[..., None], 0.0)
            for ids, mask in zip((batch.first, batch.second), masks, strict=True)
        )
        pooled, _ = deep.blocks[0](columns, masks)
        for side in pooled:
            lengths += [x.norm() for row in side for x in row if x.norm() > 0]
            outputs.append(deep.blocks[1].conv(side.mT).tanh().abs().flatten())
    length, tanh = column_sizes(deep, batch)
    assert length == pytest.approx(torch.stack(lengths).mean().item(), rel=1e-5)
    assert tanh == pytest.approx(torch.cat(outputs).mean().item(), rel=1e-5)
    assert not deep.blocks[1].conv._forward_hooks


def test_padding_matters_where_it_is_not_masked(model, ranking):
    effects = padding_effects(model, ranking, 11)
    assert list(effects) == [
        "masked",
        "masked, to 11",
        "not masked",
        "not masked, to 11",
    ]
    right = main_measure(ranking, pair_scores(model, ranking))
    for label, (value, moved) in effects.items():
        if label.startswith("masked"):
            assert (value, moved) == (right, pytest.approx(0, abs=1e-5))
        else:
            assert moved > 1e-3


def test_a_telling_pair_is_right_and_short_and_moves_a_word():
    words = tuple(["the", "cat", "saw", "one", "dog", "."])
    right = SentencePair(words, tuple(["one", "dog", "met", "the", "cat"]), label=1)
    pairs = [
        replace(right, label=0),
        replace(right, first=words * 2),
        replace(right, second=words),  # nothing moves
        right,
    ]
    assert telling_pair(pairs) is right
    assert telling_pair(pairs[:3]) is pairs[0]


def test_no_score_is_said_to_be_none():
    assert describe_scores(torch.tensor([])) == ["0", "", "", ""]


def test_best_matches_one_word_at_a_time(ranking):
    pairs = [p for p in ranking.pairs["test"] if p.group == 100]
    asked = pairs[0].first
    candidates = [replace(pair, first=asked) for pair in pairs]
    plain, weighed = best_matches(ranking, candidates)
    assert plain.shape == (3, len(asked))
    idf = [OverlapFeatures(ranking.pairs["train"]).idf(word) for word in asked]
    known = {*asked, *(word for pair in pairs for word in pair.second)}
    vector = {word: ranking.matrix[ranking.vocab.encode([word])[0]] for word in known}
    for row, pair in enumerate(candidates):
        for column, word in enumerate(asked):
            distances = [(vector[word] - vector[w]).norm() for w in pair.second]
            assert_close(plain[row, column], 1 / (1 + min(distances)))
            wanted = plain[row, column] * idf[column] / max(idf)
            assert_close(weighed[row, column], wanted)


def test_candidates_of_two_questions_are_refused(ranking):
    with pytest.raises(ValueError, match="pairs must have one question, got"):
        best_matches(ranking, ranking.pairs["test"])
