"""What holds for every encoding of positions that lives inside MultiHeadAttention."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.alibi import ALiBi, DistanceBias
from attention_book.attention.positions.relative import RelativePositions
from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.attention.positions.t5_bias import T5RelativeBias
from attention_book.functional import causal_mask, token_mask
from attention_book.observe import record_weights

B, H, N, HEAD = 2, 3, 5, 4  # all sizes differ
DIM = H * HEAD
ENCODINGS = {
    "rotary": RotaryAttention,
    "relative": lambda: RelativePositions(HEAD, 2),
    "buckets": lambda: DistanceBias(T5RelativeBias(H, num_buckets=8, max_distance=4)),
    "linear": lambda: DistanceBias(ALiBi(H)),
}


@pytest.fixture(params=ENCODINGS)
def layer(request):
    layer = MultiHeadAttention(DIM, H, attention_fn=ENCODINGS[request.param]()).double()
    for name, parameter in layer.named_parameters():
        if "attention_fn" in name or name.endswith("bias"):  # some start at 0
            nn.init.normal_(parameter)
    return layer


@pytest.fixture
def x():
    return torch.randn(B, N, DIM, dtype=torch.float64, requires_grad=True)


def make_masks():
    some = torch.rand(B, N, N) < 0.5
    some[1, 2] = False
    return {
        "none": None,
        "padding": token_mask(torch.tensor([N, 2]), N)[:, None],
        "causal": causal_mask(N),
        "a query without keys": some,
        "a sentence without keys": token_mask(torch.tensor([N, 0]), N)[:, None],
    }


@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("name", make_masks())
def test_the_same_without_weights(layer, x, name, with_bias):
    mask = make_masks()[name]
    bias = torch.randn(B, 1, N, N).double() if with_bias else None
    results = []
    for need_weights in (False, True):
        with torch.autograd.set_detect_anomaly(True):  # no NaN on the way back either
            context, weights = layer(
                x, x, x, mask, need_weights=need_weights, bias=bias
            )
            gradients = torch.autograd.grad(
                context.square().sum(), (x, *layer.parameters())
            )
        assert all(gradient.isfinite().all() for gradient in gradients)
        results.append((context, *gradients))
    assert_close(*results)
    assert weights.shape == (B, H, N, N)
    sums = torch.ones(B, H, N).double()
    if mask is not None:
        allowed = mask.expand(B, N, N)
        assert (weights.transpose(0, 1)[:, ~allowed] == 0).all()
        sums = sums * allowed.any(-1)[:, None]
        assert (context[~allowed.any(-1)] == 0).all()
    assert_close(weights.sum(-1), sums)


@pytest.mark.parametrize("need_weights", [False, True])
def test_causal_is_the_causal_mask(layer, x, need_weights):
    got = layer(x, x, x, need_weights=need_weights, causal=True)
    assert_close(got, layer(x, x, x, causal_mask(N), need_weights=need_weights))
    (gradient,) = torch.autograd.grad(got[0][:, 2].sum(), x)
    assert (gradient[:, 3:] == 0).all()


def test_it_sees_the_order_but_not_where_the_sentence_begins(layer, x):
    order = torch.tensor([1, 0, 2, 3, 4])
    context, _ = layer(x, x, x)
    shuffled = x[:, order]
    assert not torch.allclose(
        layer(shuffled, shuffled, shuffled)[0], context[:, order], atol=1e-3
    )
    # Two words more in front, which none may attend to, and nothing has changed.
    longer = torch.cat([torch.randn(B, 2, DIM).double(), x], dim=1)
    mask = (torch.arange(N + 2) >= 2)[None, None]
    assert_close(layer(longer, longer, longer, mask)[0][:, 2:], context)


def test_words_that_come_one_by_one(layer, x):
    want, _ = layer(x, x, x, causal=True)
    queries, keys, values = layer.project_qkv(x)
    for step in range(N):
        word = x[:, step : step + 1]
        query = queries[:, :, step : step + 1]
        so_far = query, keys[:, :, : step + 1], values[:, :, : step + 1]
        for need_weights in (False, True):
            got, _ = layer(
                word, word, word, need_weights=need_weights, projected_kv=so_far
            )
            assert_close(got[:, 0], want[:, step])


def test_dropout_is_of_the_weights(layer, x):
    dropping = MultiHeadAttention(DIM, H, dropout=0.5, attention_fn=layer.attention_fn)
    dropping = dropping.double()
    dropping.load_state_dict(layer.state_dict())
    want, want_weights = layer(x, x, x, need_weights=True)
    context, weights = dropping(x, x, x, need_weights=True)
    assert_close(weights, want_weights)
    assert not torch.allclose(context, want)
    many = x.repeat(400, 1, 1)
    mean = dropping(many, many, many)[0].unflatten(0, (400, B)).mean(0)
    assert (mean - want).abs().mean() < 0.1 * (context - want).abs().mean()
    assert_close(dropping.eval()(x, x, x)[0], want)


@pytest.mark.parametrize("tokens", [0, 1])
def test_none_or_one(layer, tokens):
    x = torch.randn(B, tokens, DIM).double()
    for need_weights in (False, True):
        context, weights = layer(x, x, x, need_weights=need_weights, causal=True)
        assert context.shape == (B, tokens, DIM)
        assert weights is None or weights.shape == (B, H, tokens, tokens)


def test_one_layer_is_recorded_not_two(layer, x):
    with record_weights(layer) as recorded:
        layer(x, x, x)
    assert list(recorded) == [""]
    assert_close(recorded[""][0], layer(x, x, x, need_weights=True)[1])


def test_errors(layer, x, no_shape_checks):
    queries, *cache = layer.project_qkv(x)
    short = queries, *(tensor[:, :, :4] for tensor in cache)
    with pytest.raises(ValueError, match="one sequence, got 5 queries and 4 keys"):
        layer(x, x, x, projected_kv=short)
    # Cross-attention has no distances, whether there are fewer queries or not.
    name = type(layer.attention_fn).__name__
    for query in (x[:, :2], x.clone()):
        with pytest.raises(ValueError, match=rf"{name} is for one sequence: query and"):
            layer(query, x, x)
    with pytest.raises(ValueError, match=r"one sequence.* or projected_kv come from"):
        layer(x, x, x, projected_kv=layer.project_kv(x, x))
    with pytest.raises(ValueError, match="causal takes no mask besides"):
        layer(x, x, x, causal_mask(N), causal=True)
    with pytest.raises(ValueError, match=r"mask must have one axis.*got \(2, 5\)"):
        layer(x, x, x, torch.ones(B, N, dtype=torch.bool))


def test_single_precision(layer, x):
    want, _ = layer(x, x, x, causal=True)
    single, x = layer.float(), x.float()
    for need_weights in (False, True):
        got, _ = single(x, x, x, need_weights=need_weights, causal=True)
        assert got.dtype == torch.float32
        assert_close(got, want.float(), rtol=1e-4, atol=1e-4)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low, _ = single(x, x, x, need_weights=need_weights, causal=True)
        assert_close(low.float(), want.float(), rtol=0.1, atol=0.1)
