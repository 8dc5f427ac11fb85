"""Transformer in use: searches with cached keys and values, files, bad input."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.translation.pairs import Pair, pair_batch, pair_loader
from attention_book.data.vocab import BOS, EOS, PAD
from attention_book.decoding.search import beam_search, greedy_search
from attention_book.decoding.translation import translate
from attention_book.models.transformer.config import SIZES, TransformerConfig
from attention_book.models.transformer.model import Transformer
from attention_book.training.averaging import RecentWeights
from attention_book.training.checkpoint import load_weights, save_weights
from attention_book.training.loop import fit
from attention_book.training.schedules import inverse_sqrt_decay, transformer_peak

SMALL = {"embed_dim": 8, "num_heads": 2, "hidden_dim": 11, "num_layers": 2}
SMALL |= {"max_positions": 9, "dropout": 0.0}
ENDS = {"bos": BOS, "eos": EOS, "max_tokens": 7}


@pytest.fixture
def make(vocab_sizes):
    """A function that makes the model, in float64 and in eval mode."""

    def make(**changes):
        config = TransformerConfig(**vocab_sizes | SMALL | changes)
        return Transformer(config).double().eval()

    return make


# Searches.


def from_scratch(model, source_mask):
    """A step that reads all words again at each step, and keeps their ids alone."""

    def step(ids, state):
        words, source = state
        words = torch.cat([words, ids[:, None]], dim=1)
        logits, _ = model.decode(words, model.start(source, source != PAD))
        return logits[:, -1], (words, source)

    return step


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "none"])
@pytest.mark.parametrize("pre_norm", [False, True])
def test_searches_equal_those_that_read_all_words_again(
    make, batch, positions, pre_norm
):
    # Untrained, but with scores that differ, <eos> less: outputs of many kinds.
    model = make(positions=positions, pre_norm=pre_norm, share="none")
    model.output_proj.weight.data *= 4
    model.output_proj.weight.data[EOS] /= 5
    cached = model.start(batch.source, batch.source_mask)
    step = from_scratch(model, batch.source_mask)
    nothing = batch.source[:, :0], batch.source
    common = {"batch_size": len(batch), **ENDS}
    ours = greedy_search(model.step, cached, **common)
    again = greedy_search(step, nothing, **common)
    ours += beam_search(model.step, cached, beam_size=3, length_penalty=0.6, **common)
    again += beam_search(step, nothing, beam_size=3, length_penalty=0.6, **common)
    for one, other in zip(ours, again, strict=True):
        assert (one.tokens, one.finished) == (other.tokens, other.finished)
        assert one.score == pytest.approx(other.score)


def test_the_source_is_read_and_projected_once(make, batch):
    model, calls = make(), []
    model.encoder.register_forward_hook(lambda *_: calls.append("encoder"))
    for layer in model.decoder.layers:
        attention = layer.cross_attention
        project = attention.project_kv
        attention.project_kv = lambda *a, project=project: (
            calls.append(1) or project(*a)
        )
    translate(model, [batch], device="cpu", **ENDS)
    assert calls == ["encoder", 1, 1]


def test_longest_translation_uses_the_last_position(make, batch):
    model = make(max_positions=7)
    model.output_proj.weight = torch.nn.Parameter(model.output_proj.weight.clone())
    model.output_proj.weight.data[EOS] = 0
    state = model.start(batch.source, batch.source_mask)
    for word in range(7):
        logits, state = model.step(torch.full((3,), word % 4), state)
        assert logits.isfinite().all()
    with pytest.raises(ValueError, match=r"positions from 0 to 6, .* from position 7"):
        model.step(torch.full((3,), 4), state)


# Training and files.


def test_a_run_as_in_the_paper(pairs, vocabs, vocab_sizes):
    """The loop, its optimizer and schedule, batches by tokens, averaged weights."""
    sizes = {"embed_dim": 16, "num_heads": 2, "hidden_dim": 24, "num_layers": 1}
    model = Transformer(TransformerConfig(**vocab_sizes, **sizes, dropout=0.0))
    recent = RecentWeights(model, keep=2, every=3)
    history = fit(
        model,
        pair_loader(pairs, vocabs, max_tokens=16, seed=0),
        epochs=15,
        learning_rate=transformer_peak(16, 40),
        schedule=inverse_sqrt_decay(40),
        optimizer="adam_transformer",
        device="cpu",
        on_step=recent,
    )
    assert history.epoch_loss[-1] < history.epoch_loss[0] / 2
    model.load_state_dict(recent.average())
    assert model.loss(pair_batch(pairs, vocabs)) < history.epoch_loss[0] / 2


def test_shared_weights_come_back_from_a_file_and_stay_shared(tmp_path, batch, make):
    sizes = dict.fromkeys(["source_vocab", "target_vocab"], 13)
    model, other = (make(share="all", **sizes) for _ in range(2))
    save_weights(model, tmp_path / "model.safetensors")
    load_weights(other, tmp_path / "model.safetensors")
    assert_close(other.loss(batch), model.loss(batch))
    assert other.source_embedding.weight is other.output_proj.weight


def test_a_file_of_another_size_is_an_error(tmp_path, make):
    path = tmp_path / "model.safetensors"
    save_weights(make(), path)
    message = "config.hidden_dim is 11 there, 12 here; config.num_layers is 2 there, 3"
    with pytest.raises(ValueError, match=message):
        load_weights(make(num_layers=3, hidden_dim=12), path)


# Bad input.


def sentence(length):
    return Pair(source=("two",) * length, target=("zwei",) * 2)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_sentences_longer_than_the_positions(make, vocabs, positions):
    model = make(positions=positions)
    assert model.loss(pair_batch([sentence(8)], vocabs)).isfinite()  # and <eos>
    message = "positions from 0 to 8, got tokens from position 0 to 9"
    with pytest.raises(ValueError, match=message):
        model.loss(pair_batch([sentence(9)], vocabs))
    with pytest.raises(ValueError, match=message):
        model.loss(pair_batch([Pair(("two",), ("zwei",) * 9)], vocabs))


def test_without_a_table_no_sentence_is_too_long(make, vocabs):
    for positions in "rotary", "none":
        model = make(positions=positions)
        assert model.loss(pair_batch([sentence(20)], vocabs)).isfinite()


@pytest.mark.parametrize("side", ["source", "target"])
def test_ids_outside_the_vocabulary(make, batch, vocabs, side):
    wrong = getattr(batch, side).clone()
    wrong[1, 1] = 99
    last = len(vocabs[side == "target"]) - 1
    with pytest.raises(ValueError, match=f"ids must be from 0 to {last}, .* to 99"):
        make().loss(dataclasses.replace(batch, **{side: wrong}))


@pytest.mark.parametrize("length", [0, 1])
def test_empty_targets(make, batch, length):
    cut = {name: getattr(batch, name)[:, :length] for name in ("target", "target_mask")}
    message = rf"token to predict after <bos>, got shape \(3, {length}\)"
    with pytest.raises(ValueError, match=message):
        make().loss(dataclasses.replace(batch, **cut))
    nothing = torch.zeros_like(batch.target_mask)
    with pytest.raises(ValueError, match=r"got shape \(3, 6\) and num_tokens 0"):
        make().loss(dataclasses.replace(batch, target_mask=nothing))


def test_one_empty_target_among_others_counts_for_nothing(make, batch):
    model, mask = make(), batch.target_mask.clone()
    mask[1] = False
    some = dataclasses.replace(batch, target_mask=mask)
    rest = dataclasses.replace(
        batch,
        **{
            name: getattr(batch, name)[[0, 2]]
            for name in ("source", "source_mask", "target", "target_mask")
        },
    )
    assert_close(model.loss(some), model.loss(rest))


def test_a_source_of_padding_alone(make, batch):
    mask = batch.source_mask & torch.tensor([[True], [False], [True]])
    hidden = dataclasses.replace(batch, source_mask=mask)
    with pytest.raises(ValueError, match="row 1 of source_mask is all padding"):
        make().loss(hidden)


def test_a_beam_of_none(make, batch):
    with pytest.raises(ValueError, match="beam_size must be at least 1, got 0"):
        translate(make(), [batch], beam_size=0, device="cpu", **ENDS)


def test_sizes_that_do_not_fit(make):
    with pytest.raises(ValueError, match=r"embed_dim \(8\) .* num_heads \(3\)"):
        make(num_heads=3)
    with pytest.raises(ValueError, match=r"embed_dim must be even, .* got 7"):
        make(embed_dim=7, num_heads=1)
    with pytest.raises(ValueError, match=r"norm must be one of layer, .* got 'group'"):
        make(norm="group")


def test_the_sizes_of_the_paper_are_its_own():
    base, big = (
        TransformerConfig(**SIZES[name], source_vocab=5, target_vocab=5)
        for name in ("base", "big")
    )
    for config in base, big:
        assert config.embed_dim // config.num_heads == 64
        assert config.hidden_dim == 4 * config.embed_dim
        assert (config.norm, config.pre_norm, config.residual) == ("layer", False, True)
        assert (config.label_smoothing, config.share) == (0.1, "all")
    assert (base.dropout, big.dropout) == (0.1, 0.3)
