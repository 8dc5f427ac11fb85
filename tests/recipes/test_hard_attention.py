"""Hard attention, watched: what it draws, and how its gradient scatters."""

from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from attention_book.models.soft_hard import BASELINES
from attention_book.recipes import captions, hard_attention


@pytest.fixture(scope="module")
def task():
    bare = captions.scene_task(train=7, dev=3, test=5, max_digits=2, seed=0)
    generator = torch.Generator().manual_seed(1)
    found = {
        part: torch.randn(len(scenes), 16, 6, generator=generator)
        for part, scenes in bare.images.items()
    }
    return bare.annotated(**found)


def captioner(task, kind, **changes):
    sizes = {"annotation_dim": 6, "embed_dim": 4, "hidden_dim": 5, "attention_dim": 3}
    model = captions.build_captioner(task, kind, seed=0, **sizes, **changes).eval()
    with torch.no_grad():  # captions of several words, and weights that differ
        model.output_proj.weight.mul_(9)
        for name, weight in model.attention.named_parameters():
            weight.mul_(4 if "score" in name else 1)
    return model


@pytest.mark.parametrize("kind", ["soft", "hard"])
def test_captions_are_those_of_greedy_search(task, kind):
    model = captioner(task, kind)
    images = [3, 0, 4]
    looks = hard_attention.write_and_look(model, task, images, max_tokens=6)
    device = torch.device("cpu")
    written = captions.write_captions(model, task, max_tokens=6, device=device)
    for image, look in zip(images, looks, strict=True):
        assert [word for word in look.words if word != "<eos>"] == written[image]
        assert len(look.words) == len(look.weights) == len(look.locations)
        assert look.locations == look.weights.argmax(dim=-1).tolist()
    assert not model.attention._forward_hooks, "the hook is gone"


def test_drawn_locations_come_as_often_as_their_weights_say(task):
    model = captioner(task, "hard")
    torch.manual_seed(0)
    looks = hard_attention.write_and_look(
        model, task, [2] * 2000, max_tokens=3, sample=True
    )
    assert not model.sample_in_eval
    first = torch.tensor([look.locations[0] for look in looks])
    shares = torch.bincount(first, minlength=16) / len(first)
    weights = looks[0].weights[0]
    error = (weights * (1 - weights) / len(first)).sqrt()
    assert ((shares - weights).abs() < 5 * error + 1e-9).all()


def test_quarters_one_location_at_a_time():
    weights = torch.rand(3, 2, 36)
    found = hard_attention.quarter_weights(weights)
    assert len(hard_attention.QUARTERS) == 4
    for number, name in enumerate(hard_attention.QUARTERS):
        down, across = "bottom" in name, "right" in name
        own = [i for i in range(36) if (i // 6 >= 3, i % 6 >= 3) == (down, across)]
        assert_close(found[..., number], weights[..., own].sum(dim=-1))


def test_quarters_of_words_are_those_the_caption_names(task):
    for scene in task.images["train"]:
        found = hard_attention.quarters_of_words(scene)
        for word, quarter in enumerate(found):
            if word in scene.digit_words:
                named = " ".join(scene.caption[word + 1 : word + 3])
                assert hard_attention.QUARTERS[quarter] == named
            elif quarter is None:
                assert scene.caption[word] == "and"


def test_a_changed_state_is_where_decoding_starts(task):
    model, device = captioner(task, "soft"), torch.device("cpu")
    same = hard_attention.write_changed(
        model, task, lambda state: state, max_tokens=6, device=device
    )
    assert same == captions.write_captions(model, task, max_tokens=6, device=device)
    turned = hard_attention.write_changed(
        model,
        task,
        lambda state: type(state)(*(None if x is None else x.flip(0) for x in state)),
        max_tokens=6,
        device=device,
    )
    assert turned == same[::-1]


@pytest.fixture
def training():
    return captions.CaptionTraining(
        epochs=3, batch_size=3, learning_rate=1e-2, dev_batch_size=3, seed=0,
        device=torch.device("cpu"),
    )  # fmt: skip


SIZES = {"annotation_dim": 6, "embed_dim": 4, "hidden_dim": 5, "attention_dim": 3}


def test_rewards_start_after_the_warm_up(task, training):
    trained = hard_attention.train_arm("hard", task, training, SIZES)
    assert trained.model.config.reward_start == 3  # a third of 9 steps
    assert trained.watch.steps == [0, 3, 6, 9]
    assert {*trained.watch.values[0]} == {"pointing", "mass", "loss"}
    assert len(trained.history.step_loss) == 9
    long = hard_attention.train_arm("long", task, training, SIZES)
    assert len(long.history.step_loss) == 27
    assert long.model.config.reward_start == 9


def test_looks_on_the_way_leave_the_training_as_it_was(task, training):
    plain = hard_attention.train_arm("hard", task, training, SIZES)
    noise = task.batch("train", images=2)
    watched = hard_attention.train_arm("hard", task, training, SIZES, noise=noise)
    assert watched.history.step_loss == plain.history.step_loss
    assert {*watched.watch.values[-1]} >= {*BASELINES}


def test_pairs_differ_in_one_thing():
    for one, other in hard_attention.COMPARISONS.values():
        first, second = hard_attention.ARMS[one], hard_attention.ARMS[other]
        different = [
            name
            for name in {*first.terms, *second.terms}
            if first.terms.get(name) != second.terms.get(name)
        ]
        different += [
            name
            for name in ("warm_up", "share", "wide")
            if getattr(first, name) != getattr(second, name)
        ]
        if first.kind == second.kind:
            assert len(different) == 1, (one, other, different)


def test_the_study_scores_every_captioner(task, training, monkeypatch):
    given = []
    scores = captions.CaptionScores(0.5, 0.5, 0.5, 1.0)
    model = captioner(task, "soft")

    def train(name, own, *_args, **options):
        given.append((name, own))
        return SimpleNamespace(model=model)

    monkeypatch.setattr(hard_attention, "train_arm", train)
    monkeypatch.setattr(hard_attention, "score_captioner", lambda *_, **__: scores)
    wide = task.annotated(test=task.annotations["test"] + 1)
    found = hard_attention.score_study(
        {False: task, True: wide}, training, SIZES, max_tokens=5,
        checkpoints=lambda name: None,
    )  # fmt: skip
    assert found == dict.fromkeys(hard_attention.ARMS, scores)
    assert dict(given)["wide"] is wide
    assert dict(given)["hard"] is task


def test_variances_of_the_gradient_by_a_loop_over_draws(task):
    model = captioner(task, "hard", expected_p=0.0)
    model.baseline.fill_(-9.0)
    batch = task.batch("train", images=3)
    torch.manual_seed(4)
    state = torch.get_rng_state()
    found = hard_attention.gradient_variances(model, batch, repeats=4)
    assert torch.equal(torch.get_rng_state(), state), "the random state is kept"
    assert model.training
    gradients = {name: [] for name in BASELINES}
    for _ in range(4):
        log_likelihood, result = model.log_likelihood(batch.repeated(2))
        mask = batch.repeated(2).target_mask[:, 1:]
        log_prob = (result.log_prob * mask).sum(dim=1)
        r = log_likelihood.detach()
        b = {"none": [0.0] * 6, "moving average": [-9.0] * 6}
        b["other draws"] = [*r[3:], *r[:3]]
        for name, baselines in b.items():
            total = sum(
                (r[row] - baselines[row]) * log_prob[row] / 6 for row in range(6)
            )
            grads = torch.autograd.grad(
                total, tuple(model.attention.parameters()), retain_graph=True
            )
            gradients[name].append(torch.cat([grad.flatten() for grad in grads]))
    for name, each in gradients.items():
        variance = torch.stack(each).var(dim=0).sum().item()
        assert found[name] == pytest.approx(variance, rel=1e-4)
