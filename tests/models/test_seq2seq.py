"""Seq2Seq: the equations in plain loops, the laws, and that it learns."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.translation import Pair, pair_batch
from attention_book.data.vocab import BOS, EOS, PAD, Vocab
from attention_book.models.seq2seq import (
    Seq2Seq,
    Seq2SeqConfig,
    free_running_loss,
    reverse_words,
)

# All sizes differ, so that two swapped axes cannot go unseen.
SIZES = {"embed_dim": 3, "hidden_dim": 5, "num_layers": 2}
PAIRS = [
    Pair(source=("two",), target=("zwei",)),
    Pair(source=("twenty", "one"), target=("ein", "und", "zwanzig")),
    Pair(source=("thirty", "two", "million"), target=("zwei", "und", "dreißig")),
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
    return Seq2Seq(Seq2SeqConfig(**sizes | changes)).double().eval()


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
def test_equations_one_sentence_at_a_time(batch, reverse):
    model = make(reverse_source=reverse)
    log_likelihood, tokens = 0.0, 0
    for pair in PAIRS:
        words = VOCABS[0].encode(pair.source)
        source = (words[::-1] if reverse else words) + [EOS]
        zeros = torch.zeros(SIZES["hidden_dim"]).double()
        states = [(zeros, zeros) for _ in range(SIZES["num_layers"])]
        embedded = [model.source_embedding.weight[i] for i in source]
        _, states = lstm_by_hand(model.encoder, embedded, states)
        target = VOCABS[1].encode(pair.target)
        embedded = [model.target_embedding.weight[i] for i in [BOS, *target]]
        outputs, _ = lstm_by_hand(model.decoder, embedded, states)
        for h, word in zip(outputs, [*target, EOS], strict=True):
            logits = model.output_proj.weight @ h + model.output_proj.bias
            log_likelihood += logits.log_softmax(0)[word]
            tokens += 1
    assert_close(model.loss(batch), -log_likelihood / tokens)


def test_padding_changes_nothing(batch):
    model = make()
    together = model.start(batch.source, batch.source_mask)
    for i, pair in enumerate(PAIRS):
        alone = pair_batch([pair], VOCABS)
        for part, own in zip(
            together, model.start(alone.source, alone.source_mask), strict=True
        ):
            assert_close(part[i : i + 1], own)


def test_step_by_step_equals_all_at_once(batch):
    model = make()
    state = model.start(batch.source, batch.source_mask)
    logits, last = model.decode(batch.target, state)
    for t in range(batch.target.shape[1]):
        step_logits, state = model.step(batch.target[:, t], state)
        assert_close(step_logits, logits[:, t])
    assert_close(state, last)


def test_no_word_sees_the_words_after_it(batch):
    model = make()
    embedded = []
    model.target_embedding.register_forward_hook(
        lambda _module, _args, out: (out.retain_grad(), embedded.append(out))[0]
    )
    logits, _ = model.decode(batch.target, model.start(batch.source, batch.source_mask))
    logits[:, 1].sum().backward()
    assert (embedded[0].grad[:, 2:] == 0).all()
    assert (embedded[0].grad[:, :2] != 0).any()


def test_the_state_is_all_that_passes(batch):
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


def test_initial_values_of_the_paper():
    model = make(hidden_dim=50, init_range=0.08)
    assert all(parameter.abs().max() <= 0.08 for parameter in model.parameters())
    assert model.encoder.weight_hh_l0.abs().max() > 0.079


def test_free_running_reads_its_own_words(batch):
    model = make()
    log_likelihood, tokens = 0.0, 0
    for pair in PAIRS:
        alone = pair_batch([pair], VOCABS)
        state, word = model.start(alone.source, alone.source_mask), BOS
        for right in [*VOCABS[1].encode(pair.target), EOS]:
            logits, state = model.step(torch.tensor([word]), state)
            log_likelihood += logits[0].log_softmax(0)[right]
            word, tokens = logits[0].argmax().item(), tokens + 1
    assert_close(free_running_loss(model, batch), -log_likelihood / tokens)
    assert not torch.equal(free_running_loss(model, batch), model.loss(batch))


def test_learns_its_examples_and_the_same_twice(batch):
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        model = make(embed_dim=16, hidden_dim=24).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(80):
            optimizer.zero_grad()
            loss = model.loss(batch)
            loss.backward()
            optimizer.step()
        losses.append(loss)
    assert losses[0] < 0.01
    assert torch.equal(losses[0], losses[1])


def test_dropout_works_in_training_only(batch):
    model = make(dropout=0.5)
    assert_close(model.loss(batch), model.loss(batch))
    model.train()
    assert not torch.equal(model.loss(batch), model.loss(batch))


@pytest.mark.parametrize("name", ["source_vocab", "embed_dim", "num_layers"])
def test_sizes_below_one_are_errors(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        make(**{name: 0})


def test_other_errors(no_shape_checks):
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


@pytest.mark.parametrize("reverse", [True, False])
def test_a_mask_that_does_not_fit_is_an_error(batch, reverse, no_shape_checks):
    model, mask = make(reverse_source=reverse), batch.source_mask
    with pytest.raises(ValueError, match=r"shape of source, \(3, 4\), got \(3, 3\)"):
        model.start(batch.source, mask[:, :-1])
    with pytest.raises(
        TypeError, match=r"source_mask must be boolean, got torch.int64"
    ):
        model.start(batch.source, mask.long())
