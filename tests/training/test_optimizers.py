"""make_optimizer: the papers' optimizers, by name."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.models.bert import BertConfig, BertPretraining
from attention_book.training.optimizers import (
    OPTIMIZERS,
    BertAdam,
    bert_optimizer,
    clip_each,
    make_optimizer,
)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_every_one_takes_its_step_size(name):
    (group,) = make_optimizer(name, [nn.Parameter(torch.zeros(2))], 0.3).param_groups
    assert group["lr"] == 0.3


def test_adadelta_is_zeilers():
    """One step by the equations of arXiv:1212.5701, algorithm 1, with rho 0.95."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = make_optimizer("adadelta", [weight], 1.0)
    start, gradient = weight.detach().clone(), torch.tensor([0.3, -0.7]).double()
    weight.grad = gradient.clone()
    optimizer.step()
    mean_square, epsilon = 0.05 * gradient**2, optimizer.defaults["eps"]
    step = -((0 + epsilon) ** 0.5) / (mean_square + epsilon).sqrt() * gradient
    assert epsilon == 1e-6
    assert_close(weight.detach(), start + step)


def test_adam_of_the_transformer():
    """Two steps by the equations of arXiv:1412.6980, beta and epsilon of the paper."""
    weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    optimizer = make_optimizer("adam_transformer", [weight], 0.1)
    wanted, mean, square = weight.detach().clone(), 0.0, 0.0
    for t, gradient in enumerate([[0.3, -1e-8], [-0.7, 2e-8]], start=1):
        weight.grad = torch.tensor(gradient).double()
        optimizer.step()
        mean = 0.9 * mean + 0.1 * weight.grad
        square = 0.98 * square + 0.02 * weight.grad**2
        root = (square / (1 - 0.98**t)).sqrt()
        wanted -= 0.1 * mean / (1 - 0.9**t) / (root + 1e-9)
        assert_close(weight.detach(), wanted)


def test_options_reach_the_optimizer():
    weights = [nn.Parameter(torch.ones(2)) for _ in range(2)]
    options = {"weight_decay": 0.5, "betas": (0.8, 0.9)}
    optimizer = make_optimizer("adamw", weights, 0.1, **options)
    assert optimizer.defaults["weight_decay"] == 0.5
    assert optimizer.defaults["betas"] == (0.8, 0.9)
    # The names' own settings can be replaced too.
    rho = make_optimizer("adadelta", weights, 0.1, rho=0.9).defaults["rho"]
    assert rho == 0.9


def test_groups_of_parameters_keep_their_options():
    decayed, other = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
    groups = [{"params": [decayed], "weight_decay": 0.5}, {"params": [other]}]
    first, second = make_optimizer("adamw", groups, 0.1, weight_decay=0).param_groups
    assert (first["weight_decay"], second["weight_decay"]) == (0.5, 0)


def test_an_unknown_option_is_an_error():
    weight = nn.Parameter(torch.zeros(1))
    message = r"optimizer 'sgd' cannot be made with options \{'rho': 0.9\}.*'rho'"
    with pytest.raises(TypeError, match=message):
        make_optimizer("sgd", [weight], 0.1, rho=0.9)
    with pytest.raises(TypeError, match=r"'adam' cannot .* \{'lr': 1\}.*'lr'"):
        make_optimizer("adam", [weight], 0.1, lr=1)


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match=r"one of adam, adamw, sgd, .*, got 'lion'"):
        make_optimizer("lion", [nn.Parameter(torch.zeros(1))], 0.1)


def test_each_gradient_is_clipped_for_itself():
    long, short = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))
    sgd = clip_each(torch.optim.SGD([long, short], lr=1.0), max_norm=2.0)
    for _ in range(2):
        sgd.zero_grad()
        (long @ torch.tensor([3.0, 4.0]) + short.sum()).backward()
        sgd.step()
    assert_close(long.data, -2 * 2.0 * torch.tensor([0.6, 0.8]))
    assert_close(short.data, -2 * torch.ones(3))
    with pytest.raises(ValueError, match=r"max_norm must be positive, got 0\.0"):
        clip_each(sgd, 0.0)


def test_bert_adam_one_number_at_a_time():
    """Five steps of the equations, with a decay of its own for each group."""
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.randn(size, dtype=torch.float64)) for size in (2, 3)]
    rate, decays, (b1, b2), eps = 0.03, (0.1, 0.0), (0.7, 0.9), 1e-3
    groups = [
        {"params": [weight], "weight_decay": decay}
        for weight, decay in zip(weights, decays, strict=True)
    ]
    adam = BertAdam(groups, rate, betas=(b1, b2), eps=eps)
    wanted = [[[w, 0.0, 0.0] for w in weight.tolist()] for weight in weights]
    for step in range(5):
        for weight, rows, decay in zip(weights, wanted, decays, strict=True):
            weight.grad = torch.randn_like(weight)
            for number, row in enumerate(rows):
                w, m, v = row
                g = float(weight.grad[number])
                m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
                rows[number] = [w - rate * (m / (v**0.5 + eps) + decay * w), m, v]
        adam.step()
        for weight, rows in zip(weights, wanted, strict=True):
            values = torch.tensor([row[0] for row in rows], dtype=torch.float64)
            assert_close(weight.data, values, msg=f"step {step}")


def test_bert_adam_starts_faster_than_adam():
    steps = {}
    for name in "adam", "adam_bert":
        weight = nn.Parameter(torch.zeros(1))
        weight.grad = torch.ones(1)
        options = {} if name == "adam" else {"weight_decay": 0.0}
        make_optimizer(name, [weight], 0.01, **options).step()
        steps[name] = weight.item()
    assert steps["adam_bert"] / steps["adam"] == pytest.approx(0.1 / 0.001**0.5, 1e-3)


def test_bert_adam_calls_a_closure_and_skips_what_has_no_gradient():
    used, unused = (nn.Parameter(torch.ones(1)) for _ in range(2))
    adam = BertAdam([used, unused], 0.1)

    def closure():
        adam.zero_grad()
        loss = used.square().sum()
        loss.backward()
        return loss

    assert adam.step(closure) == 1
    assert used < 1
    assert unused == 1


def test_gains_and_biases_of_bert_do_not_decay():
    model = BertPretraining(BertConfig(vocab_size=9, embed_dim=4))
    decaying, others = bert_optimizer(model, 1e-4, weight_decay=0.02).param_groups
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.02, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    kept = {names[id(p)] for p in others["params"]}
    assert kept == {n for n in names.values() if "norm" in n or n.endswith("bias")}
    assert {names[id(p)] for p in decaying["params"]} == set(names.values()) - kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": -1.0}, "must not be negative, got 0.1, -1.0 and 0.01"),
        ({"weight_decay": -1.0}, "must not be negative, got 0.1, 1e-06 and -1.0"),
        ({"betas": (0.9, 1.0)}, r"betas must be in \[0, 1\), got \(0.9, 1.0\)"),
    ],
)
def test_options_of_bert_adam_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        BertAdam([nn.Parameter(torch.zeros(1))], 0.1, **options)
