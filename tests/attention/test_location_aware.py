"""Location-aware attention: equations by loops, windows, what equal keys get."""

import math

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.attention.location_aware import (
    LocationAwareAttention,
    backward_mass,
    median_position,
    median_window,
)
from attention_book.functional import token_mask

B, Q, K, QUERY, KEY, VALUE, HIDDEN, FILTERS, WIDTH = 2, 4, 9, 3, 5, 7, 11, 6, 3


def make(normaliser="softmax", width=WIDTH):
    return LocationAwareAttention(
        QUERY, KEY, HIDDEN, num_filters=FILTERS, width=width, normaliser=normaliser
    ).double()


@pytest.fixture
def inputs():
    sizes = (Q, QUERY), (K, KEY), (K, VALUE)
    return [torch.randn(B, *size, dtype=torch.float64) for size in sizes]


def by_loops(layer, query, key, value, allowed, start, beta, window):
    """Every number of a row by itself, in plain Python."""
    W, V, b = layer.query_proj.weight, layer.key_proj.weight, layer.key_proj.bias
    filters, U = layer.location_conv.weight[:, 0], layer.location_proj.weight
    w = layer.score_proj.weight[0]
    half = filters.shape[1] // 2
    last, contexts, rows = list(start), [], []
    for i in range(len(query)):
        total, median = 0.0, None
        for j in range(K):
            total += last[j]
            if median is None and total >= sum(last) / 2:
                median = j
        energies = {}
        for j in range(K):
            outside = window is not None and not median - window <= j < median + window
            if outside or not allowed[i][j]:
                continue
            f = [
                sum(
                    float(filters[k, half + offset]) * last[j + offset]
                    for offset in range(-half, half + 1)
                    if 0 <= j + offset < K
                )
                for k in range(FILTERS)
            ]
            f = torch.tensor(f, dtype=torch.float64)
            e = float(w @ torch.tanh(W @ query[i] + V @ key[j] + U @ f + b))
            if layer.normaliser == "sigmoid":
                e = 1 / (1 + math.exp(-e - float(layer.score_proj.bias)))
            else:
                e = math.exp(beta * e)
            energies[j] = e
        norm = sum(energies.values())
        last = [energies.get(j, 0.0) / (norm or 1) for j in range(K)]
        rows.append(last)
        contexts.append(sum(last[j] * value[j] for j in range(K)))
    return torch.stack(contexts), torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("normaliser", "options"),
    [
        ("softmax", {}),
        ("sigmoid", {}),
        ("softmax", {"sharpening": 2.0}),
        ("softmax", {"window": 2}),
        ("sigmoid", {"window": 1}),
    ],
)
@torch.no_grad()
def test_equations_step_by_step(normaliser, options, inputs):
    layer = make(normaliser)
    mask = token_mask(torch.tensor([K, 6]), K)[:, None].repeat(1, Q, 1)
    mask[0, 2, 3] = False
    for start in (None, torch.rand(B, K).double().softmax(dim=-1)):
        context, weights = layer(*inputs, mask, previous_weights=start, **options)
        for row in range(B):
            first = [1.0] + [0.0] * (K - 1) if start is None else start[row].tolist()
            want = by_loops(
                layer,
                *(tensor[row] for tensor in inputs),
                mask[row].tolist(),
                first,
                options.get("sharpening", 1.0),
                options.get("window"),
            )
            assert_close((context[row], weights[row]), want)


def test_one_step_at_a_time_is_the_same(inputs):
    layer = make()
    query, key, value = inputs
    want = layer(*inputs)
    projected, last, steps = layer.project(key), None, []
    for i in range(Q):
        context, weights = layer(
            query[:, i : i + 1],
            key,
            value,
            projected_key=projected,
            previous_weights=last,
        )
        last = weights[:, 0]
        steps.append((context, weights))
    got = [torch.cat(parts, dim=1) for parts in zip(*steps, strict=True)]
    assert_close(tuple(got), want)


def test_without_locations_it_is_additive_attention(inputs):
    layer, additive = make(), AdditiveAttention(QUERY, KEY, HIDDEN).double()
    torch.nn.init.zeros_(layer.location_proj.weight)
    torch.nn.init.zeros_(layer.key_proj.bias)
    for name in ("query_proj", "key_proj", "score_proj"):
        getattr(additive, name).weight = getattr(layer, name).weight
    assert_close(layer(*inputs), additive(*inputs))


def test_equal_keys_differ_by_their_location_only(inputs):
    """Content alone cannot tell two equal sounds apart."""
    query, key, value = inputs
    key = key[:, :1].expand_as(key)
    layer = make()
    _, weights = layer(query, key, value)
    # Two keys lie further from the start than the filter reaches: these are equal.
    assert_close(weights[:, 0, 3], weights[:, 0, 4])
    assert (weights[:, 0, 0] != weights[:, 0, 4]).all()
    torch.nn.init.zeros_(layer.location_proj.weight)
    assert_close(layer(query, key, value)[1], torch.full((B, Q, K), 1 / K).double())


def test_a_filter_can_move_the_weights_on_by_one_key():
    layer = LocationAwareAttention(1, 1, 1, num_filters=1, width=3).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        # f_ij is the last weight of key j - 1.
        layer.location_conv.weight[0, 0, 0] = 1
        layer.location_proj.weight.fill_(10)
        layer.score_proj.weight.fill_(50)
    zeros = torch.zeros(1, 3, 1).double(), torch.zeros(1, 5, 1).double()
    _, weights = layer(*zeros, zeros[1])
    assert_close(weights[0], torch.eye(5)[1:4].double())


def test_smoothing_survives_scores_at_which_a_sigmoid_is_zero(inputs):
    layer = make("sigmoid").float()
    torch.nn.init.constant_(layer.score_proj.bias, -200.0)
    _, weights = layer(*(tensor.float() for tensor in inputs))
    assert_close(weights.sum(-1), torch.ones(B, Q))


def test_gradients_pass_through_the_last_weights(inputs):
    query, key, value = inputs
    start = torch.full((B, K), 1 / K).double().requires_grad_()
    _, weights = make()(query, key, value, previous_weights=start)
    (gradient,) = torch.autograd.grad(weights[:, 2].square().sum(), start)
    assert (gradient != 0).all()


def test_no_queries_give_nothing(inputs):
    query, key, value = inputs
    context, weights = make()(query[:, :0], key, value)
    assert context.shape == (B, 0, VALUE)
    assert weights.shape == (B, 0, K)


def test_the_median_is_where_half_of_the_weight_is_reached():
    weights = torch.rand(20, K)
    for row, p in zip(weights, median_position(weights).tolist(), strict=True):
        assert row[:p].sum() < row.sum() / 2 <= row[: p + 1].sum() + 1e-6
    assert median_position(torch.zeros(1, K)).item() == 0
    stray = torch.tensor([[0.0, 0.8, 0.0, 0.0, 0.0, 0.2]])
    assert median_window(stray, 1).tolist() == [[True, True] + [False] * 4]
    assert median_window(stray, 9).all()


def test_weight_that_moves_backwards_is_counted():
    weights = torch.rand(B, Q, K).double().softmax(dim=-1)
    want = []
    for row in weights.tolist():
        total = 0.0
        for i in range(1, Q):
            for j in range(K):
                total += max(0.0, sum(row[i][: j + 1]) - sum(row[i - 1][: j + 1]))
        want.append(total)
    assert_close(backward_mass(weights), torch.tensor(want).double())
    mask = token_mask(torch.tensor([Q, 2]), Q)
    want = torch.stack([backward_mass(weights[:1]), backward_mass(weights[1:, :2])])
    assert_close(backward_mass(weights, mask), want[:, 0])
    forward = torch.eye(K)[None, [0, 1, 1, 5]]
    assert backward_mass(forward).item() == 0


def test_errors(inputs, no_shape_checks):
    sizes = {"num_filters": FILTERS, "width": WIDTH}
    with pytest.raises(ValueError, match="width must be odd, got 4"):
        LocationAwareAttention(2, 3, 5, num_filters=7, width=4)
    with pytest.raises(ValueError, match="num_filters must be at least 1, got 0"):
        LocationAwareAttention(2, 3, 5, num_filters=0, width=3)
    with pytest.raises(ValueError, match=r"one of softmax, sigmoid, got 'max'"):
        LocationAwareAttention(2, 3, 5, normaliser="max", **sizes)
    layer = make()
    for wrong in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="sharpening must be positive"):
            layer(*inputs, sharpening=wrong)
    with pytest.raises(ValueError, match=r"1 with a sigmoid, got 2\.0 with sigmoid"):
        make("sigmoid")(*inputs, sharpening=2.0)
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        layer(*inputs, window=0)
    with pytest.raises(TypeError, match=r"window must be an integer, got 1\.5"):
        layer(*inputs, window=1.5)
    with pytest.raises(ValueError, match=r"previous_weights must have .*\(2, 9\)"):
        layer(*inputs, previous_weights=torch.zeros(1, K))
    with pytest.raises(ValueError, match=r"projected_key must have .*\(2, 9, 11\)"):
        layer(*inputs, projected_key=torch.zeros(B, K, 3))
    query, key, value = inputs
    with pytest.raises(ValueError, match="value must have shape"):
        layer(query, key, value[:1])
    with pytest.raises(ValueError, match=r"mask must have shape \(2, 4\)"):
        backward_mass(torch.zeros(B, Q, K), torch.ones(B, 1, dtype=torch.bool))
