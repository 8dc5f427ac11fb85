"""RNNEncoderDecoder: Cho et al.'s equations in plain loops, the laws, learning."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.data.translation import Pair, pair_batch
from attention_book.data.vocab import BOS, EOS, Vocab
from attention_book.models.seq2seq_gru import (
    GatedUnit,
    RNNEncoderDecoder,
    RNNEncoderDecoderConfig,
)

SIZES = {"embed_dim": 3, "hidden_dim": 5, "summary_dim": 7, "maxout_dim": 11}
PAIRS = [
    Pair(source=("two",), target=("zwei",)),
    Pair(source=("twenty", "one"), target=("ein", "und", "zwanzig")),
    Pair(source=("two", "hundred", "six"), target=("zwei", "hundert", "sechs", "zwei")),
]
VOCABS = tuple(
    Vocab(word for pair in PAIRS for word in getattr(pair, side))
    for side in ("source", "target")
)


@pytest.fixture
def batch():
    return pair_batch(PAIRS, VOCABS)


def make(**changes):
    sizes = {"source_vocab": len(VOCABS[0]), "target_vocab": len(VOCABS[1])} | SIZES
    return RNNEncoderDecoder(RNNEncoderDecoderConfig(**sizes | changes)).double().eval()


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


def test_equations_one_sentence_at_a_time(batch):
    model = make()
    log_likelihood, tokens = 0.0, 0
    for pair in PAIRS:
        h = torch.zeros(SIZES["hidden_dim"]).double()
        for i in [*VOCABS[0].encode(pair.source), EOS]:
            h = unit_by_hand(model.encoder, model.source_embedding.weight[i], h)
        c = torch.tanh(model.summary_proj.weight @ h + model.summary_proj.bias)
        h = torch.tanh(model.initial_proj.weight @ c + model.initial_proj.bias)
        target = VOCABS[1].encode(pair.target)
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
    unit, gru = GatedUnit(3, 5, context_dim=7), nn.GRU(3, 5, batch_first=True)
    with torch.no_grad():
        unit.context_proj.weight.zero_()
        gru.bias_hh_l0.zero_()
        gru.weight_ih_l0.copy_(unit.input_proj.weight)  # both in the order r, z, n
        gru.weight_hh_l0.copy_(unit.state_proj.weight)
        gru.bias_ih_l0.copy_(unit.input_proj.bias)
    x, h = torch.randn(2, 4, 3), torch.randn(2, 5)
    outputs, last = gru(x, h[None])
    assert_close(unit(x, h, torch.randn(2, 7)), (outputs, last[0]))


def test_padding_changes_nothing(batch):
    model = make()
    together = model.summarise(batch.source, batch.source_mask)
    for i, pair in enumerate(PAIRS):
        alone = pair_batch([pair], VOCABS)
        assert_close(
            together[i : i + 1], model.summarise(alone.source, alone.source_mask)
        )


def test_step_by_step_equals_all_at_once(batch):
    model = make()
    state = model.start(batch.source, batch.source_mask)
    logits, last = model.decode(batch.target, state)
    for t in range(batch.target.shape[1]):
        step_logits, state = model.step(batch.target[:, t], state)
        assert_close(step_logits, logits[:, t])
    assert_close(state, last)


def test_everything_passes_through_the_summary(batch):
    model = make(summary_dim=1)
    hidden, summary = model.start(batch.source, batch.source_mask)
    assert summary.shape == (3, 1)
    # Two sentences with the same summary start in the same state, whatever they say.
    assert_close(hidden, model.initial_proj(summary).tanh())


def test_recurrent_matrices_start_orthogonal():
    for block in make().decoder.state_proj.weight.chunk(3):
        assert_close(block @ block.T, torch.eye(5).double(), atol=1e-6, rtol=0)


def test_learns_its_examples_and_the_same_twice(batch):
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        model = make(embed_dim=16, hidden_dim=24, summary_dim=8).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(80):
            optimizer.zero_grad()
            loss = model.loss(batch)
            loss.backward()
            optimizer.step()
        losses.append(loss)
    assert losses[0] < 0.01
    assert torch.equal(losses[0], losses[1])


def test_errors(no_shape_checks):
    message = "context must be given to a unit that was made with context_dim"
    with pytest.raises(ValueError, match=message):
        GatedUnit(3, 5, 7)(torch.zeros(1, 2, 3), torch.zeros(1, 5))
    with pytest.raises(ValueError, match=message):
        GatedUnit(3, 5)(torch.zeros(1, 2, 3), torch.zeros(1, 5), torch.zeros(1, 7))
    with pytest.raises(ValueError, match="summary_dim must be at least 1, got 0"):
        make(summary_dim=0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got -0.1"):
        make(dropout=-0.1)


def test_a_mask_that_does_not_fit_is_an_error(batch, no_shape_checks):
    model, mask = make(), batch.source_mask
    with pytest.raises(ValueError, match=r"shape of source, \(3, 4\), got \(1, 4\)"):
        model.start(batch.source, mask[:1])  # would broadcast silently
    with pytest.raises(
        TypeError, match=r"source_mask must be boolean, got torch.int64"
    ):
        model.start(batch.source, mask.long())
