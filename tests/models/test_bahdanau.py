"""RNNSearch: the paper's equations in plain loops, the laws, and that it learns."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.translation import Pair, pair_batch
from attention_book.data.vocab import BOS, EOS, Vocab
from attention_book.models.bahdanau import RNNSearch, RNNSearchConfig
from attention_book.observe import record_weights
from attention_book.training.state import select_rows
from attention_book.training.translate import translate

# All sizes differ, so that two swapped axes cannot go unseen.
SIZES = {"embed_dim": 3, "hidden_dim": 5, "attention_dim": 7, "maxout_dim": 11}
PAIRS = [
    Pair(source=("two",), target=("zwei",)),
    Pair(source=("twenty", "one"), target=("ein", "und", "zwanzig")),
    Pair(source=("two", "hundred", "six"), target=("zwei", "hundert", "sechs", "zwei")),
]
VOCABS = tuple(
    Vocab(word for pair in PAIRS for word in getattr(pair, side))
    for side in ("source", "target")
)
LAYER = "decoder.attention"


@pytest.fixture
def batch():
    return pair_batch(PAIRS, VOCABS)


def make(**changes):
    sizes = {"source_vocab": len(VOCABS[0]), "target_vocab": len(VOCABS[1])} | SIZES
    return RNNSearch(RNNSearchConfig(**sizes | changes)).double().eval()


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
    attention, unit = model.decoder.attention, model.decoder
    W_a, U_a = attention.query_proj.weight, attention.key_proj.weight
    v_a = attention.score_proj.weight[0]
    e = torch.stack([v_a @ torch.tanh(W_a @ s + U_a @ h) for h in annotations])
    alpha = e.exp() / e.exp().sum()
    c = sum(weight * h for weight, h in zip(alpha, annotations, strict=True))

    t = model.maxout_proj.weight @ torch.cat([s, y, c]) + model.maxout_proj.bias
    t = torch.stack([max(t[2 * k], t[2 * k + 1]) for k in range(len(t) // 2)])
    logits = model.output_proj.weight @ t + model.output_proj.bias

    W_r, W_z, W = unit.input_proj.weight.chunk(3)
    b_r, b_z, b = unit.input_proj.bias.chunk(3)
    U_r, U_z, U = unit.state_proj.weight.chunk(3)
    C_r, C_z, C = unit.context_proj.weight.chunk(3)
    r = torch.sigmoid(W_r @ y + b_r + U_r @ s + C_r @ c)
    z = torch.sigmoid(W_z @ y + b_z + U_z @ s + C_z @ c)
    candidate = torch.tanh(W @ y + b + U @ (r * s) + C @ c)
    return logits, (1 - z) * s + z * candidate, alpha


def test_equations_one_sentence_at_a_time(batch):
    model = make()
    with record_weights(model) as weights:
        loss = model.loss(batch)
    log_likelihood, tokens = 0.0, 0
    for row, pair in enumerate(PAIRS):
        ids = [*VOCABS[0].encode(pair.source), EOS]
        words = [model.source_embedding.weight[i] for i in ids]
        forward = encoder_by_hand(model.encoder, words, "")
        backward = encoder_by_hand(model.encoder, words[::-1], "_reverse")[::-1]
        annotations = [
            torch.cat(states) for states in zip(forward, backward, strict=True)
        ]
        s = model.initial_proj.weight @ backward[0] + model.initial_proj.bias
        s = torch.tanh(s)
        target = VOCABS[1].encode(pair.target)
        for i, (previous, word) in enumerate(
            zip([BOS, *target], [*target, EOS], strict=True)
        ):
            y = model.target_embedding.weight[previous]
            logits, s, alpha = decoder_by_hand(model, y, s, annotations)
            assert_close(weights[LAYER][i][row, 0, : len(ids)], alpha.detach())
            log_likelihood += logits.log_softmax(0)[word]
            tokens += 1
    assert_close(loss, -log_likelihood / tokens)


def test_one_entry_of_weights_a_step(batch):
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


def test_padding_changes_nothing(batch):
    model = make()
    state = model.start(batch.source, batch.source_mask)
    together, _ = model.decode(batch.target, state)
    for i, pair in enumerate(PAIRS):
        alone = pair_batch([pair], VOCABS)
        own_state = model.start(alone.source, alone.source_mask)
        assert_close(state[0][i : i + 1], own_state[0])  # s_0, from the first word
        own, _ = model.decode(alone.target, own_state)
        assert_close(together[i : i + 1, : own.shape[1]], own)
    # A batch whose longest sentence is padded too, with ids that are words elsewhere.
    source = torch.nn.functional.pad(batch.source, (0, 2))
    mask = torch.nn.functional.pad(batch.source_mask, (0, 2))
    state = model.start(source.masked_fill(~mask, EOS), mask)
    assert_close(model.decode(batch.target, state)[0], together)


def test_step_by_step_equals_all_at_once(batch):
    model = make()
    state = model.start(batch.source, batch.source_mask)
    logits, last = model.decode(batch.target, state)
    for t in range(batch.target.shape[1]):
        step_logits, state = model.step(batch.target[:, t], state)
        assert_close(step_logits, logits[:, t])
    assert_close(state, last)


def test_a_search_may_reorder_the_rows_of_the_state(batch):
    model, rows = make(), torch.tensor([2, 0, 0, 1])
    state = model.start(batch.source, batch.source_mask)
    logits, state_after = model.step(batch.target[:, 1], state)
    reordered = model.step(batch.target[rows, 1], select_rows(state, rows))
    assert_close(reordered, (logits[rows], select_rows(state_after, rows)))


def test_keys_are_projected_once_a_sentence(batch):
    model, calls = make(), []
    model.decoder.attention.key_proj.register_forward_hook(lambda *_: calls.append(1))
    model.loss(batch)
    assert len(calls) == 1


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


def test_every_parameter_gets_a_gradient(batch):
    model = make()
    model.loss(batch).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_a_sentence_without_keys_leaves_gradients_finite(batch):
    model = make()
    *state, mask = model.start(batch.source, batch.source_mask)
    mask = mask & torch.tensor([[True], [False], [True]])
    with record_weights(model) as weights, torch.autograd.set_detect_anomaly(True):
        logits, _ = model.decode(batch.target, (*state, mask))
        logits.square().sum().backward()
    assert all((step[1] == 0).all() for step in weights[LAYER])
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_uniform_start(batch):
    model = make(uniform_start=True)
    with record_weights(model) as weights:
        model.loss(batch)
    lengths = batch.source_mask.sum(1, keepdim=True)
    for step in weights[LAYER]:
        assert torch.equal(step[:, 0], batch.source_mask / lengths.double())


def test_recurrent_matrices_start_orthogonal():
    model = make()
    for weight in (
        model.decoder.state_proj.weight,
        model.encoder.weight_hh_l0,
        model.encoder.weight_hh_l0_reverse,
    ):
        for block in weight.chunk(3):
            assert_close(block @ block.T, torch.eye(5).double(), atol=1e-6, rtol=0)


def test_learns_its_examples_and_the_same_twice(batch):
    losses = []
    for _ in range(2):
        torch.manual_seed(3)
        model = make(embed_dim=16, hidden_dim=24, uniform_start=True).train()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for _ in range(60):
            optimizer.zero_grad()
            loss = model.loss(batch)
            loss.backward()
            optimizer.step()
        losses.append(loss)
    assert losses[0] < 0.01
    assert torch.equal(losses[0], losses[1])
    ends = {"bos": BOS, "eos": EOS, "max_tokens": 9}
    for beam_size in (1, 3):
        found = translate(model, [batch], beam_size=beam_size, device="cpu", **ends)
        words = [tuple(VOCABS[1].decode(list(one.tokens))) for one in found]
        assert words == [pair.target for pair in PAIRS]


def test_dropout_works_in_training_only(batch):
    model = make(dropout=0.5)
    assert_close(model.loss(batch), model.loss(batch))
    model.train()
    assert not torch.equal(model.loss(batch), model.loss(batch))


def test_errors():
    with pytest.raises(ValueError, match="attention_dim must be at least 1, got 0"):
        make(attention_dim=0)
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\), got 1.0"):
        make(dropout=1.0)


def test_a_mask_that_does_not_fit_is_an_error(batch, no_shape_checks):
    with pytest.raises(ValueError, match="source_mask must have the shape of source"):
        make().start(batch.source, batch.source_mask[:, :-1])
