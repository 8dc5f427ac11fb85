"""RNNSearch: its equations in plain loops; laws: test_translation."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.vocab import BOS, EOS
from attention_book.models.bahdanau import (
    FixedContext,
    RNNSearch,
    RNNSearchConfig,
    last_states,
    mean_states,
)
from attention_book.observe import record_weights

# All sizes differ, so that two swapped axes cannot go unseen.
SIZES = {"embed_dim": 3, "hidden_dim": 5, "attention_dim": 7, "maxout_dim": 11}
LAYER = "decoder.unit.attention"


@pytest.fixture
def make(vocab_sizes):
    """A function that makes the model, in float64 and in eval mode."""

    def make(**changes):
        return (
            RNNSearch(RNNSearchConfig(**vocab_sizes, **SIZES | changes)).double().eval()
        )

    return make


def encoder_by_hand(gru, inputs, end):
    """PyTorch's GRU in one direction; ``end`` is the end of its parameters' names."""
    W, U, b_W, b_U = (
        getattr(gru, f"{kind}_l0{end}")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h, states = torch.zeros(gru.hidden_size).double(), []
    for x in inputs:
        (W_r, W_z, W_n), (U_r, U_z, U_n) = (
            (W @ x + b_W).chunk(3),
            (U @ h + b_U).chunk(3),
        )
        r, z = torch.sigmoid(W_r + U_r), torch.sigmoid(W_z + U_z)
        h = z * h + (1 - z) * torch.tanh(W_n + r * U_n)
        states.append(h)
    return states


def decoder_by_hand(model, y, s, annotations):
    """One step, written as in A.2.2; returns logits, s_i and the weights."""
    decoder, unit = model.decoder, model.decoder.unit
    alpha = torch.ones(1).double()  # of the one annotation that a fixed context is
    if len(annotations) > 1:
        attention = unit.attention
        W_a, U_a = attention.query_proj.weight, attention.key_proj.weight
        v_a = attention.score_proj.weight[0]
        e = torch.stack([v_a @ torch.tanh(W_a @ s + U_a @ h) for h in annotations])
        alpha = e.exp() / e.exp().sum()
    c = sum(weight * h for weight, h in zip(alpha, annotations, strict=True))

    t = decoder.maxout_proj.weight @ torch.cat([s, y, c]) + decoder.maxout_proj.bias
    t = torch.stack([max(t[2 * k], t[2 * k + 1]) for k in range(len(t) // 2)])
    logits = decoder.output_proj.weight @ t + decoder.output_proj.bias

    W_r, W_z, W = unit.input_proj.weight.chunk(3)
    b_r, b_z, b = unit.input_proj.bias.chunk(3)
    U_r, U_z, U = unit.state_proj.weight.chunk(3)
    C_r, C_z, C = unit.context_proj.weight.chunk(3)
    r = torch.sigmoid(W_r @ y + b_r + U_r @ s + C_r @ c)
    z = torch.sigmoid(W_z @ y + b_z + U_z @ s + C_z @ c)
    candidate = torch.tanh(W @ y + b + U @ (r * s) + C @ c)
    return logits, (1 - z) * s + z * candidate, alpha


def by_hand(model, pair, vocabs):
    """Log-likelihood of a pair, and the weights of each step."""
    ids = [*vocabs[0].encode(pair.source), EOS]
    words = [model.source_embedding.weight[i] for i in ids]
    forward = encoder_by_hand(model.encoder.gru, words, "")
    backward = encoder_by_hand(model.encoder.gru, words[::-1], "_reverse")[::-1]
    annotations = [torch.cat(states) for states in zip(forward, backward, strict=True)]
    if model.config.score == "none":
        annotations = [torch.cat([forward[-1], backward[0]])]
    if model.config.score == "mean":
        annotations = [torch.stack(annotations).mean(0)]
    initial = model.decoder.initial_proj
    s = torch.tanh(initial.weight @ backward[0] + initial.bias)
    target = vocabs[1].encode(pair.target)
    log_likelihood, alphas = 0.0, []
    for previous, word in zip([BOS, *target], [*target, EOS], strict=True):
        y = model.target_embedding.weight[previous]
        logits, s, alpha = decoder_by_hand(model, y, s, annotations)
        log_likelihood += logits.log_softmax(0)[word]
        alphas.append(alpha.detach())
    return log_likelihood, alphas


def test_equations_one_sentence_at_a_time(make, batch, pairs, vocabs):
    model = make()
    with record_weights(model) as weights:
        loss = model.loss(batch)
    log_likelihood, tokens = 0.0, 0
    for row, pair in enumerate(pairs):
        own, alphas = by_hand(model, pair, vocabs)
        for i, alpha in enumerate(alphas):
            assert_close(weights[LAYER][i][row, 0, : len(alpha)], alpha)
        log_likelihood += own
        tokens += len(alphas)
    assert_close(loss, -log_likelihood / tokens)


@pytest.mark.parametrize("score", ["none", "mean"])
def test_equations_with_a_fixed_context(make, batch, pairs, vocabs, score):
    model = make(score=score)
    found = [by_hand(model, pair, vocabs) for pair in pairs]
    tokens = sum(len(alphas) for _, alphas in found)
    assert_close(model.loss(batch), -sum(own for own, _ in found) / tokens)
    with pytest.raises(ValueError, match="no attention layer"), record_weights(model):
        pass


def test_a_fixed_context_is_all_that_passes(make, batch):
    model, seen = make(score="none"), []
    layer = model.decoder.unit.attention
    layer.register_forward_hook(lambda _layer, _inputs, output: seen.append(output))
    state = model.start(batch.source, batch.source_mask)
    model.decode(batch.target, state)
    assert state.annotations.shape == (len(batch), 1, 10)
    for context, weights in seen:  # as the gates read it
        assert_close(context, model.decoder.unit.context_proj(state.annotations))
        assert (weights == 1).all()
    attending = make().state_dict().keys()
    assert attending - model.state_dict().keys() == {
        f"{LAYER}.{part}.weight" for part in ("query_proj", "key_proj", "score_proj")
    }


def test_a_fixed_context_needs_one_annotation(no_shape_checks):
    with pytest.raises(ValueError, match="one annotation for each sentence, got 2"):
        FixedContext()(torch.zeros(3, 1, 5), *[torch.zeros(3, 2, 7)] * 2)


def test_last_states_without_a_mask_are_those_at_the_end(make, batch):
    encoded = make().encode(batch.source[2:], batch.source_mask[2:])
    assert batch.source_mask[2].all()
    masked = last_states(encoded)
    assert_close(last_states(encoded._replace(mask=None)), masked)
    assert_close(masked.annotations[:, 0, 5:], encoded.annotations[:, 0, 5:])
    assert_close(masked.annotations[:, 0, :5], encoded.annotations[:, -1, :5])


def test_the_mean_of_the_states_leaves_padding_out(make, batch):
    model = make()
    encoded = model.encode(batch.source, batch.source_mask)
    mean, mask, final = mean_states(encoded)
    assert mask is None
    assert final is encoded.final
    for row, own in enumerate(batch.source_mask):
        assert_close(mean[row, 0], encoded.annotations[row, own].mean(0))
    whole = encoded._replace(mask=None)
    assert_close(mean_states(whole).annotations[:, 0], whole.annotations.mean(1))


def test_one_entry_of_weights_a_step(make, batch):
    model = make()
    with record_weights(model) as weights:
        model.loss(batch)
    assert list(weights) == [LAYER]
    rows, keys = batch.source.shape
    assert len(weights[LAYER]) == batch.target.shape[1] - 1
    for step in weights[LAYER]:
        assert step.shape == (rows, 1, keys)
        assert_close(step.sum(-1), torch.ones(rows, 1).double())
        assert (step[~batch.source_mask[:, None]] == 0).all()


def test_a_step_is_one_token_of_decoding(make, batch):
    model = make().eval()
    state = model.start(batch.source, batch.source_mask)
    logits, after = model.step(batch.target[:, 0], state)
    wanted, state = model.decode(batch.target[:, :2], state)
    assert_close(logits, wanted[:, 0])
    assert_close(model.step(batch.target[:, 1], after)[0], wanted[:, 1])


def test_keys_are_projected_once_a_sentence(make, batch):
    model, calls = make(), []
    key_proj = model.decoder.unit.attention.key_proj
    key_proj.register_forward_hook(lambda *_: calls.append(1))
    model.loss(batch)
    assert len(calls) == 1


def test_a_sentence_without_keys_leaves_gradients_finite(make, batch):
    model = make()
    state = model.start(batch.source, batch.source_mask)
    mask = state.mask & torch.tensor([[True], [False], [True]])
    with record_weights(model) as weights, torch.autograd.set_detect_anomaly(True):
        logits, _ = model.decode(batch.target, state._replace(mask=mask))
        logits.square().sum().backward()
    assert all((step[1] == 0).all() for step in weights[LAYER])
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_uniform_start(make, batch):
    model = make(uniform_start=True)
    with record_weights(model) as weights:
        model.loss(batch)
    lengths = batch.source_mask.sum(1, keepdim=True)
    for step in weights[LAYER]:
        assert torch.equal(step[:, 0], batch.source_mask / lengths.double())


def test_recurrent_matrices_start_orthogonal(make):
    model = make()
    for weight in (
        model.decoder.unit.state_proj.weight,
        model.encoder.gru.weight_hh_l0,
        model.encoder.gru.weight_hh_l0_reverse,
    ):
        for block in weight.chunk(3):
            assert_close(block @ block.T, torch.eye(5).double(), atol=1e-6, rtol=0)


def test_without_a_summary_all_rows_start_from_the_bias(make, batch):
    decoder = make().decoder
    state = decoder.start(torch.randn(2, 4, 10).double())
    assert_close(state.hidden, decoder.initial_proj.bias.tanh().expand(2, 5))
    assert state.mask is None


def test_errors(make):
    with pytest.raises(ValueError, match="attention_dim must be at least 1, got 0"):
        make(attention_dim=0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1.0"):
        make(dropout=1.0)
    with pytest.raises(ValueError, match=r"score must be .* got 'cosine'"):
        make(score="cosine")
    with pytest.raises(ValueError, match="'dot' has no v_a"):
        make(score="dot", uniform_start=True)


def test_sizes_of_the_quick_runs():
    assert dataclasses.asdict(RNNSearchConfig(source_vocab=7, target_vocab=9)) == {
        "source_vocab": 7,
        "target_vocab": 9,
        "embed_dim": 64,
        "hidden_dim": 128,
        "attention_dim": 128,
        "maxout_dim": 64,
        "dropout": 0.0,
        "score": "additive",
        "uniform_start": False,
    }
