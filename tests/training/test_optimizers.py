"""make_optimizer: the papers' optimizers, by name."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.training.optimizers import (
    OPTIMIZERS,
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
