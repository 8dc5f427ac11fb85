"""MPCNN: the whole feature vector with loops, padding, gradients, learning."""

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.sentence_pairs.pairs import (
    SentencePair,
    SentencePairBatch,
    sentence_pair_batch,
    sentence_pair_loader,
)
from attention_book.evaluation.scores import score_all
from attention_book.models.mpcnn.config import LIGHT, MPCNNConfig
from attention_book.models.mpcnn.loss import graded_loss, hinge_loss, squared_norm
from attention_book.models.mpcnn.model import MPCNN
from attention_book.observe import record_weights
from attention_book.training.loop import fit

DIM = 5
SMALL = {"embed_dim": DIM, "num_filters": 3, "num_dim_filters": 2, "hidden_dim": 7}


@pytest.fixture
def pairs():
    """Sentences of 1 to 4 words, shorter than a filter and longer."""
    return [
        SentencePair(("a", "man", "sings"), ("a", "man", "sings", "loudly"), 1, 4.25),
        SentencePair(("sings",), ("dogs", "run"), 0, 1.0),
        SentencePair(("dogs", "run", "here", "loudly"), ("dogs",), 1, 3.0),
    ]


@pytest.fixture
def batch(pairs, vocab):
    batch = sentence_pair_batch(pairs, vocab)
    return dataclasses.replace(batch, score=batch.score.double())


def make(vectors, **settings):
    return MPCNN(MPCNNConfig(**{**SMALL, **settings}), vectors).to(vectors)


def cosine(x, y):
    # The smallest length in the divisor is the package's.
    return (x @ y) / (x.norm().clamp_min(1e-6) * y.norm().clamp_min(1e-6))


def com_u2(x, y):
    return [cosine(x, y), (x - y).square().sum().sqrt()]


def com_u1(x, y):
    return [*com_u2(x, y), *(x - y).abs()]


def pool(columns, pooling):
    columns = torch.stack(columns)
    if pooling == "mean":
        return columns.mean(dim=0)
    return (columns.amax if pooling == "max" else columns.amin)(dim=0)


def attentive(first, second):
    """The attention-based input layer, word by word."""
    D = torch.tensor([[cosine(x, y) for y in second] for x in first]).double()
    sides = []
    for sentence, E in (first, D.sum(1)), (second, D.sum(0)):
        A = E.exp() / E.exp().sum()
        sides.append(
            torch.stack(
                [torch.cat([t, a * t]) for t, a in zip(sentence, A, strict=True)]
            )
        )
    return sides


def windows(sentence, width):
    padded = F.pad(sentence, (0, 0, 0, max(0, width - len(sentence))))
    return [padded[i : i + width] for i in range(len(padded) - width + 1)]


def group_a(model, w, p, sentence):
    """One group of block A, or the pooled words for width infinity."""
    config = model.config
    if w == len(config.widths):
        return pool(list(sentence), config.poolings[p])
    conv, n = model.holistic.convs[w], config.num_filters
    rows = slice(p * n, (p + 1) * n)
    out = [
        torch.tanh((conv.weight[rows] * part.T).sum(dim=(1, 2)) + conv.bias[rows])
        for part in windows(sentence, config.widths[w])
    ]
    return pool(out, config.poolings[p])


def group_b(model, w, p, f, sentence):
    """One filter number of block B: a value for each dimension."""
    config = model.config
    conv = model.per_dimension.convs[w]
    shape = config.word_dim, len(config.dim_poolings), config.num_dim_filters
    weight, bias = conv.weight.view(*shape, -1)[:, p, f], conv.bias.view(shape)[:, p, f]
    out = [
        torch.tanh((weight * part.T).sum(dim=1) + bias)
        for part in windows(sentence, config.widths[w])
    ]
    return pool(out, config.dim_poolings[p])


def compared_once(model, group, sentences):
    """Everything pooled of a sentence as one vector, or projected to a shorter one."""
    config, vectors = model.config, []
    for side, sentence in enumerate(sentences):
        parts = [
            group[w, p, side]
            for p in range(len(config.poolings))
            for w in range(len(config.widths) + config.sentence_is_a_width)
        ]
        if config.whole_sentence and not config.sentence_is_a_width:
            infinity = len(config.widths)
            parts += [group[infinity, p, side] for p in range(len(config.poolings))]
        if config.num_dim_filters:
            parts += [
                group_b(model, w, p, f, sentence)
                for p in range(len(config.dim_poolings))
                for w in range(len(config.widths))
                for f in range(config.num_dim_filters)
            ]
        vector = torch.cat(parts)
        if config.comparison == "one vector":
            layer = model.vector_proj
            vector = torch.tanh(layer.weight @ vector + layer.bias)
        vectors.append(vector)
    return torch.stack(com_u1(*vectors))


def loop_features(model, first, second):
    config = model.config
    if config.attention:
        first, second = attentive(first, second)
    widths = len(config.widths)
    rows = range(widths + config.sentence_is_a_width)
    features = []
    group = {
        (w, p, side): group_a(model, w, p, (first, second)[side])
        for w in range(widths + 1)
        for p in range(len(config.poolings))
        for side in (0, 1)
    }
    if not config.by_widths:
        return compared_once(model, group, (first, second))
    if config.horizontal:
        for p in range(len(config.poolings)):
            M = [
                torch.stack([group[w, p, side] for w in rows], dim=1) for side in (0, 1)
            ]
            for i in range(config.num_filters):
                features += com_u2(M[0][i], M[1][i])
    if config.vertical:
        for p in range(len(config.poolings)):
            for w1 in rows:
                for w2 in rows:
                    if config.comparison == "equal widths" and w1 != w2:
                        continue
                    features += com_u1(group[w1, p, 0], group[w2, p, 1])
        if config.whole_sentence and not config.sentence_is_a_width:
            for p in range(len(config.poolings)):
                features += com_u1(group[widths, p, 0], group[widths, p, 1])
    if config.num_dim_filters:
        for p in range(len(config.dim_poolings)):
            for w in range(widths):
                for f in range(config.num_dim_filters):
                    features += com_u1(
                        *(group_b(model, w, p, f, side) for side in (first, second))
                    )
    return torch.stack(features)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_filters": DIM},  # width infinity is compared with all
        {"attention": True},
        {"attention": True, "num_filters": 2 * DIM},
        LIGHT,
        {"horizontal": False, "num_dim_filters": 0, "whole_sentence": False},
        {"vertical": False, "widths": (2,), "dim_poolings": ("min",)},
        {"comparison": "equal widths"},
        {"comparison": "equal widths", "num_filters": DIM},
        {"comparison": "once", "vertical": False},
        {"comparison": "once", "num_filters": DIM, "attention": True, **LIGHT},
        {"comparison": "one vector", "whole_sentence": False},
        {"comparison": "one vector", "vector_dim": 11, "num_filters": DIM},
    ],
    ids=str,
)
def test_every_feature(pairs, vocab, vectors, batch, settings):
    model = make(vectors, **settings)
    found = model.features(batch)
    assert found.shape == (3, model.config.num_features)
    for b, pair in enumerate(pairs):
        sides = [vectors[vocab.encode(words)] for words in (pair.first, pair.second)]
        wanted = loop_features(model, *sides)
        assert_close(found[b], wanted)
        hidden = torch.tanh(model.hidden_proj.weight @ wanted + model.hidden_proj.bias)
        logits = model.output_proj.weight @ hidden + model.output_proj.bias
        assert_close(model.logits(batch)[b], logits)


def test_features_of_the_paper():
    model = MPCNN(MPCNNConfig(embed_dim=300, grades=(1, 5)), torch.randn(5, 300))
    ids = torch.tensor([[1, 2, 3]])
    batch = SentencePairBatch(ids, ids > 0, ids[:, :2], ids[:, :2] > 0)
    assert model.features(batch).shape == (1, 52_536)
    assert model.logits(batch).shape == (1, 5)


@pytest.mark.parametrize("attention", [False, True])
def test_padding_changes_nothing(vectors, batch, padded, attention):
    model = make(vectors, attention=attention)
    with torch.no_grad():
        model.embedding.weight[0] = 100.0  # whatever padding is
    assert_close(model.features(padded), model.features(batch))


def test_exchanged_sentences_have_the_same_distances(vectors, batch):
    model = make(vectors, attention=True, vertical=False)
    exchanged = SentencePairBatch(
        batch.second, batch.second_mask, batch.first, batch.first_mask
    )
    assert_close(model.features(exchanged), model.features(batch))


@pytest.mark.parametrize("attention", [False, True])
def test_gradients_stay_finite(vectors, odd_batch, attention):
    model = make(vectors.float(), attention=attention, grades=(1, 5))
    with torch.autograd.set_detect_anomaly(True):
        loss = model.loss(odd_batch)
        loss.backward()
    assert loss.isfinite()
    for parameter in model.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()


def test_losses(vectors, batch):
    classes = make(vectors, num_classes=3, l2=0.25)
    graded = make(vectors, grades=(1, 5), l2=0.25)
    wanted = (
        hinge_loss(classes.logits(batch), batch.label),
        graded_loss(graded.logits(batch), batch.score, 1, 5),
    )
    for model, loss in zip((classes, graded), wanted, strict=True):
        assert_close(model.loss(batch), loss + 0.125 * squared_norm(model))
        assert_close(model.eval().loss(batch), loss)


def test_scores_and_predictions(vectors, batch):
    graded, classes = make(vectors, grades=(1, 5)), make(vectors)
    f = graded.logits(batch).softmax(dim=-1)
    assert_close(graded.score(batch), sum((i + 1) * f[:, i] for i in range(5)))
    logits = classes.logits(batch)
    assert_close(classes.score(batch), logits[:, 1] - logits[:, 0])
    assert_close(classes.predict(batch), (classes.score(batch) > 0).long())
    assert_close(graded.predict(batch), f.argmax(dim=-1))


def test_learns_three_pairs(pairs, vocab, vectors, no_shape_checks):
    model = make(vectors.float(), grades=(1, 5), l2=0.0)
    loader = sentence_pair_loader(pairs, vocab, batch_size=3, seed=1)
    history = fit(model, loader, epochs=60, learning_rate=0.01, device="cpu")
    assert history.num_tokens == 3 * 60  # one prediction a pair
    scores = score_all(
        model, sentence_pair_loader(pairs, vocab, batch_size=2), device="cpu"
    )
    wanted = torch.tensor([pair.score for pair in pairs]).double()
    assert_close(torch.tensor(scores), wanted, atol=0.3, rtol=0)
    assert_close(model.embedding.weight, vectors.float())  # word vectors stay


def test_a_seed_gives_the_same_losses(pairs, vocab, vectors, no_shape_checks):
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        model = make(vectors.float(), grades=(1, 5), dropout=0.5)
        loader = sentence_pair_loader(pairs, vocab, batch_size=2, seed=1)
        history = fit(model, loader, epochs=2, learning_rate=0.01, device="cpu")
        losses.append(history.step_loss)
    assert losses[0] == losses[1]


def test_weights_can_be_recorded(vectors, batch):
    model = make(vectors, attention=True)
    with record_weights(model) as weights:
        model.features(batch)
    second, first = weights["attention"]
    assert_close(first.sum(dim=-1), torch.ones(3, 1).double())
    assert (first[:, 0][~batch.first_mask] == 0).all()
    assert (second[:, 0][~batch.second_mask] == 0).all()


def test_errors(vectors, batch, no_shape_checks):
    with pytest.raises(ValueError, match=r"size embed_dim \(6\), got 5"):
        make(vectors, embed_dim=6)
    with pytest.raises(ValueError, match="score needs grades or 2 classes, got 3"):
        make(vectors, num_classes=3).score(batch)
    bare = dataclasses.replace(batch, label=None, score=None)
    with pytest.raises(ValueError, match="must have a label for each pair"):
        make(vectors).loss(bare)
    with pytest.raises(ValueError, match="must have a score for each pair"):
        make(vectors, grades=(1, 5)).loss(bare)
    for wrong in -1, 2:
        labels = torch.tensor([0, wrong, 1])
        with pytest.raises(ValueError, match=f"label .* to 1, got {wrong} for pair 1"):
            make(vectors).loss(dataclasses.replace(batch, label=labels))
    for wrong in 0.5, 5.5, math.nan:
        scores = torch.tensor([5.0, 1.0, wrong])
        with pytest.raises(ValueError, match=f"score .* to 5, got {wrong} for pair 2"):
            make(vectors, grades=(1, 5)).loss(dataclasses.replace(batch, score=scores))


def test_dropout_stands_before_the_output_layer(vectors, batch):
    model, shares = make(vectors, dropout=0.5), []
    model.output_proj.register_forward_pre_hook(
        lambda _, args: shares.append((args[0] == 0).double().mean().item())
    )
    model.train().loss(batch)
    model.eval().loss(batch)
    assert shares == [pytest.approx(0.5, abs=0.3), 0]


@pytest.mark.parametrize("side", ["first", "second"])
def test_sentences_that_are_no_sentences(vectors, batch, side, no_shape_checks):
    model = make(vectors)
    ids, mask = getattr(batch, side), getattr(batch, f"{side}_mask").clone()
    for wrong, message in (
        ({side: ids.masked_fill(mask, 99)}, "ids must be from 0 to"),
        (
            {f"{side}_mask": mask & (ids != ids[1])},
            f"row 1 of {side}_mask is all padding",
        ),
        ({f"{side}_mask": mask.flip(1)}, f"{side} must be padded on the right"),
        ({f"{side}_mask": mask[:, 1:]}, f"{side}_mask must have the shape of {side}"),
        (
            {side: ids[:1], f"{side}_mask": mask[:1]},
            "first and second must have one row for each pair, got",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            model.logits(dataclasses.replace(batch, **wrong))


def test_forward_is_called_compiled_exported_and_copied(vectors, batch, check_forward):
    model = make(vectors, attention=True)
    inputs = batch.first, batch.first_mask, batch.second, batch.second_mask
    assert_close(model(*inputs), model.logits(batch))
    check_forward(model, batch, *inputs)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_type_of_the_weights_is_kept(vectors, batch, dtype):
    for grades in None, (1, 5):
        model = make(vectors, attention=True, grades=grades)
        wanted, model = model.loss(batch), model.to(dtype)
        assert model.logits(batch).dtype == dtype
        assert_close(model.loss(batch).double(), wanted, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_vectors_of_another_type_are_read_in_that_of_the_layers(vectors, pairs, dtype):
    given = vectors.to(dtype)
    model = MPCNN(MPCNNConfig(**SMALL), given)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.embedding.weight, given.float())
    model.embedding.weight.fill_(0.0)
    assert given.any()  # not changed with the model's own
