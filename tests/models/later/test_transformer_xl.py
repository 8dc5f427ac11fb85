"""TransformerXL: segments with a memory are one pass; the memory has no gradient."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sequences.memory_tasks import delayed_copy
from attention_book.models.later.transformer_xl import (
    TransformerXL,
    TransformerXLConfig,
    TransformerXLLayer,
)

SIZES = {"vocab_size": 11, "embed_dim": 8, "hidden_dim": 12, "num_layers": 3}


def build(segment, memory):
    torch.manual_seed(3)
    config = TransformerXLConfig(segment=segment, memory=memory, **SIZES)
    return TransformerXL(config).double()


def test_a_memory_of_everything_makes_segments_one_pass():
    ids = torch.randint(11, (2, 15))
    whole = build(15, 0)(ids)
    assert_close(build(5, 15)(ids), whole)
    assert_close(build(4, 15)(ids), whole)  # the last segment is shorter
    assert not torch.allclose(build(5, 0)(ids), whole)


def test_the_memory_holds_the_last_states_that_each_layer_reads():
    model, ids = build(4, 6), torch.randint(11, (2, 12))
    memory = model.start(2)
    for number, segment in enumerate(ids.split(4, dim=1)):
        _, memory = model.read(segment, memory)
        assert {len(one[0]) for one in memory} == {min(6, 4 * (number + 1))}
    assert_close(memory[0], model.embedding(ids[:, -6:]).detach())
    assert not any(one.requires_grad for one in memory)


def test_no_gradient_goes_into_the_memory():
    model = build(4, 8)
    tokens = torch.randn(2, 4, 8, dtype=torch.float64, requires_grad=True)
    memory = torch.randn(2, 8, 8, dtype=torch.float64, requires_grad=True)
    model.layers[0](tokens, memory).sum().backward()
    assert tokens.grad.abs().sum() > 0
    assert memory.grad is None


def test_equation_of_a_layer():
    """Queries from the segment, keys and values from the memory as well."""
    config = TransformerXLConfig(segment=4, memory=8, **SIZES)
    layer = TransformerXLLayer(config).double()
    tokens, memory = torch.randn(2, 4, 8).double(), torch.randn(2, 6, 8).double()
    extended = torch.cat([memory, tokens], dim=1)
    attention = layer.attention
    W_q, W_k, W_v = attention.in_proj.weight.chunk(3)
    heads = [
        (x @ W.T).unflatten(-1, (2, 4)).transpose(1, 2)
        for x, W in ((tokens, W_q), (extended, W_k), (extended, W_v))
    ]
    context, _ = attention.attention_fn(*heads, causal=True)
    joined = attention.out_proj(context.transpose(1, 2).flatten(2))
    norm = layer.attention_residual.norm
    middle = norm(tokens + joined)
    want = layer.feed_forward_residual.norm(middle + layer.feed_forward(middle))
    assert_close(layer(tokens, memory), want)


def test_nothing_looks_ahead():
    model, ids = build(4, 4), torch.randint(11, (1, 12))
    changed = ids.clone()
    changed[:, 7] = (ids[:, 7] + 1) % 11
    before, after = model(ids), model(changed)
    assert_close(after[:, :7], before[:, :7])
    assert not torch.allclose(after[:, 7:], before[:, 7:])


def test_loss_falls(loss_falls):
    model = build(4, 4).float()
    batch = delayed_copy(12, 2, vocab_size=11, batch_size=4, seed=0)
    loss_falls(model, batch, rate=0.01)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="segment must be at least 1 and memory not"):
        TransformerXLConfig(vocab_size=3, memory=-1)
    with pytest.raises(ValueError, match="must be divisible by num_heads"):
        TransformerXLConfig(vocab_size=3, embed_dim=9)
