"""BCNN and ABCNN-1, -2, -3: the whole forward pass with loops, padding, learning."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.sentence_pairs import (
    SentencePair,
    pair_words,
    sentence_pair_batch,
    sentence_pair_loader,
)
from attention_book.data.vocab import UNK, Vocab
from attention_book.models.abcnn import ABCNN
from attention_book.models.abcnn_config import VARIANTS, ABCNNConfig
from attention_book.models.mpcnn_loss import squared_norm
from attention_book.observe import record_weights
from attention_book.training.loop import fit
from attention_book.training.scores import score_all

DIM, FILTERS, WIDTH, MAX = 5, 3, 2, 7


@pytest.fixture
def pairs():
    sides = [
        (("who", "sings"), ("a", "man", "sings", "loudly")),
        (("who",), ("dogs", "run")),
        (("who", "may", "run", "here", "loudly"), ("dogs",)),
    ]
    labels, features = (1, 0, 1), ((2.0, 0.5), (0.0, 1.0), (1.0, -1.0))
    return [
        SentencePair(*side, label=y, features=x)
        for side, y, x in zip(sides, labels, features, strict=True)
    ]


@pytest.fixture
def vocab(pairs):
    return Vocab(pair_words(pairs))


@pytest.fixture
def vectors(vocab):
    vectors = torch.randn(len(vocab), DIM, dtype=torch.float64)
    vectors[UNK] = 0
    return vectors


@pytest.fixture
def batch(pairs, vocab):
    batch = sentence_pair_batch(pairs, vocab)
    return dataclasses.replace(batch, features=batch.features.double())


def make(vectors, **settings):
    sizes = {"embed_dim": DIM, "num_filters": FILTERS, "width": WIDTH}
    sizes |= {"max_tokens": MAX, "extra_features": 2}
    return ABCNN(ABCNNConfig(**{**sizes, **settings}), vectors).to(vectors)


def loop_scores(F_0, F_1):
    return torch.stack(
        [
            torch.stack([1 / (1 + (x - y).square().sum().sqrt()) for y in F_1.T])
            for x in F_0.T
        ]
    )


def loop_wide_convolution(conv, channels):
    """The columns p_1 to p_{n+w-1}; ``channels`` is (d, n)."""
    n = channels.shape[1]
    zero = torch.zeros(len(channels)).double()
    found = []
    for i in range(1, n + WIDTH):
        c = [
            channels[:, k - 1] if 1 <= k <= n else zero
            for k in range(i - WIDTH + 1, i + 1)
        ]
        found.append(
            torch.tanh(
                (conv.weight * torch.stack(c, dim=1)).sum(dim=(1, 2)) + conv.bias
            )
        )
    return torch.stack(found, dim=1)


def loop_features(model, sides):
    """The cosine of each layer, for sentences as the paper has them: (d, n)."""
    variant, layers = model.config.variant, [[side.mean(dim=1) for side in sides]]
    for block in model.blocks:
        if variant in ("ABCNN-1", "ABCNN-3"):
            A = loop_scores(*sides)
            W = block.maps.query_map.T, block.maps.key_map.T
            maps = (
                W[0][:, : A.shape[1]] @ A.T,
                W[1][:, : A.shape[0]] @ A,
            )
            sides = [torch.cat(both) for both in zip(sides, maps, strict=True)]
        found = [loop_wide_convolution(block.conv, side) for side in sides]
        if variant in ("ABCNN-2", "ABCNN-3"):
            A = loop_scores(*found)
            found = [found[0] * A.sum(dim=1), found[1] * A.sum(dim=0)]
        divisor = 1 if variant in ("ABCNN-2", "ABCNN-3") else WIDTH
        sides = [
            torch.stack(
                [
                    sum(side[:, k] for k in range(j, j + WIDTH)) / divisor
                    for j in range(side.shape[1] - WIDTH + 1)
                ],
                dim=1,
            )
            for side in found
        ]
        layers.append([side.mean(dim=1) for side in found])
    return torch.stack(
        [(x @ y) / (x.norm() * y.norm()).clamp_min(1e-6) for x, y in layers]
    )


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("shared", [False, True])
def test_every_layer(vectors, batch, variant, blocks, shared):
    model = make(vectors, variant=variant, num_blocks=blocks, shared_maps=shared)
    found, logits = model.features(batch), model.score(batch)
    assert found.shape == (3, 1 + blocks + 2)
    for b in range(3):
        sides = [
            vectors[ids[b, mask[b]]].T
            for ids, mask in (
                (batch.first, batch.first_mask),
                (batch.second, batch.second_mask),
            )
        ]
        wanted = torch.cat([loop_features(model, sides), batch.features[b]])
        assert_close(found[b], wanted)
        assert_close(
            logits[b], model.output_proj.weight[0] @ wanted + model.output_proj.bias[0]
        )
    # Where the word vectors alone are compared, no variant differs.
    assert_close(found[:, 0], make(vectors).features(batch)[:, 0])


def test_attention_changes_a_model_of_one_block(vectors, batch):
    found = []
    for variant in VARIANTS:
        torch.manual_seed(1)
        found.append(make(vectors, variant=variant).features(batch)[:, 1])
    assert not torch.allclose(found[0], found[2])
    assert not torch.allclose(found[1], found[3])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("more", [(0, 3), (2, 0), (1, 2)])
def test_padding_changes_nothing(vectors, batch, variant, more):
    model = make(vectors, variant=variant, num_blocks=2)
    with torch.no_grad():
        model.embedding.weight[0] = 100.0  # whatever padding is
    padded = dataclasses.replace(
        batch,
        first=F.pad(batch.first, (0, more[0])),
        first_mask=F.pad(batch.first_mask, (0, more[0])),
        second=F.pad(batch.second, (0, more[1])),
        second_mask=F.pad(batch.second_mask, (0, more[1])),
    )
    assert_close(model.features(padded), model.features(batch))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "sides",
    [
        ((("who", "sings", "here"),) * 2),
        (("sings",), ("dogs",)),
        (("sings",), ("sings",)),
        (("huh", "hm"), ("what",)),
        (("huh",), ("huh",)),
    ],
    ids=["identical", "one word", "one same word", "unknown", "one unknown"],
)
def test_gradients_stay_finite(vectors, vocab, variant, sides):
    model = make(vectors.float(), variant=variant, num_blocks=2, extra_features=0)
    for block in model.blocks:
        torch.nn.init.zeros_(block.conv.bias)  # unknown words give columns of zeros
    batch = sentence_pair_batch([SentencePair(*sides, label=1)], vocab)
    with torch.autograd.set_detect_anomaly(True):
        loss = model.loss(batch)
        loss.backward()
    assert loss.isfinite()
    for parameter in model.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()


def test_loss(vectors, batch):
    model = make(vectors, variant="ABCNN-3", l2=0.25)
    p = torch.sigmoid(model.score(batch))
    y = batch.label.double()
    wanted = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    assert_close(model.loss(batch), wanted + 0.125 * squared_norm(model))
    assert_close(model.eval().loss(batch), wanted)
    assert_close(model.predict(batch), (p > 0.5).long())


@pytest.mark.parametrize("variant", VARIANTS)
def test_learns_three_pairs_and_repeats_itself(
    pairs, vocab, vectors, variant, no_shape_checks
):
    losses = []  # the shape checks take longer than these steps
    for _ in range(2):
        torch.manual_seed(3)
        model = make(vectors.float(), variant=variant, num_blocks=2)
        loader = sentence_pair_loader(pairs, vocab, batch_size=2, seed=1)
        history = fit(model, loader, epochs=15, learning_rate=0.1, device="cpu")
        losses.append(history.step_loss)
    assert losses[0] == losses[1]
    loader = sentence_pair_loader(pairs, vocab, batch_size=2)
    scores = score_all(model, loader, device="cpu")
    assert [score > 0 for score in scores] == [True, False, True]
    assert_close(model.embedding.weight, vectors.float())  # word vectors stay


def test_weights_can_be_recorded(vectors, batch):
    model = make(vectors, variant="ABCNN-3", num_blocks=2)
    with record_weights(model) as weights:
        model.features(batch)
    shapes = {name: tuple(calls[0].shape) for name, calls in weights.items()}
    n, m, extra = batch.first.shape[1], batch.second.shape[1], WIDTH - 1
    assert shapes == {
        "blocks.0.maps": (3, n, m),
        "blocks.0.attention_pool": (3, n + extra, m + extra),
        "blocks.1.maps": (3, n, m),
        "blocks.1.attention_pool": (3, n + extra, m + extra),
    }


def test_errors(vectors, batch, no_shape_checks):
    with pytest.raises(ValueError, match=r"size embed_dim \(6\), got 5"):
        make(vectors, embed_dim=6)
    with pytest.raises(ValueError, match=r"extra_features \(1\) features, got 2"):
        make(vectors, extra_features=1).score(batch)
    bare = dataclasses.replace(batch, label=None, features=None)
    with pytest.raises(ValueError, match=r"extra_features \(2\) features, got 0"):
        make(vectors).score(bare)
    with pytest.raises(ValueError, match="must have a label for each pair"):
        make(vectors).loss(bare)


@pytest.mark.parametrize("variant", VARIANTS)
def test_compiles_to_one_graph(vectors, batch, variant, no_shape_checks):
    torch.compiler.reset()  # or the variants count as one function that changes
    model = make(vectors, variant=variant)
    compiled = torch.compile(model.score, backend="eager", fullgraph=True)
    assert_close(compiled(batch), model.score(batch))
