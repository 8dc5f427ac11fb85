"""CoupledAttention: the paper's equations as loops, and what its layers are for."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.later.coupled import CoupledAttention

B, N, DIM, SLICES, LAYERS = 2, 5, 3, 4, 3


def looped(layer, sentence):
    """Both attentions on one sentence: one slice, token and layer at a time."""
    size = layer.feature_dim
    queries = list(layer.prototypes)
    total = torch.zeros(2, len(sentence), size, dtype=torch.float64)
    for _ in range(layer.num_layers):
        contexts, all_weights = [], []
        for m in (0, 1):
            own, other = queries[m], queries[1 - m]
            W, U, C = layer.input_gates[m], layer.state_gates[m], layer.state_new[m]
            state, rows = layer.first_state[m], []
            for token in sentence:
                beta = [token @ G @ own for G in layer.own[m]]
                if layer.other is not None:
                    beta += [token @ D @ other for D in layer.other[m]]
                beta = layer.activation(torch.stack(beta))
                inputs = beta @ W
                z = torch.sigmoid(inputs[:size] + state @ U[:, :size])
                r = torch.sigmoid(inputs[size : 2 * size] + state @ U[:, size:])
                new = torch.tanh(inputs[2 * size :] + (r * state) @ C)
                state = (1 - z) * state + z * new
                rows.append(state)
            e = torch.stack([row @ layer.score[m] for row in rows])
            alpha = e.exp() / e.exp().sum()
            contexts.append(
                sum(a * token for a, token in zip(alpha, sentence, strict=True))
            )
            all_weights.append(alpha)
            total[m] += torch.stack(rows)
        queries = [
            torch.tanh(layer.renew[m] @ queries[m]) + contexts[m] for m in (0, 1)
        ]
    return torch.stack(contexts), torch.stack(all_weights), total


@pytest.mark.parametrize("coupled", [True, False])
def test_equations_one_token_at_a_time(coupled):
    layer = CoupledAttention(DIM, SLICES, num_layers=LAYERS, coupled=coupled).double()
    sentences = torch.randn(B, N, DIM, dtype=torch.float64)
    context, weights, features = layer(sentences)
    for b, sentence in enumerate(sentences):
        want = looped(layer, sentence)
        assert_close((context[b], weights[b], features[b]), want)


def test_within_one_layer_nothing_looks_ahead_and_with_two_something_does():
    one, two = (CoupledAttention(DIM, SLICES, num_layers=n) for n in (1, 2))
    sentence = torch.randn(1, N, DIM)
    changed = sentence.clone()
    changed[:, -1] += 1.0
    first, other = (layer(sentence).features for layer in (one, two))
    assert_close(one(changed).features[:, :, :-1], first[:, :, :-1])
    assert not torch.allclose(two(changed).features[:, :, 0], other[:, :, 0])


def test_without_the_other_ones_matrices_the_attentions_do_not_meet():
    for coupled in (True, False):
        layer = CoupledAttention(DIM, SLICES, coupled=coupled)
        sentence = torch.randn(1, N, DIM)
        before = layer(sentence).features
        with torch.no_grad():
            layer.prototypes[1] += 1.0
        after = layer(sentence).features
        assert torch.allclose(before[:, 0], after[:, 0]) == (not coupled)
        assert not torch.allclose(before[:, 1], after[:, 1])


def test_number_of_weights_is_that_of_the_paper():
    """200,000 of them in the four tensors, with 20 slices and 50 dimensions."""
    layer = CoupledAttention(50, 20)
    assert layer.own.numel() + layer.other.numel() == 200_000
    assert layer.feature_dim == 40


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        CoupledAttention(DIM, SLICES, num_layers=0)
