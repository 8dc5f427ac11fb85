"""LuongTranslator: its equations in plain loops; laws: test_translation."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.vocab import BOS, EOS
from attention_book.models.global_local import LuongConfig, LuongTranslator
from attention_book.observe import record_weights

# All sizes differ, so that two swapped axes cannot go unseen.
SIZES = {"embed_dim": 3, "hidden_dim": 5, "num_layers": 2}


@pytest.fixture
def make(vocab_sizes):
    """A function that makes the model, in float64 and in eval mode."""

    def make(**changes):
        config = LuongConfig(**vocab_sizes, **SIZES | changes)
        return LuongTranslator(config).double().eval()

    return make


def lstm_step(lstm, x, states):
    """One time step of all layers; returns the top state, and changes ``states``."""
    for layer in range(lstm.num_layers):
        W, U, b_W, b_U = (
            getattr(lstm, f"{kind}_l{layer}")
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h, c = states[layer]
        i, f, g, o = (W @ x + b_W + U @ h + b_U).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        x = o.sigmoid() * c.tanh()
        states[layer] = x, c
    return x


def weights_by_hand(model, h, t, annotations):
    """a_t over one sentence, with the score general."""
    S, config = len(annotations), model.config
    W_a = model.decoder.attention.score.query_proj.weight.T
    e = [h @ W_a @ annotation for annotation in annotations]
    if config.attention == "global":
        return torch.stack(e).softmax(0)
    if config.attention == "local-m":
        p = torch.tensor(float(min(t, S - 1)))
    else:
        centre = model.decoder.attention.centre
        hidden = torch.tanh(centre.hidden_proj.weight @ h)
        p = S * torch.sigmoid(centre.centre_proj.weight[0] @ hidden)
    inside = [s for s in range(S) if abs(s - p) <= config.window]
    total = sum(e[s].exp() for s in inside)
    a = [torch.zeros(()).double()] * S
    for s in inside:
        a[s] = e[s].exp() / total
        if config.attention == "local-p":
            a[s] = a[s] * torch.exp(-((s - p) ** 2) / (2 * (config.window / 2) ** 2))
    return torch.stack(a)


@pytest.mark.parametrize("input_feeding", [False, True])
@pytest.mark.parametrize(
    ("attention", "window"), [("global", None), ("local-m", 1), ("local-p", 2)]
)
def test_equations_one_sentence_at_a_time(
    make, batch, pairs, vocabs, attention, window, input_feeding
):
    model = make(attention=attention, window=window, input_feeding=input_feeding)
    with record_weights(model) as recorded:
        loss = model.loss(batch)
    assert list(recorded) == ["decoder.attention"]
    weights = torch.cat(recorded["decoder.attention"], dim=1)
    zeros = torch.zeros(SIZES["hidden_dim"]).double()
    log_likelihood, tokens = 0.0, 0
    for row, pair in enumerate(pairs):
        words = vocabs[0].encode(pair.source)
        states = [(zeros, zeros)] * SIZES["num_layers"]
        read = [
            lstm_step(model.encoder.lstm, model.source_embedding.weight[i], states)
            for i in [*words[::-1], EOS]  # backwards, <eos> last
        ]
        annotations = [*read[:-1][::-1], read[-1]]  # in the source's order again
        target, attentional = vocabs[1].encode(pair.target), zeros
        for t, (previous, word) in enumerate(
            zip([BOS, *target], [*target, EOS], strict=True)
        ):
            x = model.target_embedding.weight[previous]
            if input_feeding:
                x = torch.cat([x, attentional])
            h = lstm_step(model.decoder.lstm, x, states)
            a = weights_by_hand(model, h, t, annotations)
            assert_close(weights[row, t, : len(words) + 1], a.detach())
            c = sum(weight * h_s for weight, h_s in zip(a, annotations, strict=True))
            attentional = torch.tanh(
                model.decoder.combine_proj.weight @ torch.cat([c, h])
            )
            logits = model.decoder.output_proj.weight @ attentional
            log_likelihood += logits.log_softmax(0)[word]
            tokens += 1
    assert_close(loss, -log_likelihood / tokens)


def test_without_input_feeding_attention_runs_once(make, batch):
    for feeding, calls in ((False, 1), (True, batch.target.shape[1] - 1)):
        model = make(input_feeding=feeding)
        with record_weights(model) as recorded:
            model.loss(batch)
        assert len(recorded["decoder.attention"]) == calls


def test_input_feeding_reads_the_last_attentional_vector(make, batch):
    model = make(input_feeding=True)
    state = model.start(batch.source, batch.source_mask)
    assert (state.attentional == 0).all()
    seen = []
    model.decoder.lstm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for t in range(2):
        before = state.attentional
        _, state = model.step(batch.target[:, t], state)
        embedded = model.target_embedding(batch.target[:, t])
        assert_close(seen[t][:, 0], torch.cat([embedded, before], dim=-1))
        assert not torch.equal(state.attentional, before)


@pytest.mark.parametrize("score", ["general", "concat"])
def test_keys_are_projected_at_most_once_a_sentence(make, batch, score):
    model = make(score=score, attention="local-p", window=1, input_feeding=True)
    sizes, module = [], model.decoder.attention.score
    layer = module.query_proj if score == "general" else module.key_proj
    layer.register_forward_pre_hook(lambda _layer, args: sizes.append(args[0].shape))
    model.loss(batch)
    steps = batch.target.shape[1] - 1
    if score == "concat":
        assert sizes == [(*batch.source.shape, 5)]
    else:  # the query is mapped instead, a step at a time
        assert sizes == [(len(batch), 1, 1, 5)] * steps


def test_local_steps_do_not_look_at_the_whole_source(make, batch):
    model = make(attention="local-m", window=1)
    state = model.start(batch.source, batch.source_mask)
    logits, _ = model.step(batch.target[:, 0], state)
    annotations = state.annotations.clone()
    annotations[:, 3:] = torch.nan  # far from position 0
    state = state._replace(annotations=annotations)
    assert_close(model.step(batch.target[:, 0], state)[0], logits)


def test_the_source_past_max_source_gets_no_attention(make, batch):
    model = make(score="location", max_source=2)
    with record_weights(model) as recorded:
        model.loss(batch)
    (weights,) = recorded["decoder.attention"]
    assert (weights[..., 2:] == 0).all()
    assert_close(weights.sum(-1), torch.ones(weights.shape[:2]).double())


@pytest.mark.parametrize("input_feeding", [False, True])
def test_a_decoder_without_an_encoders_state_starts_from_zeros(make, input_feeding):
    decoder = make(input_feeding=input_feeding).decoder
    state = decoder.start(torch.randn(3, 4, 5).double())
    assert state.lstm.hidden.shape == state.lstm.cell.shape == (3, 2, 5)
    assert all((part == 0).all() for part in state.lstm)
    assert (state.attentional is not None) == input_feeding
    assert (state.mask, state.length.tolist()) == (None, [4, 4, 4])


def test_errors(make):
    with pytest.raises(ValueError, match=r"attention must be one of.*got 'local'"):
        make(attention="local")
    for attention, window in (("global", 2), ("local-m", None)):
        with pytest.raises(ValueError, match=f"got attention '{attention}' and window"):
            make(attention=attention, window=window)
    with pytest.raises(ValueError, match="window must be at least 1, got 0"):
        make(attention="local-p", window=0)
    with pytest.raises(ValueError, match="max_keys is for the score location"):
        make(score="location")
    with pytest.raises(ValueError, match="score must be one of"):
        make(attention="local-m", window=1, score="location")
    with pytest.raises(ValueError, match="num_layers must be at least 1, got 0"):
        make(num_layers=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().config.window = 7


def test_sizes_of_the_quick_runs():
    assert dataclasses.asdict(LuongConfig(source_vocab=7, target_vocab=9)) == {
        "source_vocab": 7,
        "target_vocab": 9,
        "embed_dim": 64,
        "hidden_dim": 64,
        "num_layers": 1,
        "attention": "global",
        "score": "general",
        "window": None,
        "max_source": None,
        "input_feeding": False,
        "dropout": 0.0,
    }
