"""One decoder over any encoder: equations by loops, the last weights in the state."""

import copy
import dataclasses

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.data.captions.frames import frame_batch
from attention_book.data.vocab import BOS, EOS, Vocab
from attention_book.decoding.search import beam_search, greedy_search
from attention_book.decoding.state import select_rows
from attention_book.decoding.translation import translate
from attention_book.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from attention_book.models.encoders import (
    CellEncoder,
    PrecomputedEncoder,
    StridedSpeechEncoder,
    VideoEncoder,
    WordEncoder,
)
from attention_book.observe import record_weights

D, VOCAB, MELS = 6, 7, 5
SIZES = {"annotation_dim": D, "embed_dim": 3, "hidden_dim": 11, "attention_dim": 4}
SIZES |= {"maxout_dim": 2, "num_filters": 3, "width": 5}
LAYER = "decoder.unit.attention"


def make(encoder=None, **changes):
    torch.manual_seed(0)
    config = EncoderDecoderConfig(target_vocab=VOCAB, **SIZES | changes)
    encoder = encoder or StridedSpeechEncoder(MELS, D, 3, width=3, strides=(2,))
    return EncoderDecoder(config, encoder).double().eval()


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(1)
    frames = [torch.randn(n, MELS, generator=draw).double() for n in (13, 4, 8)]
    vocab = Vocab(["one", "two", "six"])
    captions = [("one", "two", "two"), ("six",), ("two", "one")]
    return frame_batch(frames, captions, vocab)


def alpha_by_hand(layer, s, h, last, beta):
    """Weights of one step; ``last`` is None for scores of the content alone."""
    W, V, w = (
        part.weight for part in (layer.query_proj, layer.key_proj, layer.score_proj)
    )
    energies = []
    for j in range(len(h)):
        inner = W @ s + V @ h[j]
        if last is not None:
            inner = inner + layer.key_proj.bias
            filters, U = layer.location_conv.weight[:, 0], layer.location_proj.weight
            half = filters.shape[1] // 2
            for k, one in enumerate(filters):
                for offset, value in enumerate(one):
                    if 0 <= (at := j + offset - half) < len(h):
                        inner = inner + U[:, k] * value * last[at]
        energies.append(beta * (w[0] @ torch.tanh(inner)))
    powers = torch.stack(energies).exp()
    return powers / powers.sum()


@pytest.mark.parametrize(
    "changes",
    [{}, {"score": "location-aware"}, {"score": "location-aware", "sharpening": 3.0}],
    ids=["additive", "location-aware", "sharpened"],
)
def test_equations_one_input_at_a_time(batch, changes):
    """Weights, contexts, states and likelihood of each row alone, by plain loops."""
    model = make(**changes)
    decoder, unit = model.decoder, model.decoder.unit
    with record_weights(model) as recorded:
        loss = model.loss(batch)
    total = tokens = 0
    for row in range(3):
        length, words = int(batch.source_mask[row].sum()), batch.target[row]
        h, _, _ = model.encoder(batch.source[row : row + 1, :length])
        h = h[0]
        last = None
        if changes:
            last = torch.eye(len(h), dtype=torch.float64)[0]
        s = torch.tanh(decoder.initial_proj.bias)
        for i in range(int(batch.target_mask[row].sum()) - 1):
            beta = changes.get("sharpening", 1.0)
            alpha = alpha_by_hand(unit.attention, s, h, last, beta)
            assert_close(recorded[LAYER][i][row, 0, : len(h)], alpha.detach())
            c = sum(weight * one for weight, one in zip(alpha, h, strict=True))
            y = model.embedding.weight[words[i]]
            t = decoder.maxout_proj(torch.cat([s, y, c])).view(-1, 2).amax(dim=-1)
            total -= decoder.output_proj(t).log_softmax(-1)[words[i + 1]]
            W_r, W_z, W = unit.input_proj(y).chunk(3)
            U_r, U_z, U = unit.state_proj.weight.chunk(3)
            C_r, C_z, C = unit.context_proj(c).chunk(3)
            r = torch.sigmoid(W_r + U_r @ s + C_r)
            z = torch.sigmoid(W_z + U_z @ s + C_z)
            s = (1 - z) * s + z * torch.tanh(W + U @ (r * s) + C)
            last = alpha if changes else None
            tokens += 1
    assert_close(loss, total / tokens)


def test_the_decoders_parameters_do_not_depend_on_the_encoder():
    encoders = WordEncoder(9, D, 4), CellEncoder(D, 3), VideoEncoder(D, 2)
    found = []
    for encoder in (*encoders, PrecomputedEncoder()):
        states = make(encoder, score="location-aware").decoder.state_dict()
        found.append({name: value.shape for name, value in states.items()})
    assert all(shapes == found[0] for shapes in found)


def test_every_input_starts_from_the_same_state(batch):
    state = make().start(batch.source, batch.source_mask)
    assert_close(state.hidden, state.hidden[:1].expand(3, -1))
    assert state.previous_weights is None


def test_the_last_weights_are_part_of_the_state(batch):
    model = make(score="location-aware")
    first = model.start(batch.source, batch.source_mask)
    assert first.previous_weights[:, 0].tolist() == [1, 1, 1]
    assert first.previous_weights.sum() == 3
    words = batch.target[:, :-1]
    together, last = model.decode(words, first)
    state, steps = first, []
    for ids in words.unbind(dim=1):
        logits, state = model.step(ids, state)
        steps.append(logits)
    assert_close(torch.stack(steps, dim=1), together)
    assert_close(state, last)
    assert_close(last.previous_weights.sum(dim=1), torch.ones(3).double())
    blocked = ~model.encoder(batch.source, batch.source_mask).mask
    assert (last.previous_weights[blocked] == 0).all()
    # They matter: without them the next step is another one.
    lost = last._replace(previous_weights=first.previous_weights)
    ids = words[:, -1]
    assert not torch.allclose(model.step(ids, last)[0], model.step(ids, lost)[0])


def test_the_last_weights_follow_their_hypothesis(batch):
    model = make(score="location-aware")
    _, state = model.decode(
        batch.target[:, :-1], model.start(batch.source, batch.source_mask)
    )
    rows = torch.tensor([2, 0, 0])
    chosen = select_rows(state, rows)
    assert_close(chosen.previous_weights, state.previous_weights[rows])
    ends = {"batch_size": 3, "bos": BOS, "eos": EOS, "max_tokens": 5}
    start = model.start(batch.source, batch.source_mask)
    greedy = greedy_search(model.step, start, **ends)
    narrow = beam_search(model.step, start, beam_size=1, **ends)
    assert [one.tokens for one in greedy] == [one.tokens for one in narrow]
    # Each row of a beam is what this row alone would be.
    wide = beam_search(model.step, start, beam_size=3, **ends)
    for row in range(3):
        alone = beam_search(
            model.step,
            select_rows(start, torch.tensor([row])),
            beam_size=3,
            **ends | {"batch_size": 1},
        )
        assert alone[0].tokens == wide[row].tokens
        assert_close(alone[0].log_prob, wide[row].log_prob, rtol=1e-5, atol=1e-5)


def test_a_beam_scores_its_hypothesis_as_teacher_forcing_does(batch):
    model = make(score="location-aware")
    options = {"bos": BOS, "eos": EOS, "max_tokens": 6, "beam_size": 4}
    found = translate(model, [batch], device="cpu", **options)
    for row, one in enumerate(found):
        words = [BOS, *one.tokens] + [EOS] * one.finished
        ids = torch.tensor([words])
        state = select_rows(
            model.start(batch.source, batch.source_mask), torch.tensor([row])
        )
        log_probs = model.decode(ids[:, :-1], state)[0].log_softmax(-1)
        total = log_probs.gather(-1, ids[:, 1:, None]).sum().item()
        assert_close(one.log_prob, total, rtol=1e-5, atol=1e-5)


def test_a_mean_context_is_attention_with_uniform_weights(batch):
    mean, attending = make(score="mean"), make()
    nn.init.zeros_(attending.decoder.unit.attention.score_proj.weight)
    shared = mean.state_dict()
    missing = attending.load_state_dict(shared, strict=False).missing_keys
    assert all(name.startswith(LAYER) for name in missing)
    assert_close(mean.loss(batch), attending.loss(batch))


def test_a_set_has_no_order_and_the_last_weights_bring_one():
    vectors = torch.randn(2, 9, D).double()
    words = torch.tensor([[BOS, 4, 5, 4], [BOS, 6, 6, 5]])
    order = torch.randperm(9, generator=torch.Generator().manual_seed(0))
    content = make(PrecomputedEncoder())
    assert_close(content(vectors[:, order], words), content(vectors, words))
    located = make(PrecomputedEncoder(), score="location-aware")
    moved = located(vectors[:, order], words)
    assert not torch.allclose(moved, located(vectors, words))


def test_options_change_no_parameters(batch):
    model = make(score="location-aware")
    other = model.with_options(window=1, sharpening=2.0)
    assert other.encoder is model.encoder
    assert other.config == dataclasses.replace(model.config, window=1, sharpening=2.0)
    assert_close(other.state_dict(), model.state_dict())
    assert not torch.allclose(other.loss(batch), model.loss(batch))
    wide = model.with_options(window=50)
    assert_close(wide.loss(batch), model.loss(batch))
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.with_options(hidden_dim=12)


def test_ten_utterances_are_learned(batch):
    model = make(score="location-aware").train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        loss = model.loss(batch)
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    assert model.decoder.unit.attention.location_conv.weight.grad.abs().sum() > 0


def test_copies_compilers_and_exporters(batch, no_shape_checks):
    model = make(score="location-aware")
    inputs = batch.source, batch.target[:, :-1], batch.source_mask
    wanted = model(*inputs)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert_close(compiled(*inputs), wanted)
    assert_close(copy.deepcopy(model)(*inputs), wanted)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": "dot"}, "score must be one of additive, location-aware, mean"),
        ({"normaliser": "relu"}, "normaliser must be one of softmax, sigmoid"),
        ({"window": 3}, 'options of the score "location-aware", got them with'),
        ({"sharpening": 2.0}, 'options of the score "location-aware"'),
        ({"score": "location-aware", "window": 0}, "window must be at least 1"),
        ({"hidden_dim": 0}, "hidden_dim must be at least 1"),
        ({"score": "location-aware", "width": 4}, "width must be odd, got 4"),
        ({"score": "location-aware", "sharpening": -1.0}, "positive, .*got -1.0 with"),
        (
            {"score": "location-aware", "sharpening": 2.0, "normaliser": "sigmoid"},
            "and 1 with a sigmoid, got 2.0 with sigmoid",
        ),
    ],
)
def test_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        EncoderDecoderConfig(target_vocab=VOCAB, **SIZES | changes)
