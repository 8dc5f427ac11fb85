"""MultiHeadAttention: the paper's equation, parity with PyTorch, laws, decoding."""

import math

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.evaluation.cost import peak_bytes
from attention_book.functional import causal_mask, token_mask

B, H, N, K, HEAD = 2, 3, 5, 7, 4  # all sizes differ
DIM = H * HEAD


def make_layer(dtype=torch.float64, **settings):
    layer = MultiHeadAttention(DIM, H, **settings).to(dtype)
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):  # they start at 0
            nn.init.normal_(parameter)
    return layer


def make_inputs(dtype=torch.float64):
    """Two sequences of different lengths."""
    return [
        torch.randn(B, tokens, DIM, dtype=dtype, requires_grad=True)
        for tokens in (N, K)
    ]


def make_masks(queries, keys):
    """Every kind of mask in which each query has a key: else PyTorch returns NaN."""
    some = torch.rand(B, queries, keys) < 0.5
    some[..., 0] = True
    padding = token_mask(torch.tensor([keys, 2]), keys)[:, None]
    causal = causal_mask(keys)[:, keys - queries :]
    return {
        "none": None,
        "padding": padding,
        "causal": causal,
        "both": padding & causal,
        "any": some,
        "axis of size 1": torch.ones(1, queries, 1, dtype=torch.bool),
    }


MASKS = list(make_masks(1, 1))


def test_equation_one_head_and_query_at_a_time():
    layer = make_layer(bias=False)
    x, y = make_inputs()
    W_q, W_k, W_v = layer.in_proj.weight.view(3, H, HEAD, DIM)
    W_o = layer.out_proj.weight
    context, weights = layer(x, y, y, need_weights=True)
    for b in range(B):
        for i in range(N):
            found = []
            for h in range(H):
                q = W_q[h] @ x[b, i]
                e = torch.stack([q @ (W_k[h] @ y[b, j]) for j in range(K)])
                alpha = (e / math.sqrt(HEAD)).exp()
                alpha = alpha / alpha.sum()
                assert_close(weights[b, h, i], alpha)
                found.append(sum(alpha[j] * (W_v[h] @ y[b, j]) for j in range(K)))
            assert_close(context[b, i], W_o @ torch.cat(found))


@pytest.mark.parametrize("positions", [(0, 1), (2, 5)])
def test_one_head_leaves_half_of_two_values_unsaid(positions):
    """What no linear map of one head's context can tell of two independent values."""
    layer = MultiHeadAttention(DIM, 1).double()
    query, key = torch.randn(1, 1, DIM).double(), 3 * torch.randn(1, K, DIM).double()
    values = torch.zeros(1, K, DIM).double()
    _, weights = layer(query, key, values, need_weights=True)
    heard = torch.autograd.functional.jacobian(
        lambda values: layer(query, key, values)[0].flatten(), values
    ).reshape(DIM, K * DIM)  # the context's numbers, as sums of the values' numbers
    unsaid = 0.0
    for position in positions:
        for number in range(DIM):
            wanted = torch.zeros(K, DIM).double()
            wanted[position, number] = 1.0
            wanted = wanted.flatten()
            best = torch.linalg.lstsq(heard.T, wanted[:, None]).solution[:, 0]
            unsaid += (wanted - best @ heard).square().sum()
    alpha = weights[0, 0, 0].tolist()
    said = sum(alpha[j] ** 2 for j in positions) / sum(a**2 for a in alpha)
    assert unsaid.item() / DIM == pytest.approx(2 - said)
    assert said < 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("use", ["self", "cross", "three"])
@pytest.mark.parametrize("name", MASKS)
def test_equals_pytorchs_layer(name, use, bias, dtype):
    layer = make_layer(dtype, bias=bias)
    peer = layer.to_torch()
    x, y = make_inputs(dtype)
    z = torch.randn_like(y, requires_grad=True)
    query, key, value = {"self": (x, x, x), "cross": (x, y, y), "three": (x, y, z)}[use]
    shape = B, query.shape[1], key.shape[1]
    mask, theirs = make_masks(*shape[1:])[name], {}
    if name == "padding":
        theirs["key_padding_mask"] = ~mask[:, 0]
    elif mask is not None:
        theirs["attn_mask"] = ~mask.expand(shape).repeat_interleave(H, dim=0)
    want, want_weights = peer(query, key, value, average_attn_weights=False, **theirs)
    leaves = tuple({query, key, value})
    want_gradients = torch.autograd.grad(
        want.square().sum(), (*leaves, *peer.parameters())
    )
    for need_weights in (False, True):
        context, weights = layer(query, key, value, mask, need_weights=need_weights)
        assert_close(context, want)
        if need_weights:
            assert_close(weights, want_weights)
        else:
            assert weights is None
        gradients = torch.autograd.grad(
            context.square().sum(), (*leaves, *layer.parameters())
        )
        # Both list W^Q, W^K, W^V first; PyTorch then its bias, as here.
        assert_close(gradients, want_gradients)


@pytest.mark.parametrize("name", MASKS)
def test_bias_is_added_to_the_scores(name):
    layer, (x, y) = make_layer(), make_inputs()
    peer, mask = layer.to_torch(), make_masks(N, K)[name]
    bias = torch.randn(B, H, N, K, dtype=torch.float64, requires_grad=True)
    whole = bias if mask is None else bias.masked_fill(~mask[:, None], -torch.inf)
    want = peer(x, y, y, attn_mask=whole.flatten(0, 1), need_weights=False)[0]
    gradients = torch.autograd.grad(want.square().sum(), (x, y, bias))
    for need_weights in (False, True):
        context, _ = layer(x, y, y, mask, need_weights=need_weights, bias=bias)
        assert_close(context, want)
        got = torch.autograd.grad(context.square().sum(), (x, y, bias))
        assert_close(got, gradients)
    # An axis of size 1 stands for all.
    context, _ = layer(x, y, y, mask, bias=bias[:1, :, :, :1])
    want, _ = layer(x, y, y, mask, bias=bias[:1, :, :, :1].expand(B, H, N, K))
    assert_close(context, want)


@pytest.mark.parametrize("masked", [False, True])
def test_a_bias_of_minus_infinity_blocks_a_key_for_a_head(masked):
    """Of all keys in one head, and of single keys: the same on both paths."""
    layer, (x, y) = make_layer(), make_inputs()
    bias = torch.randn(B, H, N, K, dtype=torch.float64)
    bias[0, 1] = bias[1, 2, 3, :4] = -math.inf
    bias.requires_grad_()
    mask = token_mask(torch.tensor([K, 4]), K)[:, None] if masked else None
    results = []
    for need_weights in (False, True):
        context, weights = layer(x, y, y, mask, need_weights=need_weights, bias=bias)
        inputs = x, y, bias, *layer.parameters()
        gradients = torch.autograd.grad(context.square().sum(), inputs)
        assert all(gradient.isfinite().all() for gradient in gradients)
        results.append((context, *gradients))
    assert_close(*results)
    assert (weights[bias == -math.inf] == 0).all()
    sums = weights.sum(-1)
    assert (sums[0, 1] == 0).all()
    assert_close(sums[0, 0], torch.ones(N).double())
    assert_close(sums[1, 2, 3].item(), 0.0 if masked else 1.0)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_weights_of_pytorchs_layer_load_and_return(batch_first, bias):
    theirs = nn.MultiheadAttention(
        DIM, H, dropout=0.3, bias=bias, batch_first=batch_first, dtype=torch.float64
    ).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    state = torch.get_rng_state()
    ours = MultiHeadAttention.from_torch(theirs)
    back = ours.to_torch()
    assert torch.equal(torch.get_rng_state(), state)  # nothing is drawn
    x, y = make_inputs()
    turn = (lambda t: t) if batch_first else (lambda t: t.transpose(0, 1))
    want, want_weights = theirs(turn(x), turn(y), turn(y), average_attn_weights=False)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    assert_close(ours(x, y, y, need_weights=True), (turn(want), want_weights), **exact)
    assert_close(back(x, y, y)[0], turn(want), **exact)
    assert (
        (ours.dropout, ours.training) == (back.dropout, back.training) == (0.3, False)
    )
    assert back.batch_first
    assert_close(back.state_dict(), theirs.state_dict(), rtol=0, atol=0)
    ours.in_proj.weight.data.zero_()  # a copy, which can be trained
    assert (theirs.in_proj_weight != 0).all()
    assert all(parameter.requires_grad for parameter in ours.parameters())
    assert all(parameter.requires_grad for parameter in back.parameters())


def test_frozen_weights_stay_frozen():
    theirs = nn.MultiheadAttention(DIM, H)
    theirs.in_proj_weight.requires_grad_(False)
    ours = MultiHeadAttention.from_torch(theirs)
    for layer in ours, ours.to_torch():
        frozen = [name for name, p in layer.named_parameters() if not p.requires_grad]
        assert [name.replace(".", "_") for name in frozen] == ["in_proj_weight"]


def test_what_pytorchs_layer_alone_or_ours_alone_has_is_refused():
    for options in (
        {"kdim": 5},
        {"vdim": 7},
        {"add_bias_kv": True},
        {"add_zero_attn": True},
    ):
        theirs = nn.MultiheadAttention(DIM, H, **options)
        with pytest.raises(ValueError, match="layer must have kdim and vdim equal to"):
            MultiHeadAttention.from_torch(theirs)
    layer = MultiHeadAttention(DIM, H, attention_fn=RotaryAttention())
    with pytest.raises(ValueError, match=r"attention_fn must be None.*RotaryAttention"):
        layer.to_torch()


def test_initial_values_are_those_of_pytorchs_layer():
    layer, peer = MultiHeadAttention(60, 5), nn.MultiheadAttention(60, 5)
    for name, ours in layer.named_parameters():
        theirs = peer.get_parameter(name.replace("in_proj.", "in_proj_"))
        if name.endswith("bias"):
            assert (ours == 0).all()
            assert (theirs == 0).all()
        else:  # uniform in the same range
            assert_close(ours.abs().max(), theirs.abs().max(), rtol=0.01, atol=0)
            assert_close(ours.std(), theirs.std(), rtol=0.05, atol=0)


@pytest.mark.parametrize("need_weights", [False, True])
def test_causal_is_the_causal_mask(need_weights):
    layer, (x, _) = make_layer(), make_inputs()
    got = layer(x, x, x, need_weights=need_weights, causal=True)
    want = layer(x, x, x, causal_mask(N), need_weights=need_weights)
    assert_close(got, want)
    (gradient,) = torch.autograd.grad(got[0][:, 2].sum(), x)
    assert (gradient[:, 3:] == 0).all()
    assert (gradient[:, :3] != 0).all()


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("tokens", [0, 1])
def test_none_or_one(tokens, need_weights):
    layer = make_layer()
    x = torch.randn(B, tokens, DIM, dtype=torch.float64, requires_grad=True)
    query, _ = make_inputs()
    for q, causal in ((x, False), (x, True), (query, False)):
        context, weights = layer(q, x, x, need_weights=need_weights, causal=causal)
        context.sum().backward()
        assert context.shape == q.shape
        assert weights is None or weights.shape == (B, H, q.shape[1], tokens)
        if tokens == 1:  # whatever is asked, there is one answer
            value = x @ layer.in_proj.weight[2 * DIM :].T + layer.in_proj.bias[-DIM:]
            assert_close(context, layer.out_proj(value).expand_as(context))
        else:
            assert (context == 0).all()
    mask = torch.ones(B, 1, tokens, dtype=torch.bool)
    assert_close(
        layer(query, x, x, mask, need_weights=need_weights)[0],
        layer(query, x, x, need_weights=need_weights)[0],
    )
    whole = torch.randn(0, N, DIM).double()  # no sentence
    assert layer(whole, whole, whole, need_weights=need_weights)[0].shape == (0, N, DIM)


def test_decoding_word_by_word_equals_the_whole_sentence():
    """The caller keeps keys and values: its own words' and, once, the source's."""
    own, cross = make_layer(), make_layer()
    x, source = make_inputs()
    mask = token_mask(torch.tensor([K, 4]), K)[:, None]
    want, want_weights = own(x, x, x, causal_mask(N), need_weights=True)
    want_cross, _ = cross(want, source, source, mask)
    memory = cross.project_kv(source, source)
    cache = own.project_kv(x[:, :0], x[:, :0])  # no word yet
    for step in range(N):
        word = x[:, step : step + 1]
        new = own.project_kv(word, word)
        cache = tuple(torch.cat(pair, dim=2) for pair in zip(cache, new, strict=True))
        context, weights = own(word, word, word, need_weights=True, projected_kv=cache)
        assert_close(context[:, 0], want[:, step])
        assert_close(weights[:, :, 0], want_weights[:, :, step, : step + 1])
        assert_close(own(word, word, word, projected_kv=cache, causal=True)[0], context)
        found, _ = cross(context, source, source, mask, projected_kv=memory)
        assert_close(found[:, 0], want_cross[:, step])
    # Several words at a time, after some that were read before.
    start = [tensor[:, :, :2] for tensor in cache]
    rest = x[:, 2:]
    new = own.project_kv(rest, rest)
    joined = tuple(torch.cat(pair, dim=2) for pair in zip(start, new, strict=True))
    got = own(rest, rest, rest, causal=True, projected_kv=joined)[0]
    assert_close(got, want[:, 2:])


def test_key_and_value_projected_together_or_apart():
    layer, (_, y) = make_layer(), make_inputs()
    together, apart = layer.project_kv(y, y), layer.project_kv(y, y.clone())
    assert_close(together, apart)
    assert together[0].shape == (B, H, K, HEAD)


def test_self_attention_is_projected_at_once(monkeypatch):
    """One product for query, key and value, three or two where they differ."""
    calls = []
    linear = nn.functional.linear

    def spy(tokens, *args):
        calls.append(args[0].shape)
        return linear(tokens, *args)

    monkeypatch.setattr(nn.functional, "linear", spy)
    layer, (x, y) = make_layer(), make_inputs()
    layer(x, x, x)
    layer(x, y, y)
    layer(x, y, y.clone())
    out = (DIM, DIM)
    assert calls == [(3 * DIM, DIM), out, (2 * DIM, DIM), out, out, *4 * [out]]


def test_dropout_in_training_only():
    layer, (x, _) = make_layer(dropout=0.4), make_inputs()
    plain = make_layer()
    plain.load_state_dict(layer.state_dict())
    clean, weights = plain(x, x, x, need_weights=True)
    for need_weights in (False, True):
        first = layer(x, x, x, need_weights=need_weights)
        assert not torch.allclose(
            first[0], layer(x, x, x, need_weights=need_weights)[0]
        )
        if need_weights:
            assert_close(first[1], weights)
        many = x.repeat(200, 1, 1)
        many, _ = layer(many, many, many, need_weights=need_weights)
        many = many.unflatten(0, (200, B))
        error = (many.mean(0) - clean).abs() / (many.std(0) / math.sqrt(200))
        assert error.max() < 5
        layer.eval()
        assert_close(layer(x, x, x, need_weights=need_weights)[0], clean)
        layer.train()


@pytest.mark.parametrize("need_weights", [False, True])
def test_bfloat16_and_autocast(need_weights):
    layer, (x, _) = make_layer(torch.float32), make_inputs(torch.float32)
    want, _ = layer(x, x, x)
    bias = torch.zeros(1, 1, N, N)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got, _ = layer(
            x, x, x, causal_mask(N) | True, need_weights=need_weights, bias=bias
        )
    assert got.dtype == torch.bfloat16
    assert_close(got.float(), want, rtol=0.05, atol=0.05)
    low = layer.to(torch.bfloat16)
    got, _ = low(*[x.bfloat16()] * 3, need_weights=need_weights, bias=bias)
    assert_close(got.float(), want, rtol=0.05, atol=0.05)


def test_memory_grows_with_the_square_only_where_weights_are_asked_for():
    layer = make_layer(torch.float32)

    def grows(**settings):
        held = []
        for tokens in (250, 500):
            x = torch.randn(1, tokens, DIM, requires_grad=True)
            held.append(peak_bytes(lambda x=x: layer(x, x, x, **settings)[0].sum()))
        return held[1] / held[0]

    assert grows() < 2.1
    assert grows(causal=True) < 2.1
    assert grows(need_weights=True) > 3.5


def test_without_gradients_the_last_product_does_not_hold_the_projections():
    layer, x = MultiHeadAttention(256, 8), torch.randn(8, 64, 256)
    with torch.no_grad():
        held = peak_bytes(lambda: layer(x, x, x)[0])
    # Queries, keys, values and context at once, and what the kernel needs besides; with
    # the context's projection it would be five of them.
    assert held < 4.9 * x.numel() * x.element_size()


def test_gradients_are_those_of_finite_differences():
    layer = MultiHeadAttention(4, 2).double()
    x = torch.randn(1, 2, 4, dtype=torch.float64, requires_grad=True)
    y = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[[True, True, False], [False, False, False]]])
    for settings in ({"mask": mask}, {"mask": mask, "need_weights": True}):
        assert torch.autograd.gradcheck(
            lambda x, y, s=settings: layer(x, y, y, **s)[0], (x, y), fast_mode=True
        )


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match=r"embed_dim \(10\) must be divisible by.*\(3"):
        MultiHeadAttention(10, 3)
    with pytest.raises(ValueError, match=r"embed_dim \(2\) must be divisible by.*\(4"):
        MultiHeadAttention(2, 4)  # more heads than dimensions
    for sizes in ((0, 1), (4, 0), (4, -2)):
        with pytest.raises(ValueError, match="must be at least 1, got"):
            MultiHeadAttention(*sizes)
    for sizes in ((8, 2.0), (8.0, 2), (8, True)):
        with pytest.raises(TypeError, match=r"must be an integer, got (2.0|8.0|True)"):
            MultiHeadAttention(*sizes)
    for dropout in (-0.1, 1.0):
        with pytest.raises(ValueError, match="dropout must be from 0 to less than 1"):
            MultiHeadAttention(DIM, H, dropout=dropout)
    layer, (x, y) = make_layer(), make_inputs()
    with pytest.raises(ValueError, match=r"query must have shape.*tokens, 12\), got"):
        layer(x[..., :3], y, y)
    with pytest.raises(ValueError, match=r"query must have shape.*got \(5, 12\)"):
        layer(x[0], x[0], x[0])
    with pytest.raises(ValueError, match=r"key and value of one length, got.*\(2, 4,"):
        layer(x, y, y[:, :4])
    with pytest.raises(ValueError, match=r"of one batch.*query \(1, 5, 12\)"):
        layer(x[:1], y, y)
    with pytest.raises(ValueError, match=r"key and value of one length"):
        layer.project_kv(y, y[:, :4])
    for wrong in (
        torch.ones(B, K),
        torch.ones(N, K),
        torch.ones(B, H, N, K),
        torch.ones(B, N, N),
    ):
        with pytest.raises(ValueError, match=r"mask must have one axis.*\(2, 5, 7\)"):
            layer(x, y, y, wrong.bool())
    with pytest.raises(TypeError, match="mask must be boolean"):
        layer(x, y, y, torch.ones(B, N, K))
    with pytest.raises(ValueError, match="causal takes no mask besides"):
        layer(x, x, x, causal_mask(N), causal=True)
    with pytest.raises(ValueError, match="causal needs a key for every query"):
        layer(y, x, x, causal=True)
    with pytest.raises(ValueError, match=r"bias must have one axis.*\(2, 3, 5, 7\)"):
        layer(x, y, y, bias=torch.zeros(N, K))
    with pytest.raises(TypeError, match="bias must hold floats"):
        layer(x, y, y, bias=causal_mask(K)[None, :, -N:])
    with pytest.raises(ValueError, match="key must have shape"):
        layer(x, y, y, projected_kv=layer.project_kv(y[:1], y[:1]))


def test_compiles_to_one_graph(no_shape_checks):
    """What the laws leave out: causality, projected keys, an encoding of positions."""
    layer, rotary = make_layer(), make_layer(attention_fn=RotaryAttention())
    x, y = make_inputs()
    projected = [tensor.detach() for tensor in layer.project_kv(y, y)]
    for part, key, settings in (
        (layer, x, {"causal": True}),
        (layer, y, {"projected_kv": projected}),
        (rotary, x, {"causal": True}),
    ):
        compiled = torch.compile(part, backend="eager", fullgraph=True, dynamic=False)
        want = part(x, key, key, **settings)
        assert_close(compiled(x, key, key, **settings), want)


def test_an_attention_function_is_told_number_and_size_of_heads():
    told = []

    class Asked(nn.Module):
        def check_heads(self, num_heads, head_dim):
            told.append((num_heads, head_dim))

    MultiHeadAttention(DIM, H, attention_fn=Asked())
    assert told == [(H, HEAD)]


def test_one_head_of_size_one():
    layer, x = MultiHeadAttention(1, 1, dropout=0.0), torch.randn(B, 1, 1)
    value = x @ layer.in_proj.weight[2:].T
    assert_close(layer(x, x, x)[0], layer.out_proj(value))
