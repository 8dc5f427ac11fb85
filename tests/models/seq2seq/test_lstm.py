"""Seq2Seq: its equations in plain loops; laws: test_translation."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.vocab import BOS, EOS, PAD
from attention_book.models.seq2seq.lstm import (
    Seq2Seq,
    Seq2SeqConfig,
    reverse_words,
)

# All sizes differ, so that two swapped axes cannot go unseen.
SIZES = {"embed_dim": 3, "hidden_dim": 5, "num_layers": 2}


@pytest.fixture
def make(vocab_sizes):
    """A function that makes the model, in float64 and in eval mode."""

    def make(**changes):
        return Seq2Seq(Seq2SeqConfig(**vocab_sizes, **SIZES | changes)).double().eval()

    return make


def lstm_by_hand(lstm, inputs, states):
    """Every layer and time step of an LSTM without peepholes, one equation a line."""
    for layer in range(lstm.num_layers):
        W, U, b_W, b_U = (
            getattr(lstm, f"{kind}_l{layer}")
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h, c = states[layer]
        outputs = []
        for x in inputs:
            i, f, g, o = (W @ x + b_W + U @ h + b_U).chunk(4)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        inputs, states[layer] = outputs, (h, c)
    return inputs, states


@pytest.mark.parametrize("reverse", [True, False])
def test_equations_one_sentence_at_a_time(make, batch, reverse, pairs, vocabs):
    model = make(reverse_source=reverse)
    log_likelihood, tokens = 0.0, 0
    for pair in pairs:
        words = vocabs[0].encode(pair.source)
        source = (words[::-1] if reverse else words) + [EOS]
        zeros = torch.zeros(SIZES["hidden_dim"]).double()
        states = [(zeros, zeros) for _ in range(SIZES["num_layers"])]
        embedded = [model.source_embedding.weight[i] for i in source]
        _, states = lstm_by_hand(model.encoder.lstm, embedded, states)
        target = vocabs[1].encode(pair.target)
        embedded = [model.target_embedding.weight[i] for i in [BOS, *target]]
        outputs, _ = lstm_by_hand(model.decoder, embedded, states)
        for h, word in zip(outputs, [*target, EOS], strict=True):
            logits = model.output_proj.weight @ h + model.output_proj.bias
            log_likelihood += logits.log_softmax(0)[word]
            tokens += 1
    assert_close(model.loss(batch), -log_likelihood / tokens)


def test_the_state_is_all_that_passes(make, batch):
    model = make()
    hidden, cell = model.start(batch.source, batch.source_mask)
    assert hidden[0].numel() + cell[0].numel() == model.config.summary_dim == 20


def test_reversal_stays_inside_the_true_length():
    source = torch.tensor(
        [[7, 8, 9, EOS, PAD], [5, EOS, PAD, PAD, PAD], [EOS] + 4 * [PAD]]
    )
    want = torch.tensor(
        [[9, 8, 7, EOS, PAD], [5, EOS, PAD, PAD, PAD], [EOS] + 4 * [PAD]]
    )
    assert torch.equal(reverse_words(source, source != PAD), want)
    assert torch.equal(reverse_words(want, want != PAD), source)


def test_initial_values_of_the_paper(make):
    model = make(hidden_dim=50, init_range=0.08)
    assert all(parameter.abs().max() <= 0.08 for parameter in model.parameters())
    assert model.encoder.lstm.weight_hh_l0.abs().max() > 0.079


def test_other_errors(make, no_shape_checks):
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1.0"):
        make(dropout=1.0)
    with pytest.raises(
        ValueError, match=r"source_mask must have the shape.*got \(2, 4\)"
    ):
        reverse_words(torch.zeros(2, 3).long(), torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match="init_range must be positive, got 0"):
        make(init_range=0.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().config.hidden_dim = 7


def test_sizes_of_the_quick_runs():
    assert dataclasses.asdict(Seq2SeqConfig(source_vocab=7, target_vocab=9)) == {
        "source_vocab": 7,
        "target_vocab": 9,
        "embed_dim": 64,
        "hidden_dim": 128,
        "num_layers": 2,
        "reverse_source": True,
        "dropout": 0.0,
        "init_range": None,
    }
