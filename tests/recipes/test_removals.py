"""Removals: each changes what it says, and nothing else."""

import math
from dataclasses import replace

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.multi_head import MultiHeadAttention
from attention_book.evaluation.intervals import proportion_interval
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.recipes.removals import (
    QUICK_REMOVALS,
    RATES,
    REMOVALS,
    STUDIES,
    Arm,
    Removal,
    compare_removals,
    forced_and_free,
    forced_and_free_unmasked,
    run_study,
    train_without,
)
from attention_book.recipes.transformer import (
    LADDER,
    TRANSFORMER_PRESETS,
    warm_up_plan,
)
from attention_book.recipes.translation import numbers_task

SIZES = {
    "embed_dim": 8,
    "num_heads": 2,
    "hidden_dim": 11,
    "num_layers": 3,
    "dropout": 0.0,
    "share": "all",
}
PRESET = replace(
    TRANSFORMER_PRESETS["quick"],
    batch={"batch_size": 4},
    warmup_steps=2,
    sizes=SIZES,
    ablation_steps=3,
    main_pairs=20,
    study_depths=(1, 2),
    study_steps=4,
)
EVERYTHING = {**REMOVALS, **RATES}


@pytest.fixture(scope="module")
def task():
    options = {"max_digits": 4, "shared_vocab": True, "device": torch.device("cpu")}
    return numbers_task("en", "de", train=40, dev=6, test=9, **options)


def make(task, seed=0, **changes):
    return task.build(Transformer, TransformerConfig, seed, **(SIZES | changes))


@pytest.fixture
def model(task):
    return make(task).eval()


@pytest.fixture(scope="module")
def trained(task):
    options = {"pairs": task.train[:36], "epochs": 1, "seed": 4}
    return {
        name: train_without(task, removal, PRESET, **options)
        for name, removal in EVERYTHING.items()
    }


def test_shares_of_words_and_of_sentences(task, model):
    pairs = task.test[:4]
    hits = words = 0
    for pair in pairs:
        batch = task.batch([pair])
        logits = model(batch.source, batch.target[:, :-1], batch.source_mask)
        own = (logits[0].argmax(-1) == batch.target[0, 1:]).tolist()
        hits, words = hits + sum(own), words + len(own)
    forced, free = forced_and_free(task, model, pairs, whole=True)
    assert forced == pytest.approx(hits / words)
    assert free == task.exact_match(model, pairs).mean()
    assert forced_and_free(task, model, pairs, whole=False) == (forced, forced)


def test_padding_that_counts_as_words(task, model):
    pairs = [min(task.test, key=lambda p: len(p.source)), *task.test[:3]]
    batch = task.batch(pairs)
    everywhere = torch.ones_like(batch.source_mask)
    logits = model(batch.source, batch.target[:, :-1], everywhere)
    hits = logits.argmax(-1) == batch.target[:, 1:]
    real = batch.target_mask[:, 1:]
    forced, free = forced_and_free_unmasked(task, model, pairs, whole=True)
    assert forced == pytest.approx(hits[real].float().mean().item())
    rows = zip(hits, real, strict=True)
    assert free == sum(row[mask].all().item() for row, mask in rows) / 4
    assert forced_and_free_unmasked(task, model, pairs, whole=False) == (forced, forced)


def test_nothing_removed_is_the_model_itself(task):
    options = {"pairs": task.train[:20], "epochs": 1, "seed": 4}
    wanted = make(task, 4)
    history = task.fit(wanted, warm_up_plan({"batch_size": 4}, 4e-3, 2), **options)
    for removal in REMOVALS["published"], RATES["plain_warm_post"]:
        found = train_without(task, removal, PRESET, **options)
        assert_close(found.model.state_dict(), wanted.state_dict())
        assert found.losses == history.step_loss
        assert not found.model.training


def test_every_removal_changes_what_it_says(trained):
    for name, removal in EVERYTHING.items():
        for key, value in removal.options.items():
            assert getattr(trained[name].model.config, key) == value
    assert trained["no_root"].model.source_embedding.scale == 1
    assert trained["published"].model.source_embedding.scale == math.sqrt(8)
    q, k = torch.randn(2, 1, 3, 5, dtype=torch.float64)
    for layer in trained["no_scaling"].model.modules():
        if isinstance(layer, MultiHeadAttention):
            _, weights = layer.attention_fn(q, k, k, need_weights=True)
            assert_close(weights, (q @ k.mT).softmax(-1))
    assert set(QUICK_REMOVALS) < set(REMOVALS)


def test_eight_arms_differ_in_rate_warm_up_and_norm(trained):
    assert len(RATES) == len({removal.label for removal in RATES.values()}) == 8
    ends = [trained[name].model.decoder.layers[-1] for name in RATES]
    weights = [layer.feed_forward.out_proj.weight for layer in ends]
    for number, weight in enumerate(weights):
        assert all((weight != other).any() for other in weights[:number])
    cold = RATES["fast_cold_pre"]
    assert (cold.rate, cold.warm_up, cold.options) == (2.0, False, {"pre_norm": True})


def test_a_loss_that_is_not_finite_is_told(task, capsys):
    def spoil(model):
        torch.nn.init.constant_(
            model.encoder.layers[0].feed_forward.out_proj.bias, math.nan
        )

    removal = Removal(label="spoiled", change=spoil)
    options = {"pairs": task.train[:9], "epochs": 1, "seed": 0}
    assert train_without(task, removal, PRESET, **options).losses == []
    assert capsys.readouterr().out.startswith(
        "spoiled: the loss is nan at optimizer step 0"
    )


def test_a_comparison_trains_what_is_not_known_and_scores_all(task, model):
    removals = {name: REMOVALS[name] for name in ("published", "no_norm")}
    known = Arm(model, [1.0])
    given = {"pairs": task.train[:20], "seed": 4, "examined": task.test, "whole": True}
    scores = compare_removals(
        task,
        removals,
        PRESET,
        num_steps=3,
        published=known,
        unmask=True,
        num_layers=2,
        **given,
    )
    assert scores.arms["published"] is known
    other = scores.arms["no_norm"]
    assert len(other.losses) == 3
    assert len(other.model.encoder.layers) == 2
    for name, arm in scores.arms.items():
        wanted = forced_and_free(task, arm.model, task.test, whole=True)
        assert (scores.forced[name], scores.free[name]) == wanted
    wanted = forced_and_free_unmasked(task, model, task.test, whole=True)
    assert (scores.forced["no_padding"], scores.free["no_padding"]) == wanted
    assert list(scores.labels) == ["published", "no_norm", "no_padding"]
    assert scores.intervals()[0] == proportion_interval(
        round(9 * scores.free["published"]), 9
    )


@pytest.mark.parametrize("name", STUDIES)
def test_studies_give_every_value_its_name(task, name):
    options = {"seed": 4, "examined": task.test}
    sizes = SIZES | {"embed_dim": 32, "hidden_dim": 90}  # recurrent rivals need room
    preset = replace(PRESET, sizes=sizes) if name == "ladder" else PRESET
    found = dict(run_study(name, task, preset, **options))
    if name == "ladder":
        names = [f"ladder_{size}" for size in ("low", "high")]
        wanted = {
            f"{x}_{n}_{k.lower()}" for x in names for n in (1, 2, 3, 4) for k in LADDER
        }
        wanted |= {f"{x}_aer_{k.lower()}" for x in names for k in LADDER[1:]}
    else:
        arms = RATES if name == "rates" else REMOVALS
        wanted = {f"{name}_{depth}_{arm}" for depth in (1, 2) for arm in arms}
        wanted |= {f"{key}_loss" for key in wanted}
    assert found.keys() == wanted
    assert all(isinstance(value, float) for value in found.values())


def test_studies_that_are_not_there_are_an_error(task):
    given = {"seed": 4, "examined": task.test}
    with pytest.raises(ValueError, match=r"rates, parts, ladder.*got 'speed'"):
        dict(run_study("speed", task, PRESET, **given))
    with pytest.raises(ValueError, match="settings for studies, got 'rates'"):
        dict(run_study("rates", task, replace(PRESET, study_steps=None), **given))
