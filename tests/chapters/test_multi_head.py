"""Tables of the chapter on heads: every number in its cell, records and none."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from attention_book.chapters import multi_head as tables
from attention_book.chapters.settings import choose_settings
from attention_book.recipes import heads, numbers_task, pruning
from attention_book.recipes.pruning import Pruning

CPU = torch.device("cpu")


def settings():
    presets = {name: vars(values) for name, values in heads.HEAD_PRESETS.items()}
    defaults = {"seed": 0, "device": "cpu", "epochs": None, "limit": None}
    return choose_settings(preset="quick", **defaults, **presets)


@pytest.fixture
def task():
    return numbers_task("en", "de", train=60, dev=5, test=7, device=CPU, seed=0)


@pytest.fixture
def glued(monkeypatch):
    found = {}
    monkeypatch.setattr(tables, "glue", lambda **values: found.update(values))
    return found


def test_small_tables():
    shapes = tables.shapes_table({"heads": torch.zeros(2, 3, 5)})
    assert shapes.rows == [["heads", "2, 3, 5"]]
    times = {"h = 1, fused": 1.0, "h = 2, fused": 1.25}
    count = heads.HeadCount({1: 1000, 2: 1000}, {1: 7, 2: 7}, times)
    cost = tables.cost_table(count, tokens=3)
    assert cost.rows[1] == ["2", "1,000", "7", "18", "1.25"]
    without = tables.without_use_table({"cross 1": [0.5, 0.25]}, "right")
    assert without.rows == [["cross 1", "50.0%", "25.0%"]]
    kept = tables.kept_table({12: {"pruned": 0.5, "trained on": 0.75}}, "right")
    assert (kept.header[1:], kept.rows) == (
        ["pruned", "trained on"], [["12", "50.0%", "75.0%"]],
    )  # fmt: skip


def test_values_for_the_page(task):
    uses = heads.attention_uses(task, task.test)
    sizes = {"embed_dim": 6, "hidden_dim": 5, "num_layers": 2, "num_heads": 3}
    model = task.build(
        heads.Transformer, heads.TransformerConfig, 0, dropout=0.0, **sizes
    ).eval()
    batch = task.batch(task.test)
    weights = heads.head_weights(model, batch)
    looks = {name: heads.head_table(weights, use) for name, use in uses.items()}
    values = tables.look_values(looks, 2)
    partner = looks["cross"].column("partner")
    assert values["multi_head_partner_last"] == pytest.approx(partner[3:].mean())
    assert values["multi_head_partner"] == partner.max()
    near = looks["cross"].column("before") + looks["cross"].column("after")
    assert values["multi_head_near_first"] == pytest.approx(near[:3].mean())
    previous, following = (looks["encoder"].column(n) for n in ("previous", "next"))
    best = max(previous.max().item(), following.max().item())
    assert values["multi_head_neighbour_best"] == best

    known = task.batch(task.train[:3])
    ablations = pruning.ablate_heads(model, batch, known, whole=False)
    assert_close(ablations.means[pruning.MEAN], heads.mean_outputs(model, known))
    without = pruning.without_each_attention(model, batch, ablations, whole=False)
    values = tables.ablation_values(ablations, without, 2)
    zero, mean = (own.loss for own in ablations.costs.values())
    assert values["multi_head_count"] == 18
    assert values["multi_head_cheaper"] == sum(mean[head] < zero[head] for head in zero)
    assert values["multi_head_without_cross_mean"] == without["cross 2"][1]
    gone = [("cross 2", head) for head in range(3)]
    assert without["cross 2"][0] == heads.right_without(model, gone, batch, whole=False)

    orders = pruning.compare_orders(
        model, ablations.order, batch, whole=False, watched=task.batch(task.test[:1]),
        num_draws=2, seed=0,
    )  # fmt: skip
    preset = heads.HEAD_PRESETS["quick"]
    kept = {9: {"pruned at random": 0.25}, 5: {"pruned at random": 0.5}}
    values = tables.pruning_values(orders, kept, preset)
    assert values["multi_head_most_4"] == orders.traces[pruning.MOST].right[4]
    assert (values["multi_head_half"], values["multi_head_quarter"]) == (9, 5)
    assert values["multi_head_quarter_pruned_at_random"] == 0.5
    assert orders.coarse == [0, 3, 6, 9, 12, 15]
    for own, drawn in zip(orders.draws, orders.drawn, strict=True):
        wanted = heads.right_without(model, drawn[:6], batch, whole=False)
        assert own[2] == pytest.approx(wanted)
    assert orders.traces[pruning.MOST].order == ablations.order[::-1]


def test_recorded_removals_have_a_row_for_each_way(tmp_path):
    (note,) = tables.removal_seeds_table(settings(), folder=tmp_path).notes
    assert "attention-book sweep multi_head --preset quick --seeds 0-19" in note


def test_bleu_is_for_sentences(task, capsys):
    tables.report_bleu(task, {})
    assert "preset='full'" in capsys.readouterr().out


def test_models_are_listed_by_size():
    model = torch.nn.Linear(3, 5)
    model.config = SimpleNamespace(embed_dim=64)
    kinds = [(2, 4), (1, 1)]
    table = tables.sizes_table(
        dict.fromkeys(kinds, model),
        {(2, 4): 0.0, (1, 1): 0.5},
        {(2, 4): np.ones(4), (1, 1): np.zeros(4)},
        "right",
    )
    assert table.rows == [
        ["1", "1", "64", "20", "0.500", "1.649", "0.0% (0.0 to 0.0)"],
        ["2", "4", "16", "20", "0.000", "1.000", "100.0% (100.0 to 100.0)"],
    ]


def test_each_step_of_a_pruning_has_its_text():
    order = [("cross 1", 1), ("cross 1", 0)]
    own = Pruning(order, [0, 1], [0.9, 0.25], [])
    first, second = tables.pruning_texts({"in order": own}, 2)
    assert first == "in order: 0 of 2 heads removed; 90% of the test sentences right"
    assert "1 of 2 heads removed, the last one cross 1, head 2; 25%" in second


def test_the_longer_comparison_is_recorded_and_shown(glued, monkeypatch, tmp_path):
    monkeypatch.setattr(tables, "STUDY_TRAIN", 60)
    monkeypatch.setattr(tables, "STUDY_TEST", 7)
    small = heads.HeadPreset(
        epochs=1,
        batch={"batch_size": 30},
        learning_rate=1e-3,
        warmup_steps=2,
        num_layers=1,
        compare=(),
        kept=(1,),
        tune_steps=1,
        tune_rate=1e-3,
        study=((1, 1), (1, 2)),
        study_epochs=2,
        sizes={"embed_dim": 4, "hidden_dim": 3, "dropout": 0.0},
    )
    tables.record_sizes(settings(), small)
    assert set(glued) == {
        f"multi_head_sizes_1_{count}_{what}"
        for count in (1, 2)
        for what in ("right", "loss")
    }
    empty = tables.study_table(settings(), folder=tmp_path)
    assert 'multi_head --preset quick --seeds 0-19 -p "systems=sizes"' in empty.notes[0]


def test_heads_of_real_sentences_come_back_from_the_record(task, glued, tmp_path):
    sizes = {"embed_dim": 6, "hidden_dim": 5, "num_layers": 2, "num_heads": 3}
    model = task.build(
        heads.Transformer, heads.TransformerConfig, 0, dropout=0.0, **sizes
    ).eval()
    tables.record_real_heads(model, task, task.test)
    kept = tables.RealHeads(json.loads(glued["multi_head_real_heads"]))
    pair = next(p for p in task.test if list(p.source) == kept.source[:-1])
    weights = heads.head_weights(model, task.batch([pair]))
    assert kept.weights["cross"].shape[:2] == (2, 3)
    torch.testing.assert_close(
        kept.weights["cross"][1], weights["cross 2"][0], atol=0.006, rtol=0
    )
    assert kept.weights["cross"].shape[2:] == (len(kept.target), len(kept.source))
    use = heads.attention_uses(task, task.test)["encoder"]
    own = heads.head_table(heads.head_weights(model, task.batch(task.test)), use)
    torch.testing.assert_close(
        kept.tables["encoder"].shares, own.shares, atol=6e-4, rtol=0
    )
    rows = tables.real_heads_table(kept).rows
    label, _ = own.best("previous")
    assert rows[0][:3] == ["encoder", "previous", label]
    (note,) = tables.real_heads_table(None).notes
    assert "not measured yet" in note
    assert tables.recorded_heads(settings(), folder=tmp_path) is None
