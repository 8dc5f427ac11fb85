"""Decoder: equal to PyTorch's; no token sees a later one; the cache."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.functional import causal_mask, token_mask
from attention_book.models.transformer.decoder import Decoder, DecoderLayer, KeyValue
from attention_book.models.transformer.layers import (
    FeedForward,
    Residual,
    nonpad_indices,
)

B, N, S, DIM, HEADS, HIDDEN, LAYERS = 3, 5, 7, 8, 2, 11, 2
MASK = token_mask(torch.tensor([S, 2, 4]), S)[:, None]
# Our names in PyTorch's words.
THEIRS = {
    "self_attention.in_proj.": "self_attn.in_proj_",
    "cross_attention.in_proj.": "multihead_attn.in_proj_",
    "self_attention": "self_attn",
    "cross_attention": "multihead_attn",
    "feed_forward.hidden_proj": "linear1",
    "feed_forward.out_proj": "linear2",
    "self_residual.norm": "norm1",
    "cross_residual.norm": "norm2",
    "feed_forward_residual.norm": "norm3",
    "final_norm": "norm",
}


def make_layer(pre_norm=False, attention_fn=None, **causal):
    return DecoderLayer(
        MultiHeadAttention(DIM, HEADS, attention_fn=attention_fn),
        MultiHeadAttention(DIM, HEADS),
        FeedForward(DIM, HIDDEN),
        lambda: Residual(nn.LayerNorm(DIM), pre_norm=pre_norm),
        **causal,
    )


def make(pre_norm=False, **parts):
    """A decoder in float64 whose gains and biases are not ones and zeros."""
    layers = (make_layer(pre_norm, **parts) for _ in range(LAYERS))
    decoder = Decoder(layers, nn.LayerNorm(DIM) if pre_norm else None).double()
    for parameter in decoder.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return decoder


def rename(name):
    for ours, theirs in THEIRS.items():
        name = name.replace(ours, theirs)
    return name


def pytorchs(decoder, pre_norm):
    """PyTorch's decoder with the same weights, and without dropout."""
    layer = nn.TransformerDecoderLayer(
        DIM, HEADS, HIDDEN, 0.0, batch_first=True, norm_first=pre_norm
    )
    norm = nn.LayerNorm(DIM) if pre_norm else None
    theirs = nn.TransformerDecoder(layer, LAYERS, norm=norm).double()
    weights = decoder.state_dict().items()
    theirs.load_state_dict({rename(name): weight for name, weight in weights})
    return theirs


@pytest.fixture
def tokens():
    return torch.randn(B, N, DIM, dtype=torch.float64, requires_grad=True)


@pytest.fixture
def source():
    return torch.randn(B, S, DIM, dtype=torch.float64, requires_grad=True)


def run(decoder, tokens, source, mask=MASK):
    """All words at once, from the encoder's tokens."""
    return decoder(tokens, decoder.project_source(source), mask)[0]


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("padding", [False, True])
def test_equals_pytorchs_forward_and_gradients(tokens, source, pre_norm, padding):
    ours = make(pre_norm)
    theirs = pytorchs(ours, pre_norm)
    output = run(ours, tokens, source, MASK if padding else None)
    wanted = theirs(
        tokens,
        source,
        tgt_mask=~causal_mask(N)[0],
        memory_key_padding_mask=~MASK[:, 0] if padding else None,
    )
    assert_close(output, wanted)
    weights = torch.randn_like(output)
    named = dict(theirs.named_parameters())
    their_leaves = [tokens, source]
    their_leaves += [named[rename(name)] for name, _ in ours.named_parameters()]
    our_leaves = [tokens, source, *ours.parameters()]
    assert_close(
        torch.autograd.grad((output * weights).sum(), our_leaves),
        torch.autograd.grad((wanted * weights).sum(), their_leaves),
    )


def test_no_token_sees_a_later_one(tokens, source):
    decoder = make()
    for t in range(N):
        output = run(decoder, tokens, source)[:, t].square().sum()
        (gradient,) = torch.autograd.grad(output, tokens)
        assert (gradient[:, t + 1 :] == 0).all()
        assert (gradient[:, : t + 1].abs().sum(-1) > 0).all()
    output = run(make(causal=False), tokens, source)[:, 0].square().sum()
    (gradient,) = torch.autograd.grad(output, tokens)
    assert (gradient.abs().sum(-1) > 0).all()


def test_padding_of_the_source_changes_nothing(tokens, source):
    decoder = make()
    together = run(decoder, tokens, source)
    alone = run(decoder, tokens[1:2], source[1:2, :2], None)
    assert_close(together[1:2], alone)
    noise = torch.where(MASK.mT, source, torch.randn_like(source))
    assert_close(run(decoder, tokens, noise), together)


def test_the_source_as_a_set(tokens, source):
    order = torch.randperm(S)
    decoder = make()
    assert_close(
        run(decoder, tokens, source[:, order], MASK[..., order]),
        run(decoder, tokens, source),
    )


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("positions", [None, RotaryAttention()])
@pytest.mark.parametrize("pieces", [[1] * N, [2, 1, 2], [N]], ids=str)
def test_tokens_that_come_in_pieces(tokens, source, pre_norm, positions, pieces):
    decoder = make(pre_norm, attention_fn=positions)
    projected = decoder.project_source(source)
    cache, outputs = decoder.empty_cache(source), []
    for piece in tokens.split(pieces, dim=1):
        output, cache = decoder(piece, projected, MASK, cache)
        outputs.append(output)
    assert_close(torch.cat(outputs, dim=1), run(decoder, tokens, source))
    for layer in cache:
        assert type(layer) is KeyValue
        assert layer.key.shape == layer.value.shape == (B, HEADS, N, DIM // HEADS)


def test_without_a_causal_mask_a_piece_sees_all_of_itself(tokens, source):
    decoder = make(causal=False)
    projected, cache = decoder.project_source(source), decoder.empty_cache(source)
    output, _ = decoder(tokens, projected, MASK, cache)
    assert_close(output, run(decoder, tokens, source))


def test_padding_left_out_of_the_networks_changes_no_real_token(tokens, source):
    decoder, real = make(), token_mask(torch.tensor([N, 1, 3]), N)
    projected = decoder.project_source(source)
    whole, _ = decoder(tokens, projected, MASK)
    some, _ = decoder(tokens, projected, MASK, nonpad=nonpad_indices(real, N + 4))
    assert_close(some[real], whole[real])
    assert (some - whole).abs().max() > 0.01  # at padding, which nobody reads


def test_the_cache_holds_projected_keys_and_values(tokens, source):
    decoder = make()
    projected, cache = decoder.project_source(source), decoder.empty_cache(source)
    _, cache = decoder(tokens, projected, MASK, cache)
    first = decoder.layers[0]
    assert_close(cache[0], KeyValue(*first.self_attention.project_kv(tokens, tokens)))
    cross = decoder.layers[1].cross_attention
    assert_close(projected[1], KeyValue(*cross.project_kv(source, source)))


def test_the_cache_passed_in_is_not_changed(tokens, source):
    decoder = make()
    projected = decoder.project_source(source)
    _, cache = decoder(tokens[:, :2], projected, MASK, decoder.empty_cache(source))
    before = [part.clone() for layer in cache for part in layer]
    decoder(tokens[:, 2:], projected, MASK, cache)
    assert_close([part for layer in cache for part in layer], before)


def test_without_a_cache_none_is_kept(tokens, source):
    decoder = make()
    assert decoder(tokens, decoder.project_source(source))[1] is None


@pytest.mark.parametrize("length", [0, S])
def test_a_source_that_is_hidden_or_empty_leaves_gradients_finite(
    tokens, source, length
):
    decoder = make()
    source = source[:, :length]
    mask = token_mask(torch.tensor([length, 0, length]), length)[:, None]
    with torch.autograd.set_detect_anomaly(True):
        run(decoder, tokens, source, mask).square().sum().backward()
    for parameter in decoder.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()


def test_each_sub_layer_has_a_residual_of_its_own():
    layer = make_layer()
    wrappers = layer.self_residual, layer.cross_residual, layer.feed_forward_residual
    assert all(type(wrapper) is Residual for wrapper in wrappers)
    assert len({id(wrapper.norm.weight) for wrapper in wrappers}) == 3


def test_compiles_to_one_graph(tokens, source, no_shape_checks):
    decoder = make(pre_norm=True)
    compiled = torch.compile(decoder, backend="eager", fullgraph=True)
    with torch.no_grad():  # the compiler warns of inputs that are results
        projected, empty = decoder.project_source(source), decoder.empty_cache(source)
    for cache in None, empty:
        assert_close(
            compiled(tokens, projected, MASK, cache),
            decoder(tokens, projected, MASK, cache),
        )
