"""Heads removed one after the other: scores, orders, models trained without them."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.recipes import heads, numbers_task, pruning

CPU = torch.device("cpu")
PRESET = heads.HeadPreset(
    epochs=1,
    batch={"batch_size": 20},
    learning_rate=1e-2,
    warmup_steps=3,
    num_layers=1,
    compare=((1, 1),),
    kept=(2, 1),
    tune_steps=4,
    tune_rate=1e-3,
    sizes={"embed_dim": 6, "hidden_dim": 5, "dropout": 0.0},
)


@pytest.fixture(scope="module")
def task():
    return numbers_task("en", "de", train=60, dev=5, test=7, device=CPU, seed=0)


@pytest.fixture(scope="module")
def model(task):
    sizes = {"embed_dim": 6, "hidden_dim": 5, "num_layers": 1, "num_heads": 3}
    return task.build(Transformer, TransformerConfig, 0, dropout=0.0, **sizes).eval()


def test_each_count_removes_the_first_heads_of_the_order(model, task):
    batch, one = task.batch(task.test), task.batch(task.test[:1])
    order = heads.heads_of(model)[::-1]
    found = pruning.prune_heads(
        model, order, batch, whole=False, counts=[0, 4], watched=one
    )
    assert (found.order, found.counts) == (order, [0, 4])
    for count, right, words in zip(found.counts, found.right, found.words, strict=True):
        gone = order[:count]
        assert right == heads.right_without(model, gone, batch, whole=False)
        with heads.heads_removed(model, gone), torch.no_grad():
            state = model.start(one.source, one.source_mask)
            logits, _ = model.decode(one.target[:, :-1], state)
        for i, word in enumerate(one.target[0, 1:]):
            assert_close(words[i], logits[0, i].softmax(0)[word])
    assert len(pruning.prune_heads(model, order, batch, whole=False).right) == 9
    means = heads.mean_outputs(model, batch)
    kept = pruning.prune_heads(
        model, order, batch, whole=False, counts=[9], means=means
    )
    wanted = heads.right_without(model, order, batch, whole=False, means=means)
    assert kept.right == [wanted]


def test_random_orders_hold_all_heads():
    all_heads = [("cross 1", head) for head in range(5)]
    one, other = pruning.random_head_orders(all_heads, 2, seed=1)
    assert sorted(one) == sorted(other) == all_heads
    assert one != other
    assert pruning.random_head_orders(all_heads, 2, seed=1) == [one, other]


def test_heads_that_are_missing_from_the_start_never_learn(task):
    gone = [("encoder 1", 1), ("cross 1", 0)]
    kinds = {"seed": 0, "epochs": 1}
    whole = heads.train_heads(task, PRESET, 1, 2, **kinds)
    without = heads.train_heads(task, PRESET, 1, 2, removed=gone, **kinds)
    fresh = task.build(
        Transformer, TransformerConfig, 0, num_layers=1, num_heads=2, **PRESET.sizes
    )
    layers = [heads.attentions(own) for own in (whole, without, fresh)]
    for name, head in gone:
        for part in range(3):  # queries, keys, values
            rows = slice(6 * part + 3 * head, 6 * part + 3 * head + 3)
            trained, missing, start = (own[name].in_proj.weight[rows] for own in layers)
            assert_close(missing, start)
            assert not torch.equal(trained, start)


def test_a_pruned_copy_is_trained_on(model, task):
    before = [p.clone() for p in model.parameters()]
    gone = heads.heads_of(model)[:4]
    tuned = pruning.tune_pruned(task, PRESET, model, gone, seed=1, epochs=9)
    assert all(map(torch.equal, before, model.parameters()))
    batch = task.batch(task.train)
    losses = []
    for own in (model, tuned):
        with heads.heads_removed(own, gone), torch.no_grad():
            losses.append(own.loss(batch).item())
    assert losses[1] < losses[0]
    assert not tuned.training


def test_gradients_of_gates_add_up_over_sentences(model, task):
    pairs = task.test[:4]
    found = pruning.gate_gradients(model, task, pairs, size=2)
    assert list(found) == heads.heads_of(model)
    head = ("cross 1", 2)
    assert len(found[head]) == 2
    layer, small = heads.attentions(model)["cross 1"], 1e-2
    losses = []
    for gate in (1 - small, 1 + small):
        gates = torch.tensor([1.0, 1.0, gate])
        with heads.mask_heads(layer, gates), torch.no_grad():
            losses.append(model.loss(task.batch(pairs[:2])).item())
    slope = (losses[1] - losses[0]) / (2 * small)
    assert found[head][0] == pytest.approx(-slope, abs=1e-4)


def test_ways_to_keep_few_heads(model, task):
    batch = task.batch(task.test)
    preset = dataclasses.replace(PRESET, kept=(3,), num_heads=3)
    order = pruning.ablate_heads(model, batch, batch, whole=False).order
    orders = pruning.compare_orders(
        model, order, batch, whole=False, watched=batch, num_draws=2, seed=0
    )
    how = {"whole": False, "seed": 0, "epochs": 1}
    kept = pruning.compare_kept(task, preset, model, orders, batch, **how)
    (own,) = kept.values()
    gone = order[:-3]
    assert own["pruned"] == heads.right_without(model, gone, batch, whole=False)
    shares = [
        heads.right_without(model, drawn[:-3], batch, whole=False)
        for drawn in orders.drawn
    ]
    assert own["pruned at random"] == pytest.approx(sum(shares) / 2)
    fresh = heads.train_heads(task, preset, 1, 3, seed=0, epochs=1, removed=gone)
    wanted = heads.right_without(fresh, gone, batch, whole=False)
    assert own["trained without"] == wanted
