"""Recipes for heads: weights, relations, removal, and what one head cannot learn."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.translation.pairs import Pair
from attention_book.data.vocab import BOS, EOS
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.observe import record_weights
from attention_book.recipes import heads, numbers_task

CPU = torch.device("cpu")
NAMES = ["encoder 1", "encoder 2", "decoder 1", "cross 1", "decoder 2", "cross 2"]


@pytest.fixture(scope="module")
def task():
    return numbers_task("en", "de", train=60, dev=5, test=7, device=CPU, seed=0)


@pytest.fixture(scope="module")
def model(task):
    sizes = {"embed_dim": 6, "hidden_dim": 5, "num_layers": 2, "num_heads": 3}
    return task.build(Transformer, TransformerConfig, 0, dropout=0.0, **sizes).eval()


def test_heads_are_named_by_use_and_layer(model):
    assert list(heads.attentions(model)) == NAMES
    assert heads.heads_of(model)[:4] == [
        *(("encoder 1", h) for h in range(3)),
        ("encoder 2", 0),
    ]


def test_weights_are_those_of_the_forward_pass(model, task):
    batch = task.batch(task.test)
    weights = heads.head_weights(model, batch)
    assert sorted(weights) == sorted(NAMES)
    with torch.no_grad(), record_weights(model) as recorded:
        model.loss(batch)
    assert_close(weights["cross 2"], recorded["decoder.layers.1.cross_attention"][0])


def test_scores_sentence_by_sentence(model, task):
    batch = task.batch(task.test)
    found = heads.score_sentences(model, batch, whole=False)
    with torch.no_grad():
        state = model.start(batch.source, batch.source_mask)
        logits, _ = model.decode(batch.target[:, :-1], state)
    for row, pair in enumerate(task.test):
        wanted = [*task.vocabs[1].encode(pair.target), EOS]
        losses = [
            -logits[row, i].log_softmax(0)[w].item() for i, w in enumerate(wanted)
        ]
        right = [logits[row, i].argmax().item() == w for i, w in enumerate(wanted)]
        assert found.loss[row] == pytest.approx(np.mean(losses), rel=1e-4)
        assert found.right[row] == pytest.approx(np.mean(right))


def test_whole_sentences_are_right_or_not(model, task, monkeypatch):
    monkeypatch.setattr(
        model, "decode", lambda ids, state: (F.one_hot(follow, 40).float(), state)
    )
    batch = task.batch(task.test[:2])
    follow = batch.target[:, 1:].clone()
    follow[1, 0] = 0
    assert heads.score_sentences(model, batch, whole=True).right.tolist() == [1, 0]
    parts = heads.score_sentences(model, batch, whole=False).right
    words = len(task.test[1].target) + 1
    assert parts.tolist() == pytest.approx([1, 1 - 1 / words])


def test_many_sentences_are_scored_in_batches(model, task, monkeypatch):
    monkeypatch.setattr(heads, "SCORED_TOGETHER", 3)
    found = heads.score_pairs(model, task, task.test, whole=False)
    whole = heads.score_sentences(model, task.batch(task.test), whole=False)
    np.testing.assert_allclose(found.loss, whole.loss, rtol=1e-5)
    np.testing.assert_allclose(found.right, whole.right)


def test_a_removed_head_contributes_nothing(model, task):
    batch = task.batch(task.test)
    layer = heads.attentions(model)["encoder 1"]
    before = heads.score_sentences(model, batch, whole=False).loss
    with heads.heads_removed(model, [("encoder 1", 1)]):
        without = heads.score_sentences(model, batch, whole=False).loss
    assert not np.allclose(before, without)
    kept = layer.out_proj.weight.detach().clone()
    with torch.no_grad():
        layer.out_proj.weight[:, 2:4] = 0  # what head 1 of 3 feeds
        by_hand = heads.score_sentences(model, batch, whole=False).loss
        layer.out_proj.weight.copy_(kept)
    np.testing.assert_allclose(without, by_hand, rtol=1e-5)
    np.testing.assert_allclose(
        heads.score_sentences(model, batch, whole=False).loss, before
    )


def test_mean_outputs_are_those_of_real_tokens(model, task):
    batch = task.batch(task.test)
    means = heads.mean_outputs(model, batch)
    assert list(means) == NAMES
    layer = model.encoder.layers[0].self_attention  # reads embeddings alone
    sums, count = torch.zeros(3, 2), 0
    with torch.no_grad():
        tokens = model.source_positions(model.source_embedding(batch.source))
        for row, real in enumerate(batch.source_mask.sum(dim=1).tolist()):
            own = tokens[row, :real][None]
            query, key, value = layer.project_qkv(own)
            weights = (query @ key.mT / 2**0.5).softmax(dim=-1)
            sums += (weights @ value)[0].sum(dim=1)
            count += real
    assert_close(means["encoder 1"], sums / count)


def test_a_mean_in_its_place_is_a_constant(model, task):
    batch = task.batch(task.test)
    means = heads.mean_outputs(model, batch)
    layer = heads.attentions(model)["decoder 1"]
    with heads.heads_removed(model, [("decoder 1", 2)], means=means):
        without = heads.score_sentences(model, batch, whole=False).loss
    kept = layer.out_proj.weight.detach().clone(), layer.out_proj.bias.detach().clone()
    with torch.no_grad():
        layer.out_proj.bias += layer.out_proj.weight[:, 4:] @ means["decoder 1"][2]
        layer.out_proj.weight[:, 4:] = 0
        by_hand = heads.score_sentences(model, batch, whole=False).loss
        layer.out_proj.weight.copy_(kept[0])
        layer.out_proj.bias.copy_(kept[1])
    np.testing.assert_allclose(without, by_hand, rtol=1e-5)
    costs = heads.costs_of_heads(model, batch, whole=False, means=means)
    before = heads.score_sentences(model, batch, whole=False).loss
    cost = costs.loss["decoder 1", 2]
    assert cost == pytest.approx((without - before).mean(), abs=1e-6)


def test_a_head_that_is_not_there_is_refused(model):
    with (
        pytest.raises(ValueError, match=r"no heads \[\('encoder 3', 0\)\]"),
        heads.heads_removed(model, [("encoder 3", 0)]),
    ):
        pass


def test_costs_are_what_each_removal_changes(model, task):
    batch = task.batch(task.test)
    costs = heads.costs_of_heads(model, batch, whole=False)
    assert list(costs.loss) == list(costs.right) == heads.heads_of(model)
    before = heads.score_sentences(model, batch, whole=False)
    head = ("cross 2", 2)
    with heads.heads_removed(model, [head]):
        after = heads.score_sentences(model, batch, whole=False)
    assert costs.loss[head] == pytest.approx((after.loss - before.loss).mean())
    np.testing.assert_allclose(costs.right[head], before.right - after.right)
    right = heads.right_without(model, [head], batch, whole=False)
    assert right == pytest.approx(after.right.mean())


def test_relations_query_by_query(task):
    uses = heads.attention_uses(task, task.test)
    batch = task.batch(task.test)
    target = batch.target[:, :-1]
    powers = {"hundert", "tausend", "Million", "Millionen"}
    relations = uses["decoder"].relations
    for row in range(len(task.test)):
        words = task.vocabs[1].decode(target[row].tolist())
        length = 1 + len(words)
        for i in range(length):
            for j in range(length):
                assert relations["previous"].expand(7, -1, -1)[row, i, j] == (
                    j == i - 1
                )
                assert relations["mark"].expand(-1, target.shape[1], -1)[row, i, j] == (
                    target[row, j] == BOS
                )
                is_power = j > 0 and words[j - 1] in powers
                power = relations["power"].expand(-1, target.shape[1], -1)
                assert power[row, i, j] == is_power
                assert uses["decoder"].allowed[row, i, j] == (j <= i)
    partner = uses["cross"].relations["partner"]
    for row, pair in enumerate(task.test):
        links = {(q, k) for q, k in partner[row].nonzero().tolist()}
        assert links == {(target, source) for source, target in pair.alignment}
    before, after = (uses["cross"].relations[name] for name in ("before", "after"))
    assert_close(before[:, 1:], partner[:, :-1])
    assert_close(after[:, :-1], partner[:, 1:])


def test_text_has_frequent_words_in_place_of_powers(task):
    pairs = [Pair(p.source, p.target, None) for p in task.train]
    text = numbers_task("en", "de", train=5, test=2, device=CPU)
    object.__setattr__(text, "train", pairs)
    object.__setattr__(text, "test", pairs[:3])
    object.__setattr__(text, "vocabs", task.vocabs)
    source, target = heads.power_ids(text)
    assert len(source) == len(target) == 10
    counts = {}
    for pair in pairs:
        for word in pair.source:
            counts[word] = counts.get(word, 0) + 1
    most = max(counts, key=counts.get)
    assert task.vocabs[0].decode(source)[0] == most
    assert set(heads.attention_uses(text, pairs[:3])["cross"].relations) == {
        "mark",
        "power",
    }


def test_a_table_has_a_row_for_each_head_and_one_for_uniform_weights(model, task):
    uses = heads.attention_uses(task, task.test)
    weights = heads.head_weights(model, task.batch(task.test))
    table = heads.head_table(weights, uses["encoder"])
    assert table.labels[3] == "encoder 2, head 1"
    real, wanted = uses["encoder"].real, []
    for row, length in enumerate(real.sum(1).tolist()):
        wanted += [1 / length] * length
        assert_close(
            uses["encoder"].uniform[row, 0, 0, :length].sum(), torch.tensor(1.0)
        )
    assert table.uniform("same") == pytest.approx(np.mean(wanted))
    entropies = [math.log(1 / share) for share in wanted]
    assert table.uniform_entropy == pytest.approx(np.mean(entropies))
    same = weights["encoder 2"][:, 0].diagonal(dim1=1, dim2=2)[real].mean()
    assert_close(table.column("same")[3], same)
    label, head = table.best("same")
    assert table.labels.index(label) == table.column("same").argmax()
    assert head == (label.split(",")[0], int(label[-1]) - 1)
    rows, names, _ = table.panel()
    assert rows.shape == (7, 6)
    assert names[-1] == "uniform"
    assert len(table.entropies) == 7
    assert table.entropies[-1] == table.uniform_entropy


def test_presets_train(task):
    preset = heads.HeadPreset(
        epochs=1,
        batch={"batch_size": 20},
        learning_rate=1e-2,
        warmup_steps=3,
        num_layers=1,
        compare=((1, 1),),
        kept=(2, 1),
        tune_steps=4,
        tune_rate=1e-3,
        sizes={"embed_dim": 8, "hidden_dim": 5, "dropout": 0.0},
    )
    model = heads.train_heads(task, preset, 1, 2, seed=0, epochs=3)
    fresh = heads.train_heads(task, preset, 1, 2, seed=0, epochs=1)
    batch = task.batch(task.train)
    assert model.loss(batch) < fresh.loss(batch)
    assert {layer.num_heads for layer in heads.attentions(model).values()} == {2}
    quick, full = heads.HEAD_PRESETS.values()
    assert vars(quick).keys() == vars(full).keys()


def test_examples_and_their_weights(model, task):
    example = heads.choose_example(task.train, "und")
    assert "und" in example.target
    assert 5 <= len(example.target) <= 8
    assert heads.choose_example(task.test[:2], "nothing") == task.test[0]
    weights = heads.head_weights(model, task.batch([example]))
    own = heads.weights_by_use(weights)
    assert own["cross"].shape[:2] == (2, 3)
    assert_close(own["decoder"][1], weights["decoder 2"][0])


def test_heads_cost_no_parameters_and_no_multiplications():
    cost = heads.count_heads(8, 5, counts=(1, 2), batch=3, rounds=1)
    assert set(cost.parameters.values()) == {4 * 8 * 8 + 4 * 8}
    assert set(cost.products.values()) == {3 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8)}
    assert cost.ratio["h = 1, fused"] == 1
    assert list(cost.ratio)[-1] == "2 of full width, fused"
