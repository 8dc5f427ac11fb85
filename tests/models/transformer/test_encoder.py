"""Encoder: equal to PyTorch's, BERT's too; what a token may attend to."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.attention.positions.absolute import LearnedPositions
from attention_book.attention.positions.rotary import RotaryAttention
from attention_book.functional import causal_mask, token_mask
from attention_book.models.embedding import TokenEmbedding
from attention_book.models.transformer.encoder import Encoder, EncoderLayer
from attention_book.models.transformer.layers import (
    FeedForward,
    Residual,
    nonpad_indices,
)

B, N, DIM, HEADS, HIDDEN, LAYERS = 3, 5, 8, 2, 11, 2
MASK = token_mask(torch.tensor([N, 2, 4]), N)[:, None]
# Our names in PyTorch's words.
THEIRS = {
    "self_attention.in_proj.": "self_attn.in_proj_",
    "self_attention": "self_attn",
    "feed_forward.hidden_proj": "linear1",
    "feed_forward.out_proj": "linear2",
    "self_residual.norm": "norm1",
    "feed_forward_residual.norm": "norm2",
    "final_norm": "norm",
}


def make_layer(pre_norm=False, attention_fn=None, activation=F.relu):
    return EncoderLayer(
        MultiHeadAttention(DIM, HEADS, attention_fn=attention_fn),
        FeedForward(DIM, HIDDEN, activation=activation),
        lambda: Residual(nn.LayerNorm(DIM), pre_norm=pre_norm),
    )


def make(pre_norm=False, **parts):
    """An encoder in float64 whose gains and biases are not ones and zeros."""
    layers = (make_layer(pre_norm, **parts) for _ in range(LAYERS))
    encoder = Encoder(layers, nn.LayerNorm(DIM) if pre_norm else None).double()
    for parameter in encoder.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return encoder


def rename(name):
    for ours, theirs in THEIRS.items():
        name = name.replace(ours, theirs)
    return name


def pytorchs(encoder, pre_norm=False, activation="relu"):
    """PyTorch's encoder with the same weights, and without dropout."""
    layer = nn.TransformerEncoderLayer(
        DIM, HEADS, HIDDEN, 0.0, activation, batch_first=True, norm_first=pre_norm
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
    check_equal(
        ours,
        theirs,
        ours(tokens, mask),
        theirs(
            tokens,
            mask=None if causal is None else ~causal[0],
            src_key_padding_mask=None if padding is None else ~padding[:, 0],
        ),
        tokens,
    )


def test_an_encoder_of_bert_is_put_together_from_parts():
    """GELU, segments, learned positions, post-norm, dropout inside attention."""
    words, segments = TokenEmbedding(17, DIM), TokenEmbedding(2, DIM)
    positions, norm = LearnedPositions(N, DIM), nn.LayerNorm(DIM)
    ids = torch.randint(17, (B, N))
    segment_ids = torch.tensor([0, 0, 1, 1, 1]).expand(B, N)
    tokens = norm(positions(words(ids) + segments(segment_ids)))
    by_hand = words.weight[ids] + segments.weight[segment_ids] + positions.table
    assert_close(tokens, F.layer_norm(by_hand, (DIM,)))

    ours = make(activation=F.gelu)
    for layer in ours.layers:
        layer.self_attention.dropout = layer.self_residual.dropout.p = 0.1
    ours.eval()
    theirs = pytorchs(ours, activation="gelu")
    tokens = tokens.detach().double().requires_grad_()
    wanted = theirs(tokens, src_key_padding_mask=~MASK[:, 0])
    check_equal(ours, theirs, ours(tokens, MASK), wanted, tokens)
    ours.train()
    assert (ours(tokens, MASK) - wanted).abs().max() > 0.01


def check_equal(ours, theirs, output, wanted, tokens):
    """Compare outputs and the gradients of tokens and weights."""
    assert_close(output, wanted)
    weights = torch.randn_like(output)
    named = dict(theirs.named_parameters())
    our_leaves = [tokens, *ours.parameters()]
    their_leaves = [tokens, *(named[rename(n)] for n, _ in ours.named_parameters())]
    assert_close(
        torch.autograd.grad((output * weights).sum(), our_leaves),
        torch.autograd.grad((wanted * weights).sum(), their_leaves),
    )


def test_any_mechanism_and_any_network_can_be_a_sub_layer(tokens):
    attention = AdditiveAttention(DIM, DIM, 7).double()
    network = nn.Sequential(nn.Linear(DIM, 3), nn.Tanh(), nn.Linear(3, DIM)).double()
    layer = EncoderLayer(attention, network, lambda: Residual(nn.Identity()))
    middle = tokens + attention(tokens, tokens, tokens, MASK)[0]
    assert_close(layer(tokens, MASK), middle + network(middle))


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


def test_each_sub_layer_has_a_residual_of_its_own():
    layer = make_layer()
    wrappers = layer.self_residual, layer.feed_forward_residual
    assert all(type(wrapper) is Residual for wrapper in wrappers)
    assert wrappers[0].norm.weight is not wrappers[1].norm.weight


def test_padding_left_out_of_the_networks_changes_no_real_token(tokens):
    encoder = make()
    whole, some = (
        encoder(tokens, MASK),
        encoder(tokens, MASK, nonpad_indices(MASK[:, 0], 11)),
    )
    real = MASK.mT
    assert_close(some * real, whole * real)
    assert (some - whole).abs().max() > 0.01  # at padding, which nobody reads


def test_compiles_to_one_graph(tokens, no_shape_checks):
    encoder = make(pre_norm=True)
    compiled = torch.compile(encoder, backend="eager", fullgraph=True)
    assert_close(compiled(tokens, MASK), encoder(tokens, MASK))
