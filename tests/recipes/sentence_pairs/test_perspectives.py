"""Looking into an MPCNN: weights of words, groups of features, phrases of filters."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sentence_pairs.pairs import SentencePair, sentence_pair_batch
from attention_book.models.mpcnn.compare import com_u1, com_u2
from attention_book.models.mpcnn.config import LIGHT, MPCNNConfig
from attention_book.models.mpcnn.model import MPCNN
from attention_book.recipes.sentence_pairs.perspectives import (
    compare_unlike,
    feature_groups,
    legible_pair,
    pair_weights,
    strongest_windows,
    trace_decision,
    weight_statistics,
)
from attention_book.recipes.sentence_pairs.training import pair_features

PAIR = SentencePair(("a", "cat", "runs"), ("cat", "sings"), label=1, score=5.0)


def build(task, **settings):
    torch.manual_seed(0)
    sizes = {"embed_dim": task.matrix.shape[1], "num_filters": 3, "hidden_dim": 4}
    return MPCNN(MPCNNConfig(**sizes, **settings), task.matrix).eval()


def cosine(x, y):
    return (x @ y) / (x.norm() * y.norm())


def test_weights_of_a_pair_one_word_at_a_time(classes):
    cosines, *both = pair_weights(classes, PAIR)
    first, second = (
        classes.matrix[torch.tensor(classes.vocab.encode(words))]
        for words in (PAIR.first, PAIR.second)
    )
    wanted = torch.tensor([[cosine(x, y) for y in second] for x in first])
    assert_close(cosines, wanted)
    for weights, scores in zip(both, (wanted.sum(1), wanted.sum(0)), strict=True):
        assert_close(weights, scores.exp() / scores.exp().sum())


def test_a_factor_multiplies_the_scores(classes):
    cosines, _, second = pair_weights(classes, PAIR, factor=len)
    scores = cosines.sum(dim=0) * torch.tensor([3.0, 5.0])
    assert_close(second, scores.exp() / scores.exp().sum())
    for plain, same in zip(
        pair_weights(classes, PAIR),
        pair_weights(classes, PAIR, factor=lambda word: 1.0),
        strict=True,
    ):
        assert_close(plain, same)


def test_statistics_of_weights_by_hand(classes):
    pair = SentencePair(("a", "cat", "runs", "here"), ("dog",), label=0)
    task = replace(classes, pairs={**classes.pairs, "test": [pair]})
    found = weight_statistics(task)
    weights = pair_weights(task, pair)[1].tolist()  # the second one is too short
    assert found.ratio == pytest.approx(max(weights) / min(weights))
    entropy = -sum(w * math.log(w) for w in weights)
    assert found.carriers == pytest.approx(math.exp(entropy) / 4)
    assert found.everyday_weight == pytest.approx(weights[0])
    assert found.everyday_words == pytest.approx(1 / 4)
    even = weight_statistics(task, factor=lambda word: 0.0)
    assert (even.ratio, even.carriers) == pytest.approx((1, 1))


def test_no_sentence_that_is_long_enough(classes):
    with pytest.raises(ValueError, match="test must have a sentence of 50 words"):
        weight_statistics(classes, least=50)


def test_a_legible_pair_is_short_known_and_alike(classes, graded):
    six = ("a", "cat", "sings", "loudly", "here", "a")
    good = SentencePair(six, six[::-1], label=1, score=4.5)
    others = [
        replace(good, label=0, score=2.0),
        replace(good, first=six[:3]),
        replace(good, second=(*six[:5], "unheard")),
    ]
    for task in classes, graded:
        parts = {**task.pairs, "test": [*others, good]}
        assert legible_pair(replace(task, pairs=parts)) is good
        parts = {**task.pairs, "test": others}
        assert legible_pair(replace(task, pairs=parts)) is others[0]


def test_unlike_filters_are_compared(classes):
    model = build(classes, **LIGHT, whole_sentence=False, horizontal=False)
    batch = sentence_pair_batch([PAIR], classes.vocab)
    words, mask = model._words(
        batch.first, batch.first_mask, batch.second, batch.second_mask
    )
    blocks = model.holistic(words, mask)[:, 0]  # sentences, widths, filters
    compare_unlike(model)
    found = model.features(batch).view(3, 3, -1)
    for ws1 in range(3):
        for ws2 in range(3):
            moved = blocks[1, ws2][[2, 0, 1]]
            assert_close(found[ws1, ws2], com_u1(blocks[0, ws1], moved))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        LIGHT,
        {"num_filters": 5},  # width infinity is one of the widths
        {"comparison": "equal widths"},
        {"horizontal": False, "whole_sentence": False},
        {"vertical": False},
    ],
    ids=str,
)
def test_groups_are_all_features_once(settings):
    config = MPCNNConfig(**{"embed_dim": 5, "num_filters": 3, **settings})
    groups = feature_groups(config)
    together = torch.cat(list(groups.values()))
    assert sorted(together.tolist()) == list(range(config.num_features))


def test_a_group_has_the_features_of_its_name(classes):
    model = build(classes, poolings=("max", "min"), num_dim_filters=2)
    batch = sentence_pair_batch([PAIR], classes.vocab)
    words, mask = model._words(
        batch.first, batch.first_mask, batch.second, batch.second_mask
    )
    first, second = model.holistic(words, mask)  # poolings, widths, filters
    features = model.features(batch)[0]
    groups = feature_groups(model.config)
    wanted = com_u2(first.transpose(1, 2), second.transpose(1, 2)).flatten()
    assert_close(features[groups["rows"]], wanted)
    wanted = com_u1(first[:, 1], second[:, 2]).flatten()
    assert_close(features[groups["width 2, width 3"]], wanted)
    wanted = com_u1(*model.per_dimension(words, mask)).flatten()
    assert_close(features[groups["block B"]], wanted)


def test_groups_need_a_comparison_by_widths():
    config = MPCNNConfig(embed_dim=5, comparison="once")
    with pytest.raises(ValueError, match=r"must compare by widths, .* is 'once'"):
        feature_groups(config)


@pytest.mark.parametrize("kind", ["classes", "graded"])
def test_a_decision_is_traced_group_by_group(kind, request):
    task = request.getfixturevalue(kind)
    model = build(task, **LIGHT, grades=task.grades)
    score, shares = trace_decision(model, task, PAIR)
    batch = sentence_pair_batch([PAIR], task.vocab)
    with torch.no_grad():
        assert score == pytest.approx(model.score(batch).item(), abs=1e-6)
        average = torch.from_numpy(pair_features(model, task, "train")).mean(dim=0)
        for name, positions in feature_groups(model.config).items():
            features = model.features(batch)
            features[0, positions] = average[positions]
            other = model.similarity(model.read(features)).item()
            assert shares[name] == pytest.approx(score - other, abs=1e-5)


def test_strongest_windows_one_phrase_at_a_time(classes):
    model = build(classes, **LIGHT)
    found = strongest_windows(
        model, classes, width=2, num_filters=2, num_windows=3, part="dev"
    )
    assert len(found) == 2
    phrases = {
        words[i : i + 2]
        for pair in classes.pairs["dev"]
        for words in (pair.first, pair.second)
        for i in range(len(words) - 1)
    }
    conv = model.holistic.convs[1]
    spreads = {}
    for number in range(3):
        value = {
            phrase: (
                (
                    conv.weight[number]
                    * classes.matrix[torch.tensor(classes.vocab.encode(phrase))].T
                ).sum()
                + conv.bias[number]
            )
            .tanh()
            .item()
            for phrase in phrases
        }
        spreads[number] = torch.tensor(list(value.values())).std().item()
        if number in found:
            best = sorted(value.values(), reverse=True)[:3]
            shown = [value[tuple(phrase.split())] for phrase in found[number]]
            assert shown == pytest.approx(best, abs=1e-6)
    assert min(spreads, key=spreads.get) not in found


def test_phrases_need_filters_of_their_width(classes):
    model = build(classes, **LIGHT)
    with pytest.raises(ValueError, match=r"width 4, got widths \(1, 2, 3\)"):
        strongest_windows(model, classes, width=4)
    model = build(classes, **LIGHT, attention=True)
    with pytest.raises(ValueError, match="and attention=True"):
        strongest_windows(model, classes, width=2)
