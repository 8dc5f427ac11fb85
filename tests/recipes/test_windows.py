import math

import numpy as np
import pytest
import torch

from attention_book.attention.global_local import GlobalAttention, LocalAttention
from attention_book.data.translation.pairs import Pair
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.recipes.translation import (
    TrainingPlan,
    all_links,
    decoder_weights,
    numbers_task,
)
from attention_book.recipes.windows import (
    LUONG_SYSTEMS,
    all_scores,
    centre_distances,
    centre_gradient,
    missed_links,
    misuse_losses,
    score_centres,
    share_within,
    stage_epochs,
    step_cost,
    train_windows,
    window_centres,
    without_context,
)

PAIR = Pair(tuple("abcd"), tuple("vwxyz"), frozenset({(0, 0), (1, 1), (3, 2), (2, 4)}))
FEW = Pair(tuple("ab"), tuple("xy"), frozenset({(0, 0), (1, 1)}))


def test_systems_fit_a_translator_and_differ_in_feeding_alone():
    assert len(LUONG_SYSTEMS) == 12
    for name, options in LUONG_SYSTEMS.items():
        assert "," not in name  # which separates the names of the parameter
        more = {"max_source": 7} if options.get("score") == "location" else {}
        config = LuongConfig(source_vocab=9, target_vocab=9, **options, **more)
        assert config.input_feeding == name.endswith(" with feeding")
        fed = LUONG_SYSTEMS[f"{name.removesuffix(' with feeding')} with feeding"]
        assert options | {"input_feeding": True} == fed


def test_links_within_a_window_by_hand():
    assert [share_within(PAIR.alignment, d) for d in (0, 1, 2)] == [0.5, 0.75, 1.0]
    assert share_within([], 0) == 1.0


@pytest.fixture(scope="module")
def task():
    cpu = torch.device("cpu")
    return numbers_task("en", "de", train=9, test=5, max_digits=3, device=cpu)


@pytest.mark.parametrize("feeding", [False, True])
def test_centres_are_those_of_every_step(task, feeding):
    options = {"attention": "local-p", "window": 2, "input_feeding": feeding}
    model = task.build(LuongTranslator, LuongConfig, 0, hidden_dim=6, **options)
    batch = task.batch(task.test)
    asked = []
    with model.decoder.attention.centre.register_forward_hook(
        lambda _layer, _inputs, p: asked.append(p)
    ):
        state = model.start(batch.source, batch.source_mask)
        for ids in batch.target[:, :-1].unbind(dim=1):
            _, state = model.step(ids, state)
    centres = window_centres(model.train(), batch)
    torch.testing.assert_close(centres, torch.cat(asked, dim=1))
    assert not model.training
    assert not model.decoder.attention.centre._forward_hooks


def test_centres_of_local_m_are_the_steps_up_to_the_end_mark(task):
    model = task.build(LuongTranslator, LuongConfig, 0, attention="local-m", window=2)
    pairs = [Pair(tuple("ab"), tuple("wxyz")), Pair(tuple("abcd"), tuple("x"))]
    centres = window_centres(model, task.batch(pairs))
    assert centres.tolist() == [[0, 1, 2, 2, 2], [0, 1, 2, 3, 4]]


def test_global_attention_has_no_windows(task):
    model = task.build(LuongTranslator, LuongConfig, 0)
    assert window_centres(model, task.batch(task.test)) is None


@pytest.mark.parametrize("feeding", [False, True])
@pytest.mark.parametrize("score", ["general", "concat"])
def test_scores_of_all_words_are_those_of_global_attention(task, score, feeding):
    options = {"hidden_dim": 6, "score": score, "input_feeding": feeding}
    model = task.build(LuongTranslator, LuongConfig, 0, **options)
    batch = task.batch(task.test[:1])
    found = all_scores(model, batch)
    torch.testing.assert_close(found.softmax(-1), decoder_weights(model, batch))


def test_a_step_of_local_attention_keeps_the_same_for_every_length():
    whole = GlobalAttention(64, 64)
    for predictive in (False, True):
        local = LocalAttention(64, 64, window=3, predictive=predictive)
        costs = [step_cost(local, length, rounds=1) for length in (64, 128)]
        assert costs[0][1] == costs[1][1] > 0
        assert costs[0][0] > 0
    short, long = (step_cost(whole, n, rounds=1)[1] for n in (64, 1024))
    assert long > 4 * short


def test_stages_share_the_epochs():
    assert stage_epochs(7, 1) == [7]
    assert stage_epochs(2, 2) == stage_epochs(1, 2) == [1, 1]
    assert stage_epochs(8, 3) == [2, 2, 4]


def test_arms_differ_in_the_window_alone_and_share_their_beginnings(task):
    plan = TrainingPlan(batch={"batch_size": 4}, learning_rate=1e-2)
    sizes = {"embed_dim": 5, "hidden_dim": 6}

    def build(**options):
        return task.build(LuongTranslator, LuongConfig, 0, **sizes, **options)

    arms = {
        "none": ("none", [None]),
        "wide": ("local-p", [3, 3]),
        "narrowed": ("local-p", [3, 1]),
    }
    names = []
    runs = train_windows(
        task,
        plan,
        build,
        arms,
        epochs=2,
        seed=0,
        kinds={"all": all_links},
        watched=task.test[:2],
        every=2,
        checkpoints=names.append,
    )
    assert list(runs) == list(arms)
    assert names == [
        "en-de none, D None",
        "en-de local-p, D 3",  # once
        "en-de local-p, D 3, D 3",
        "en-de local-p, D 3, D 1",
    ]
    wide, narrowed = runs["wide"], runs["narrowed"]
    assert (wide.model.config.window, narrowed.model.config.window) == (3, 1)
    assert wide.steps == [0, 2, 3, 3, 5, 6]  # two stages of three steps
    for k in range(3):
        assert torch.equal(wide.centres[k], narrowed.centres[k])
    batch = task.batch(task.test[:2])
    torch.testing.assert_close(wide.centres[-1], window_centres(wide.model, batch))
    assert not torch.equal(wide.centres[-1], narrowed.centres[-1])
    assert wide.measured.rates.keys() == {"all"}
    assert wide.values("x_y") == {
        "x_y_exact": wide.measured.exact.mean(),
        "x_y_aer_all": wide.measured.rates["all"],
    }
    distances = wide.distances(task.test[:2], {"all": all_links})["all"]
    last = centre_distances(wide.centres[-1], task.test[:2], {"all": all_links})
    assert (len(distances), distances[-1]) == (6, last["all"])
    none = runs["none"]
    assert (none.measured.rates, none.measured.links, none.centres) == ({}, [], [])
    # By hand: stage after stage.
    model = build(attention="local-p", window=3)
    task.fit(model, plan, epochs=1, seed=0)
    second = build(attention="local-p", window=1)
    second.load_state_dict(model.state_dict())
    task.fit(second, plan, epochs=1, seed=0)
    torch.testing.assert_close(second.state_dict(), narrowed.model.state_dict())


def test_without_context_the_annotations_do_not_matter(task):
    model = task.build(LuongTranslator, LuongConfig, 0, hidden_dim=6).eval()
    batch = task.batch(task.test)
    state = model.start(batch.source, batch.source_mask)
    other = state._replace(annotations=torch.randn_like(state.annotations))
    words = batch.target[:, :-1]

    def differ():
        return not torch.equal(
            model.decode(words, state)[0], model.decode(words, other)[0]
        )

    assert differ()
    assert without_context(model) is model
    assert not differ()


def test_misused_centres_and_weights_one_by_one(task, no_shape_checks):
    options = {"attention": "local-p", "window": 2, "hidden_dim": 6}
    model = task.build(LuongTranslator, LuongConfig, 0, **options)
    batch = task.batch(task.test)
    losses = misuse_losses(model.train(), batch)
    assert losses["as trained"] == model.eval().loss(batch).item()
    assert len({*losses.values()}) == 5
    centre = model.decoder.attention.centre
    forward = centre.forward
    for name, change in (
        ("p rounded", lambda p, S: p.round()),
        ("p in the middle", lambda p, S: (S / 2).expand(p.shape)),
        ("p moved by D", lambda p, S: p + 2),
    ):
        centre.forward = lambda query, S, change=change: change(forward(query, S), S)
        assert model.loss(batch).item() == pytest.approx(losses[name], rel=1e-6)
    plain = task.build(LuongTranslator, LuongConfig, 0, attention="local-m", window=2)
    with pytest.raises(ValueError, match="must predict the centres"):
        misuse_losses(plain, batch)


def test_distances_of_each_kind():
    centres = torch.tensor([[0.5, 2.0, 2.5, 9.0, 0.0]])
    kinds = {"all": all_links, "none": lambda _pair: set()}
    found = centre_distances(centres, [PAIR], kinds)
    assert found["all"] == pytest.approx((0.5 + 1 + 0.5 + 2) / 4)
    assert math.isnan(found["none"])


def test_centres_scored_by_hand():
    centres = torch.tensor([[0.5, 2.0, 2.5, 9.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]])
    found = score_centres(centres, [PAIR, FEW])
    # Crossing links are (3, 2) and (2, 4); the only step back is that to the latter.
    assert found.distance == pytest.approx((0.5 + 2.0) / 2)
    assert found.step_distance == pytest.approx((1 + 2) / 2)
    assert (found.num_back, found.back) == (1, 1.0)
    assert found.false_back == pytest.approx(1 / 3)  # of FEW alone
    wanted = np.corrcoef([0.5, 2.0, 2.5, 0.0], [0, 1, 3, 2])[0, 1]
    assert found.correlation == pytest.approx(wanted)


def test_what_is_not_there_is_nan():
    found = score_centres(torch.tensor([[0.0, 1.0]]), [FEW])
    assert math.isnan(found.distance)
    assert math.isnan(found.correlation)
    assert (found.num_back, found.false_back) == (0, 0.0)
    assert math.isnan(found.back)


def test_missed_links_by_word_and_offset():
    links = {(0, 0), (4, 1), (2, 2), (0, 3), (2, 4)}  # of four words and an end mark
    found = sorted(missed_links([links], [PAIR]))
    assert found == [("w", 3, True), ("x", -1, False)]


def test_gradient_of_the_centre_is_that_of_finite_differences():
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    query = torch.randn(4, generator=generator, dtype=torch.float64)

    def first(p, scaled):
        positions = torch.arange(math.ceil(p - 2), math.floor(p + 2) + 1)
        a = (keys[positions] @ query).softmax(0)
        a = a * torch.exp(-((positions.double() - p) ** 2) / 2)  # of width D / 2 = 1
        return (a / a.sum() if scaled else a) @ keys[positions, 0]

    for scaled in (False, True):
        step = 1e-5
        slope = (first(4.3 + step, scaled) - first(4.3 - step, scaled)) / (2 * step)
        assert centre_gradient(scaled=scaled) == pytest.approx(slope.item(), rel=1e-6)


def test_a_rounded_centre_and_one_without_a_curve_get_no_gradient():
    assert centre_gradient(rounded=True) == 0
    assert centre_gradient(curve=False) == 0
