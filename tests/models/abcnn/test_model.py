"""BCNN and ABCNN-1, -2, -3: the whole forward pass with loops, padding, learning."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sentence_pairs.pairs import (
    SentencePair,
    sentence_pair_batch,
    sentence_pair_loader,
)
from attention_book.evaluation.scores import score_all
from attention_book.models.abcnn.config import VARIANTS, ABCNNConfig
from attention_book.models.abcnn.model import ABCNN
from attention_book.models.mpcnn.loss import squared_norm
from attention_book.observe import record_weights
from attention_book.training.loop import fit

WIDTH = 2
SMALL = {"embed_dim": 5, "num_filters": 3, "width": WIDTH}
SMALL |= {"max_tokens": 11, "extra_features": 2}


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
def batch(pairs, vocab):
    batch = sentence_pair_batch(pairs, vocab)
    return dataclasses.replace(batch, features=batch.features.double())


def make(vectors, **settings):
    return ABCNN(ABCNNConfig(**{**SMALL, **settings}), vectors).to(vectors)


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
def test_every_layer(pairs, vocab, vectors, batch, variant, blocks, shared):
    model = make(vectors, variant=variant, num_blocks=blocks, shared_maps=shared)
    found, logits = model.features(batch), model.score(batch)
    assert found.shape == (3, 1 + blocks + 2)
    for b, pair in enumerate(pairs):
        sides = [vectors[vocab.encode(words)].T for words in (pair.first, pair.second)]
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
def test_padding_changes_nothing(vectors, batch, padded, variant):
    model = make(vectors, variant=variant, num_blocks=2)
    with torch.no_grad():
        model.embedding.weight[0] = 100.0  # whatever padding is
    assert_close(model.features(padded), model.features(batch))


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_stay_finite(vectors, odd_batch, variant):
    model = make(vectors.float(), variant=variant, num_blocks=2, extra_features=0)
    for block in model.blocks:
        torch.nn.init.zeros_(block.conv.bias)  # unknown words give columns of zeros
    with torch.autograd.set_detect_anomaly(True):
        loss = model.loss(odd_batch)
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
    for wrong in -1, 2:
        labels = torch.tensor([0, wrong, 1])
        with pytest.raises(ValueError, match=f"label .* to 1, got {wrong} for pair 1"):
            make(vectors).loss(dataclasses.replace(batch, label=labels))


@pytest.mark.parametrize("side", ["first", "second"])
def test_sentences_that_are_no_sentences(vectors, batch, side, no_shape_checks):
    model = make(vectors, variant="BCNN")  # no attention, which has checks of its own
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
            model.score(dataclasses.replace(batch, **wrong))


@pytest.mark.parametrize("variant", ["BCNN", "ABCNN-3"])
def test_forward_is_called_compiled_exported_and_copied(
    vectors, batch, variant, check_forward
):
    model = make(vectors, variant=variant)
    inputs = batch.first, batch.first_mask, batch.second, batch.second_mask
    assert_close(model(*inputs, batch.features), model.score(batch))
    check_forward(model, batch, *inputs, batch.features)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_type_of_the_weights_is_kept(vectors, batch, dtype):
    model = make(vectors, variant="ABCNN-3")
    wanted, model = model.loss(batch), model.to(dtype)
    assert model.score(batch).dtype == dtype
    assert_close(model.loss(batch).double(), wanted, atol=0.05, rtol=0.05)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_vectors_of_another_type_are_read_in_that_of_the_layers(vectors, pairs, dtype):
    given = vectors.to(dtype)
    model = ABCNN(ABCNNConfig(**SMALL), given)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert torch.equal(model.embedding.weight, given.float())
    model.embedding.weight.fill_(0.0)
    assert given.any()  # not changed with the model's own
