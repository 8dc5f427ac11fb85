"""fit: what it computes, what it refuses, where it stops."""

import math
import re
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from attention_book.training import loop
from attention_book.training.averaging import RecentWeights
from attention_book.training.loop import fit
from attention_book.training.optimizers import OPTIMIZERS

BATCHES = 4
CPU = {"device": "cpu"}


def plain_sgd(model, loader, learning_rate, epochs, clip_norm=math.inf):
    losses = []
    for batch in list(loader) * epochs:
        loss = model.loss(batch)
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        norm = math.sqrt(sum(g.square().sum().item() for g in gradients))
        scale = learning_rate * 0.9 ** len(losses) * min(1.0, clip_norm / norm)
        for weight, gradient in zip(model.parameters(), gradients, strict=True):
            weight.data -= scale * gradient
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("clip_norm", [math.inf, 0.4])
def test_the_loop_is_gradient_descent_with_schedule_and_clipping(clip_norm, Toy, data):
    model, other = Toy(dropout=0.0), Toy(dropout=0.0)
    other.load_state_dict(model.state_dict())
    history = fit(
        model,
        data(1),
        epochs=3,
        learning_rate=0.2,
        optimizer="sgd",
        schedule=lambda step: 0.9**step,
        clip_norm=None if clip_norm == math.inf else clip_norm,
        **CPU,
    )
    losses = plain_sgd(other, data(1), 0.2, 3, clip_norm)
    assert_close(history.step_loss, losses, rtol=1e-5, atol=0)
    assert_close(model.state_dict(), other.state_dict())
    tokens = [8, 8, 8, 6]  # the last batch is smaller
    for epoch, mean in enumerate(history.epoch_loss):
        steps = losses[BATCHES * epoch :][:BATCHES]
        want = sum(loss * n for loss, n in zip(steps, tokens, strict=True)) / 30
        assert_close(mean, want, rtol=1e-5, atol=0)
    assert history.num_tokens == 90
    assert history.tokens_per_second == 90 / history.seconds
    assert (history.dev_loss, history.best_epoch) == ([], None)
    assert not model.training


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_every_optimizer_learns(optimizer, Toy, data):
    rate = {"adadelta": 1.0, "sgd": 0.3}.get(optimizer, 0.05)
    model = Toy(dropout=0.0)
    history = fit(
        model, data(1), epochs=30, learning_rate=rate, optimizer=optimizer, **CPU
    )
    assert history.epoch_loss[-1] < 0.8 * history.epoch_loss[0]


def test_watch_sees_the_model_before_every_step_and_changes_nothing(Toy, data):
    model, other = Toy(), Toy()
    other.load_state_dict(model.state_dict())
    seen, batch = [], next(iter(data(1)))

    def on_step(step):
        model.eval()
        seen.append((step, model.loss(batch).item()))

    options = {"epochs": 2, "learning_rate": 0.1, **CPU}
    torch.manual_seed(1)
    history = fit(model, data(1), on_step=on_step, **options)
    assert [step for step, _ in seen] == list(range(2 * BATCHES))
    assert seen[0][1] > seen[-1][1]
    torch.manual_seed(1)  # dropout: so on_step must have put back train mode
    assert fit(other, data(1), **options).step_loss == history.step_loss


def test_a_seed_gives_the_same_run_twice(train):
    (model, first), (other, again) = train(), train()
    assert first.step_loss == again.step_loss
    assert_close(model.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_the_best_epoch_is_put_back(data, train):
    def harm(model, step):
        if step >= 3 * BATCHES:
            model.layers[2].bias.data += 2.0

    model, history = train(at_step=harm, schedule=lambda step: 0.1)
    assert len(history.dev_loss) == 5
    assert 0 < history.best_epoch < 3
    assert history.dev_loss[history.best_epoch] == min(history.dev_loss)
    assert loop.evaluate(model, data(3), **CPU) == min(history.dev_loss)


def harm_late(model, step):
    if step >= 3 * BATCHES:
        model.layers[2].bias.data += 2.0


def test_the_last_weights_stay_on_request(data, train):
    options = {"at_step": harm_late, "schedule": lambda step: 0.1}
    model, history = train(**options, keep="last")
    assert history.best_epoch < 4
    assert loop.evaluate(model, data(3), **CPU) == history.dev_loss[-1]
    assert history.dev_loss[-1] > min(history.dev_loss)


def test_last_weights_can_be_averaged_after_a_dev_set(data, Toy):
    """Of the parity report: take() kept the best epoch's weights, not the last."""
    seen = []
    torch.manual_seed(0)
    model = Toy(harm_late)
    recent = RecentWeights(model, keep=2, every=BATCHES)

    def on_step(step):
        recent(step)
        if step == 4 * BATCHES:
            seen.append(model.layers[2].bias.detach().clone())

    options = {"epochs": 5, "learning_rate": 0.1, "dev_loader": data(3), **CPU}
    history = fit(model, data(1), on_step=on_step, keep="last", **options)
    assert history.best_epoch < 3
    recent.take()
    seen.append(model.layers[2].bias.detach().clone())
    assert_close(recent.average()["layers.2.bias"], torch.stack(seen).mean(0))


@pytest.mark.parametrize("patience", [1, 2])
def test_patience_stops_after_epochs_without_a_lower_dev_loss(patience, data, train):
    options = {"at_step": harm_late, "schedule": lambda step: 0.1, "epochs": 9}
    model, history = train(**options, patience=patience)
    wanted = train(**options | {"epochs": 5})[1]
    best = wanted.best_epoch
    assert history.best_epoch == best
    assert history.dev_loss == wanted.dev_loss[: best + patience + 1]
    assert loop.evaluate(model, data(3), **CPU) == history.dev_loss[best]


def test_an_optimizer_with_options_decays_the_weights(Toy, data):
    """With a gradient of zero, AdamW only multiplies by 1 - rate times decay."""
    model = Toy(lambda model, step: 0.0)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    options = {"optimizer": "adamw", "optimizer_options": {"weight_decay": 0.5}}
    fit(model, data(1), epochs=1, learning_rate=0.1, **options, **CPU)
    wanted = {name: x * (1 - 0.1 * 0.5) ** BATCHES for name, x in before.items()}
    assert_close(dict(model.state_dict()), wanted)


def test_an_optimizer_of_ones_own_with_groups_of_parameters(Toy, data):
    """Each group keeps its rate and its decay under a schedule."""
    model = Toy(lambda model, step: 0.0)
    before = {name: x.clone() for name, x in model.state_dict().items()}

    def optimizer(model, learning_rate):
        named = list(model.named_parameters())
        weights = [x for name, x in named if name.endswith("weight")]
        biases = [x for name, x in named if name.endswith("bias")]
        groups = [
            {"params": weights, "weight_decay": 0.5},
            {"params": biases, "weight_decay": 0.25, "lr": 2 * learning_rate},
        ]
        return torch.optim.AdamW(groups, lr=learning_rate)

    schedule = [1.0, 0.5, 0.25, 0.125].__getitem__
    options = {"optimizer": optimizer, "schedule": schedule, **CPU}
    fit(model, data(1), epochs=1, learning_rate=0.1, **options)
    for name, x in model.state_dict().items():
        rate, decay = (0.1, 0.5) if name.endswith("weight") else (0.2, 0.25)
        wanted = before[name]
        for step in range(BATCHES):
            wanted = wanted * (1 - rate * schedule(step) * decay)
        assert_close(x, wanted)


def test_a_compiled_model_is_put_back_too(data, Toy):
    torch.manual_seed(0)
    model = Toy(harm_late, dropout=0.0)
    compiled = torch.compile(model, backend="eager")
    options = {"epochs": 5, "learning_rate": 0.1, "dev_loader": data(3), **CPU}
    history = fit(compiled, data(1), **options)
    assert history.best_epoch < 4
    assert loop.evaluate(model, data(3), **CPU) == min(history.dev_loss)


def test_of_equal_epochs_the_first_is_best(train):
    _, history = train(schedule=lambda step: 0.0)
    assert len(set(history.dev_loss)) == 1
    assert history.best_epoch == 0


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_changes_nothing(wrong, tmp_path, Toy, data):
    seen = {}

    def spoil(model, step):
        if step == 6:
            seen.update({k: x.clone() for k, x in model.state_dict().items()})
            return wrong
        return None

    path = tmp_path / "run.pt"
    torch.manual_seed(0)
    model = Toy(spoil)
    message = rf"loss is {wrong} at optimizer step 6 \(epoch 1, both from 0\)"
    with pytest.raises(FloatingPointError, match=message):
        fit(model, data(1), epochs=3, learning_rate=0.1, checkpoint=path, **CPU)
    assert_close(dict(model.state_dict()), seen, rtol=0, atol=0)
    saved = torch.load(path, weights_only=True)["progress"]
    assert len(saved["history"]["step_loss"]) == BATCHES


def test_a_dev_loss_that_is_not_finite(Toy, data):
    def spoil(model, step):
        if step == BATCHES - 1:
            model.layers[2].bias.register_hook(lambda gradient: gradient * 1e38)

    model = Toy(spoil)
    options = {"epochs": 1, "learning_rate": 0.1, "optimizer": "sgd", **CPU}
    with pytest.raises(FloatingPointError, match="loss over 30 tokens is inf"):
        fit(model, data(1), dev_loader=data(3), **options)


def test_nothing_is_printed_and_the_bar_is_on_standard_error(capsys, train):
    train(description="forward")
    output = capsys.readouterr()
    assert output.out == ""
    assert "forward" in output.err
    assert "0/20" in output.err


def test_the_bar_tells_loss_and_speed(capsys, monkeypatch, train):
    monkeypatch.setattr(loop, "tqdm", partial(loop.tqdm, mininterval=0))
    _, history = train()
    last = capsys.readouterr().err.rpartition("20/20")[2]
    assert re.search(rf"loss {history.step_loss[-1]:.3f}, \d+ tokens/s\]", last)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"learning_rate": math.nan}, "learning_rate must be positive, got nan"),
        ({"optimizer": "lion"}, "one of adam, adamw, sgd, .*, got 'lion'"),
        ({"clip_norm": 0.0}, "clip_norm must be positive or None, got 0.0"),
        ({"loader": []}, "^loader must have at least one batch, got none"),
        ({"dev_loader": []}, "dev_loader must have at least one batch, got none"),
        ({"device": "tpu"}, 'device must be "auto", "cpu", "cuda", "mps" or another'),
        ({"keep": "first"}, 'keep must be "best" or "last", got \'first\''),
        ({"patience": 0}, "patience must be at least 1 or None, got 0"),
        ({"patience": 2}, r"patience \(2\) needs a dev_loader, got None"),
        (
            {"optimizer": lambda model, rate: None, "optimizer_options": {"a": 1}},
            r"optimizer_options must be None where optimizer is a function, got \{'a'",
        ),
    ],
)
def test_wrong_arguments(changed, message, Toy, data, no_shape_checks):
    arguments = {"loader": data(1), "epochs": 1, "learning_rate": 0.1, **CPU, **changed}
    with pytest.raises(ValueError, match=message):
        fit(Toy(), **arguments)


def test_a_model_may_act_after_each_optimizer_step(Toy, data):
    model, events = Toy(), []
    model.after_step = lambda: events.append(next(model.parameters()).clone())
    loader = data(1)
    before = next(model.parameters()).clone()
    fit(
        model,
        loader,
        epochs=2,
        learning_rate=0.1,
        on_step=lambda step: events.append(step),
        **CPU,
    )
    assert events[::2] == list(range(2 * len(loader)))
    for weight in events[1::2]:
        assert not torch.equal(weight, before)  # the optimizer has been there already
        before = weight


def spoil_late(model, step):
    return math.nan if step >= 5 else None


def test_losses_looked_at_in_blocks_name_the_same_step(monkeypatch, train):
    # As on a GPU: blocks within an epoch, and what is left at its end.
    wanted = train()[1]
    for block in 3, 50:
        monkeypatch.setitem(loop.BLOCK, "cpu", block)
        history = train()[1]
        assert history.step_loss == wanted.step_loss
        assert history.epoch_loss == wanted.epoch_loss
        with pytest.raises(
            FloatingPointError, match=r"nan at optimizer step 5 \(epoch 1"
        ):
            train(at_step=spoil_late)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_cuda(train):
    history = train(device="cuda", config={"dropout": 0.0})[1]
    wanted = train(config={"dropout": 0.0})[1]
    assert_close(history.step_loss, wanted.step_loss, rtol=0.05, atol=0.02)  # bfloat16
    with pytest.raises(FloatingPointError, match=r"nan at optimizer step 5 \(epoch 1"):
        train(at_step=spoil_late, device="cuda")


def measured(pairs):
    """A function that returns loss and score of one epoch after the other."""
    left = iter(pairs)
    return lambda model: next(left)


def test_a_measure_keeps_the_weights_whose_loss_and_score_are_best(Toy, data):
    pairs = [(3.0, 0.5), (2.0, 0.4), (2.0, 0.5, 7.0), (1.0, 0.4), (2.5, 0.3)]
    model = Toy(dropout=0.0)
    weights = []
    history = fit(
        model,
        data(1),
        epochs=5,
        learning_rate=0.2,
        dev_measure=lambda m: (
            weights.append([p.detach().clone() for p in m.parameters()])
            or pairs[len(weights) - 1]
        ),
        **CPU,
    )
    assert history.dev_loss == [pair[0] for pair in pairs]
    assert history.dev_score == [pair[1] for pair in pairs]
    assert history.dev_others == [[], [], [7.0], [], []]
    assert history.best_epoch == 2
    assert_close(list(model.parameters()), weights[2])


def test_a_measure_is_patient_while_loss_or_score_are_as_good_as_ever(Toy, data):
    pairs = [(3.0, 0.5), (4.0, 0.5), (2.0, 0.1), (2.1, 0.4), (2.0, 0.4), (9.0, 0.0)]
    pairs += [(9.0, 0.0)] * 4
    options = {"epochs": 10, "learning_rate": 0.2, "dev_measure": measured(pairs)}
    history = fit(Toy(), data(1), patience=2, **options, **CPU)
    assert len(history.dev_loss) == 7


def test_a_measure_must_be_finite_and_alone(Toy, data):
    options = {"epochs": 1, "learning_rate": 0.2, **CPU}
    with pytest.raises(FloatingPointError, match=r"loss nan and the score 0\.5"):
        fit(Toy(), data(1), dev_measure=measured([(math.nan, 0.5)]), **options)
    with pytest.raises(ValueError, match="give dev_loader or dev_measure, got both"):
        fit(
            Toy(),
            data(1),
            dev_loader=data(1),
            dev_measure=measured([]),
            **options,
        )
