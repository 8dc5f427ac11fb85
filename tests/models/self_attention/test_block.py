"""The block around a mixer: equation, sizes, what each mixer can see."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.self_attention.layer import relu_over_length
from attention_book.models.self_attention.block import (
    CausalConvolution,
    MixingBlock,
    PixelConvolution,
    Recurrence,
    SelfAttentionMixer,
)

B, N, DIM, SIDE = 2, 7, 5, 4


def mixers(tokens=N):
    attention = (
        SelfAttentionMixer(DIM, score, normaliser)
        for score in ("dot", "additive")
        for normaliser in ("softmax", "relu")
    )
    return [*attention, CausalConvolution(DIM, 3), Recurrence(DIM)]


def seen(mixer, tokens, position):
    """Tokens that have any influence on the output at one position."""
    tokens = tokens.clone().requires_grad_()
    mixer(tokens)[:, position].sum().backward()
    return tokens.grad.abs().sum((0, 2)).nonzero().flatten().tolist()


def test_block_adds_mixer_and_hidden_layer():
    block = MixingBlock(Recurrence(DIM), DIM, 400).double()
    x = torch.randn(B, N, DIM).double()
    states, _ = block.mixer.gru(x)
    W_1, b_1 = block.hidden_proj.weight, block.hidden_proj.bias
    W_2, b_2 = block.output_proj.weight, block.output_proj.bias
    got = block(x)
    for b in range(B):
        for i in range(N):
            y = x[b, i] + states[b, i]
            assert_close(got[b, i], y + W_2 @ (W_1 @ y + b_1).clamp(min=0) + b_2)


@pytest.mark.parametrize("wanted", [300, 1001])
def test_blocks_have_equally_many_parameters(wanted):
    for mixer in [*mixers(), PixelConvolution(DIM, 3, SIDE)]:
        block = MixingBlock(mixer, DIM, wanted)
        count = sum(parameter.numel() for parameter in block.parameters())
        assert wanted - 2 * DIM <= count <= wanted


def test_self_attention_mixer_is_the_layer():
    mixer = SelfAttentionMixer(DIM, "dot", "relu").double()
    x = torch.randn(B, N, DIM).double()
    layer = mixer.attention
    scores = layer.query_proj(x) @ layer.key_proj(x).mT / DIM**0.5
    assert_close(mixer(x), relu_over_length(scores) @ layer.value_proj(x))


def test_what_each_mixer_sees():
    x = torch.randn(B, N, DIM)
    for score in ("dot", "additive"):
        assert seen(SelfAttentionMixer(DIM, score, "softmax"), x, 2) == list(range(N))
    assert seen(CausalConvolution(DIM, 3), x, 4) == [2, 3, 4]
    assert seen(CausalConvolution(DIM, 3), x, 0) == [0]
    assert seen(Recurrence(DIM), x, 4) == [0, 1, 2, 3, 4]
    pixels = torch.randn(B, SIDE**2, DIM)
    neighbours = [0, 1, 2, 4, 5, 6, 8, 9, 10]  # of the pixel in row 1, column 1
    assert seen(PixelConvolution(DIM, 3, SIDE), pixels, 5) == neighbours
    assert seen(PixelConvolution(DIM, 5, SIDE), pixels, 5) == list(range(SIDE**2))


def test_pixels_keep_their_positions():
    mixer = PixelConvolution(1, 3, SIDE)
    with torch.no_grad():
        mixer.convolution.weight.zero_()[0, 0, 1, 2] = 1.0  # the pixel to the right
        mixer.convolution.bias.zero_()
    pixels = torch.arange(1.0, SIDE**2 + 1)[None, :, None]
    moved = mixer(pixels).view(SIDE, SIDE)
    image = pixels.view(SIDE, SIDE)
    assert_close(moved[:, :-1], image[:, 1:])
    assert (moved[:, -1] == 0).all()


def test_no_room_for_a_hidden_layer_is_an_error():
    used = 3 * DIM * DIM
    least = used + DIM + 2 * DIM + 1  # a hidden layer of one unit
    MixingBlock(SelfAttentionMixer(DIM, "dot", "softmax"), DIM, least)
    with pytest.raises(ValueError, match=rf"num_parameters \({least - 1}\).*'s {used}"):
        MixingBlock(SelfAttentionMixer(DIM, "dot", "softmax"), DIM, least - 1)


def test_compiles_to_one_graph(no_shape_checks):
    x = torch.randn(B, N, DIM)
    for mixer in (SelfAttentionMixer(DIM, "dot", "softmax"), CausalConvolution(DIM, 3)):
        block = MixingBlock(mixer, DIM, 400)
        compiled = torch.compile(block, backend="eager", fullgraph=True)
        assert_close(compiled(x), block(x))
