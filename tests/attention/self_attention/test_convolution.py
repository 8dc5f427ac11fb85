"""A convolution as self-attention: scores by hand, and equal to PyTorch's layer."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.self_attention.convolution import (
    QuadraticAttention,
    attention_from_convolution,
    kernel_shifts,
    quadratic_scores,
)

B, CIN, COUT, HEIGHT, WIDTH = 2, 5, 3, 8, 7


def test_shifts_are_in_the_order_of_a_kernels_weights():
    assert kernel_shifts(1).tolist() == [[0, 0]]
    shifts = kernel_shifts(5)
    assert shifts.tolist() == [[i - 2, j - 2] for i in range(5) for j in range(5)]


def test_scores_one_pair_at_a_time():
    """v r equals the parabola of lemma 2, but for a number of its row."""
    distance = torch.randn(4, 6, 2).double()
    centre, sharpness = torch.randn(3, 2).double(), torch.rand(3).double()
    scores = quadratic_scores(distance, centre, sharpness)
    for h in range(3):
        alpha, delta_h = sharpness[h], centre[h]
        v = -alpha * torch.stack([torch.tensor(1.0), -2 * delta_h[0], -2 * delta_h[1]])
        for q in range(4):
            for k in range(6):
                delta = distance[q, k]
                r = torch.stack([delta.square().sum(), *delta])
                assert_close(scores[h, q, k], v @ r)
                parabola = -alpha * (delta - delta_h).square().sum()
                assert_close(scores[h, q, k] - alpha * delta_h.square().sum(), parabola)


@pytest.mark.parametrize("size", [1, 3, 5])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_the_convolution(size, bias):
    convolution = nn.Conv2d(CIN, COUT, size, padding=size // 2, bias=bias)
    layer = attention_from_convolution(convolution)
    image = torch.randn(B, CIN, HEIGHT, WIDTH)
    output, weights = layer(image, need_weights=True)
    assert weights.shape[1] == size**2
    assert (output - convolution(image)).abs().max() < 1e-5
    # The border too, for which zeros are among the keys.
    ones = torch.ones_like(image)
    assert (layer(ones)[0] - convolution(ones)).abs().max() < 1e-5


def test_sharper_is_closer():
    convolution, image = (
        nn.Conv2d(CIN, COUT, 3, padding="same"),
        torch.randn(B, CIN, 8, 8),
    )
    errors = []
    for sharpness in (2.0, 5.0, 10.0):
        layer = attention_from_convolution(convolution, sharpness=sharpness)
        errors.append((layer(image)[0] - convolution(image)).abs().max().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.1
    assert errors[2] < 0.01


def test_weights_point_at_the_pixel_of_each_head():
    layer = QuadraticAttention(CIN, COUT, 3, sharpness=46.0)
    image = torch.randn(B, CIN, HEIGHT, WIDTH)
    _, weights = layer(image, need_weights=True)
    assert weights.shape == (B, 9, HEIGHT * WIDTH, (HEIGHT + 2) * (WIDTH + 2))
    assert_close(weights.sum(-1), torch.ones(B, 9, HEIGHT * WIDTH))
    position = weights.argmax(-1)
    for h in range(9):
        for i in range(HEIGHT):
            for j in range(WIDTH):
                framed = (i + h // 3) * (WIDTH + 2) + j + h % 3
                assert (position[:, h, i * WIDTH + j] == framed).all()
    assert layer(image)[1] is None
    assert_close(layer(image)[0], layer(image, need_weights=True)[0])


def test_equation_with_blunt_heads():
    layer = QuadraticAttention(CIN, COUT, 3, sharpness=0.5).double()
    image = torch.randn(B, CIN, HEIGHT, WIDTH).double()
    output, weights = layer(image, need_weights=True)
    W, b = layer.out_proj.weight, layer.out_proj.bias
    framed = nn.functional.pad(image, (1, 1, 1, 1)).flatten(2)
    for q in range(0, HEIGHT * WIDTH, 11):
        want = b.expand(B, COUT)
        for h in range(9):
            found = framed @ weights[0, h, q]
            want = want + found @ W[:, h * CIN : (h + 1) * CIN].T
        assert_close(output.flatten(2)[..., q], want)


def test_where_heads_look_is_learned():
    layer = QuadraticAttention(CIN, COUT, 3)
    layer(torch.randn(B, CIN, HEIGHT, WIDTH))[0].square().sum().backward()
    for parameter in layer.parameters():
        assert parameter.grad.isfinite().all()
        assert (parameter.grad != 0).any()


def test_no_image_and_one_pixel():
    layer = QuadraticAttention(CIN, COUT, 3, sharpness=46.0)
    assert layer(torch.randn(0, CIN, 4, 4))[0].shape == (0, COUT, 4, 4)
    pixel = torch.randn(1, CIN, 1, 1)
    middle = layer.out_proj.weight[:, 4 * CIN : 5 * CIN] @ pixel[0, :, 0, 0]
    assert_close(layer(pixel)[0][0, :, 0, 0], middle + layer.out_proj.bias)


def test_errors(no_shape_checks):
    for size in (0, 2, -1):
        with pytest.raises(ValueError, match=f"kernel_size must be odd, got {size}"):
            kernel_shifts(size)
    with pytest.raises(
        ValueError, match=r"image must have shape.*5, height.*\(2, 4, 8"
    ):
        QuadraticAttention(CIN, COUT, 3)(torch.zeros(B, 4, HEIGHT, WIDTH))
    for other in (
        nn.Conv2d(CIN, COUT, 3),
        nn.Conv2d(CIN, COUT, (3, 1), padding=1),
        nn.Conv2d(CIN, COUT, 3, padding=1, stride=2),
        nn.Conv2d(CIN, COUT, 3, padding=2, dilation=2),
        nn.Conv2d(CIN, COUT, 3, padding=1, padding_mode="circular"),
        nn.Conv2d(6, 3, 3, padding=1, groups=3),
    ):
        with pytest.raises(ValueError, match=r"square kernel, zeros.*got Conv2d"):
            attention_from_convolution(other)
    with pytest.raises(ValueError, match="kernel_size must be odd, got 4"):
        attention_from_convolution(nn.Conv2d(CIN, COUT, 4, padding="same"))


def test_sharpness_at_first():
    assert (QuadraticAttention(CIN, COUT, 3).sharpness == 1).all()
    convolution = nn.Conv2d(CIN, COUT, 1)
    assert attention_from_convolution(convolution).sharpness.tolist() == [46.0]


def test_sharpness_may_be_a_whole_number(no_shape_checks):
    layer = attention_from_convolution(nn.Conv2d(CIN, COUT, 1), sharpness=3)
    assert layer.sharpness.tolist() == [3.0]
