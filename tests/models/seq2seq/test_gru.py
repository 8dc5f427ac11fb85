"""RNNEncoderDecoder: Cho et al.'s equations in plain loops; laws: test_translation."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.data.vocab import BOS, EOS
from attention_book.models.seq2seq.gru import (
    GatedRecurrentUnit,
    RNNEncoderDecoder,
    RNNEncoderDecoderConfig,
)

SIZES = {"embed_dim": 3, "hidden_dim": 5, "summary_dim": 7, "maxout_dim": 11}


@pytest.fixture
def make(vocab_sizes):
    """A function that makes the model, in float64 and in eval mode."""

    def make(**changes):
        return (
            RNNEncoderDecoder(RNNEncoderDecoderConfig(**vocab_sizes, **SIZES | changes))
            .double()
            .eval()
        )

    return make


def unit_by_hand(unit, x, h, c=None):
    """One step, written as in the paper: z is the share of the old state."""
    W_r, W_z, W = unit.input_proj.weight.chunk(3)
    b_r, b_z, b = unit.input_proj.bias.chunk(3)
    U_r, U_z, U = unit.state_proj.weight.chunk(3)
    if c is None:
        r = torch.sigmoid(W_r @ x + b_r + U_r @ h)
        z = torch.sigmoid(W_z @ x + b_z + U_z @ h)
        new = torch.tanh(W @ x + b + U @ (r * h))
    else:
        C_r, C_z, C = unit.context_proj.weight.chunk(3)
        r = torch.sigmoid(W_r @ x + b_r + U_r @ h + C_r @ c)
        z = torch.sigmoid(W_z @ x + b_z + U_z @ h + C_z @ c)
        new = torch.tanh(W @ x + b + r * (U @ h + C @ c))
    return z * h + (1 - z) * new


def test_equations_one_sentence_at_a_time(make, batch, pairs, vocabs):
    model = make()
    log_likelihood, tokens = 0.0, 0
    for pair in pairs:
        h = torch.zeros(SIZES["hidden_dim"]).double()
        for i in [*vocabs[0].encode(pair.source), EOS]:
            h = unit_by_hand(model.encoder, model.source_embedding.weight[i], h)
        c = torch.tanh(model.summary_proj.weight @ h + model.summary_proj.bias)
        h = torch.tanh(model.initial_proj.weight @ c + model.initial_proj.bias)
        target = vocabs[1].encode(pair.target)
        for previous, word in zip([BOS, *target], [*target, EOS], strict=True):
            y = model.target_embedding.weight[previous]
            h = unit_by_hand(model.decoder, y, h, c)
            pairs = model.maxout_proj.weight @ torch.cat([h, y, c])
            pairs = pairs + model.maxout_proj.bias
            t = torch.stack(
                [
                    max(pairs[2 * k], pairs[2 * k + 1])
                    for k in range(SIZES["maxout_dim"])
                ]
            )
            logits = model.output_proj.weight @ t + model.output_proj.bias
            log_likelihood += logits.log_softmax(0)[word]
            tokens += 1
    assert_close(model.loss(batch), -log_likelihood / tokens)


def test_with_its_context_switched_off_the_decoder_is_pytorchs_gru():
    unit, gru = GatedRecurrentUnit(3, 5, context_dim=7), nn.GRU(3, 5, batch_first=True)
    with torch.no_grad():
        unit.context_proj.weight.zero_()
        gru.bias_hh_l0.zero_()
        gru.weight_ih_l0.copy_(unit.input_proj.weight)  # both in the order r, z, n
        gru.weight_hh_l0.copy_(unit.state_proj.weight)
        gru.bias_ih_l0.copy_(unit.input_proj.bias)
    x, h = torch.randn(2, 4, 3), torch.randn(2, 5)
    outputs, last = gru(x, h[None])
    assert_close(unit(x, h, torch.randn(2, 7)), (outputs, last[0]))


def test_everything_passes_through_the_summary(make, batch):
    model = make(summary_dim=1)
    hidden, summary = model.start(batch.source, batch.source_mask)
    assert summary.shape == (3, 1)
    # Two sentences with the same summary start in the same state, whatever they say.
    assert_close(hidden, model.initial_proj(summary).tanh())


def test_recurrent_matrices_start_orthogonal(make):
    for block in make().decoder.state_proj.weight.chunk(3):
        assert_close(block @ block.T, torch.eye(5).double(), atol=1e-6, rtol=0)


def test_errors(make, no_shape_checks):
    message = "context must be given to a unit that was made with context_dim"
    with pytest.raises(ValueError, match=message):
        GatedRecurrentUnit(3, 5, 7)(torch.zeros(1, 2, 3), torch.zeros(1, 5))
    with pytest.raises(ValueError, match=message):
        GatedRecurrentUnit(3, 5)(
            torch.zeros(1, 2, 3), torch.zeros(1, 5), torch.zeros(1, 7)
        )
    with pytest.raises(ValueError, match="summary_dim must be at least 1, got 0"):
        make(summary_dim=0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got -0.1"):
        make(dropout=-0.1)


def test_sizes_of_the_quick_runs():
    config = RNNEncoderDecoderConfig(source_vocab=7, target_vocab=9)
    assert dataclasses.asdict(config) == {
        "source_vocab": 7,
        "target_vocab": 9,
        "embed_dim": 64,
        "hidden_dim": 128,
        "summary_dim": 128,
        "maxout_dim": 64,
        "dropout": 0.0,
    }
