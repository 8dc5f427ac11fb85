"""Encoder: equal to PyTorch's; what it may look at."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.functional import causal_mask, token_mask
from attention_book.models.transformer.encoder import Encoder, EncoderLayer

B, N, DIM, HEADS, HIDDEN, LAYERS = 3, 5, 8, 2, 11, 2
MASK = token_mask(torch.tensor([N, 2, 4]), N)[:, None]
# Our names in PyTorch's words.
THEIRS = {
    "self_attention.in_proj.": "self_attn.in_proj_",
    "self_attention": "self_attn",
    "feed_forward.hidden_proj": "linear1",
    "feed_forward.out_proj": "linear2",
    "around_self.norm": "norm1",
    "around_feed_forward.norm": "norm2",
    "final_norm": "norm",
}


def make(pre_norm=False, **options):
    """An encoder in float64 whose gains and biases are no ones and zeros."""
    layers = (
        EncoderLayer(DIM, HEADS, HIDDEN, pre_norm=pre_norm, **options)
        for _ in range(LAYERS)
    )
    encoder = Encoder(layers, nn.LayerNorm(DIM) if pre_norm else None).double()
    for parameter in encoder.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return encoder


def rename(name):
    for ours, theirs in THEIRS.items():
        name = name.replace(ours, theirs)
    return name


def pytorchs(encoder, pre_norm):
    """PyTorch's encoder with the same weights, and without dropout."""
    layer = nn.TransformerEncoderLayer(
        DIM, HEADS, HIDDEN, 0.0, batch_first=True, norm_first=pre_norm
    )
    norm = nn.LayerNorm(DIM) if pre_norm else None
    options = {"norm": norm, "enable_nested_tensor": False}
    theirs = nn.TransformerEncoder(layer, LAYERS, **options).double()
    weights = encoder.state_dict().items()
    theirs.load_state_dict({rename(name): weight for name, weight in weights})
    return theirs


@pytest.fixture
def tokens():
    return torch.randn(B, N, DIM, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("pre_norm", [False, True])
@pytest.mark.parametrize("masks", ["none", "padding", "causal", "both"])
def test_equals_pytorchs_forward_and_gradients(tokens, pre_norm, masks):
    padding = MASK if masks in ("padding", "both") else None
    causal = causal_mask(N) if masks in ("causal", "both") else None
    mask = (
        padding & causal if masks == "both" else padding if causal is None else causal
    )
    ours = make(pre_norm)
    theirs = pytorchs(ours, pre_norm)
    found = ours(tokens, mask)
    wanted = theirs(
        tokens,
        mask=None if causal is None else ~causal[0],
        src_key_padding_mask=None if padding is None else ~padding[:, 0],
    )
    assert_close(found, wanted)
    weights = torch.randn_like(found)
    named = dict(theirs.named_parameters())
    our_leaves = [tokens, *ours.parameters()]
    their_leaves = [tokens, *(named[rename(n)] for n, _ in ours.named_parameters())]
    assert_close(
        torch.autograd.grad((found * weights).sum(), our_leaves),
        torch.autograd.grad((wanted * weights).sum(), their_leaves),
    )


def test_padding_changes_nothing(tokens):
    encoder = make()
    together = encoder(tokens, MASK)
    assert_close(together[1:2, :2], encoder(tokens[1:2, :2]))
    noise = torch.where(MASK.mT, tokens, torch.randn_like(tokens))
    assert_close(encoder(noise, MASK)[2, :4], together[2, :4])


def test_a_mask_that_hides_everything_leaves_gradients_finite(tokens):
    encoder = make()
    with torch.autograd.set_detect_anomaly(True):
        encoder(
            tokens, token_mask(torch.tensor([N, 0, 4]), N)[:, None]
        ).sum().backward()
    for parameter in encoder.parameters():
        assert parameter.grad.isfinite().all()
    assert tokens.grad.isfinite().all()


def test_only_positions_make_order_visible(tokens):
    order = torch.tensor([3, 0, 4, 1, 2])
    plain, rotary = make(), make(attention_fn=RotaryAttention())
    assert_close(plain(tokens[:, order]), plain(tokens)[:, order])
    assert (rotary(tokens[:, order]) - rotary(tokens)[:, order]).abs().max() > 0.01


def test_the_options_reach_both_sub_layers():
    options = {"dropout": 0.25, "norm": "none", "pre_norm": True, "residual": False}
    layer = EncoderLayer(DIM, HEADS, HIDDEN, **options)
    for around in layer.around_self, layer.around_feed_forward:
        assert (around.dropout.p, type(around.norm)) == (0.25, nn.Identity)
        assert (around.pre_norm, around.residual) == (True, False)


def test_compiles_to_one_graph(tokens, no_shape_checks):
    encoder = make(pre_norm=True)
    compiled = torch.compile(encoder, backend="eager", fullgraph=True)
    assert_close(compiled(tokens, MASK), encoder(tokens, MASK))
