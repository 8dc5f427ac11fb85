"""NTM: one step as the equations say, and that it can learn."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.data.sequences.memory_tasks import copy_batch
from attention_book.models.later.ntm import (
    NTM,
    LSTMCopier,
    LSTMCopierConfig,
    NTMConfig,
    copy_loss,
)

SIZES = {"num_bits": 3, "hidden_dim": 7, "num_locations": 5, "location_dim": 4}


@pytest.mark.parametrize("controller", ["feed-forward", "lstm"])
def test_a_step_as_the_equations_say(controller):
    model = NTM(NTMConfig(controller=controller, **SIZES))
    inputs, state = torch.randn(2, 4), model.start(2)
    _, state = model.step(inputs, state)  # so that nothing is at its start any more
    logits, after = model.step(inputs, state)
    seen = torch.cat([inputs, state.read], dim=-1)
    if controller == "lstm":
        hidden, _ = model.controller(seen, (state.hidden, state.cell))
    else:
        hidden = model.controller(seen).tanh()
    out = model.head_proj(hidden)
    heads = out[:, :10], out[:, 10:20]
    for number, dials in enumerate(heads):
        key = dials[:, :4].tanh()
        beta, gate = F.softplus(dials[:, 4]), dials[:, 5].sigmoid()
        shift, gamma = dials[:, 6:9].softmax(-1), 1 + F.softplus(dials[:, 9])
        for b in range(2):
            cosines = F.cosine_similarity(key[b][None], state.memory[b])
            w = (beta[b] * cosines).softmax(-1)
            w = gate[b] * w + (1 - gate[b]) * state.weights[b, number]
            w = sum(shift[b, 1 + s] * w.roll(s) for s in (-1, 0, 1))
            w = w ** gamma[b]
            assert_close(after.weights[b, number], w / w.sum())
    erase, add = out[:, 20:24].sigmoid(), out[:, 24:].tanh()
    w = after.weights[:, 1, :, None]
    memory = state.memory * (1 - w * erase[:, None]) + w * add[:, None]
    assert_close(after.memory, memory)
    read = (after.weights[:, 0, :, None] * memory).sum(dim=1)
    assert_close(after.read, read)
    assert_close(logits, model.out_proj(torch.cat([hidden, read], dim=-1)))


def test_locations_differ_from_the_start():
    """Or all of them would get the same gradient for ever."""
    state = NTM(NTMConfig(**SIZES)).start(2)
    assert (state.memory == 1e-6).all()
    assert len(set(state.weights[0, 0].tolist())) == 5
    assert_close(state.weights.sum(-1), torch.ones(2, 2))


def test_the_papers_numbers_of_weights_are_not_those_of_its_description():
    """The paper prints 67,561 and 17,162; another count of it is 62,660 without starts.

    Ours has both heads in one matrix and learned starts of weights and of the read.
    """
    model = NTM(NTMConfig())
    count = sum(parameter.numel() for parameter in model.parameters())
    starts = model.first_weights.numel() + model.first_read.numel()
    assert count - starts == 62_660
    baseline = LSTMCopier(LSTMCopierConfig())
    assert sum(parameter.numel() for parameter in baseline.parameters()) > 1_300_000


def test_only_the_repeated_bits_count():
    batch = copy_batch(3, num_bits=3, batch_size=2, seed=0)
    logits = torch.randn(2, 7, 3)
    changed = logits.clone()
    changed[:, :4] += 1.0
    assert_close(copy_loss(logits, batch), copy_loss(changed, batch))
    want = F.binary_cross_entropy(logits[:, 4:].sigmoid(), batch.target)
    assert_close(copy_loss(logits, batch), want)


@pytest.mark.parametrize("kind", ["machine", "baseline"])
def test_loss_falls_on_a_batch_that_is_learned_by_heart(kind, loss_falls):
    torch.manual_seed(0)
    sizes = LSTMCopierConfig(num_bits=3, hidden_dim=16, num_layers=1)
    model = NTM(NTMConfig(**SIZES)) if kind == "machine" else LSTMCopier(sizes)
    batch = copy_batch(2, num_bits=3, batch_size=4, seed=0)
    loss_falls(model, batch, rate=0.02)


def test_a_controller_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="controller must be one of feed-forward, ls"):
        NTMConfig(controller="gru")
    with pytest.raises(ValueError, match="num_locations must be at least 1"):
        NTMConfig(num_locations=0)
