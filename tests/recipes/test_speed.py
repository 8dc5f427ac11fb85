"""Speed: batches of one length, and three ways to the same logits."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.vocab import BOS, EOS
from attention_book.models.transformer import Transformer, TransformerConfig
from attention_book.recipes.speed import (
    decoding_seconds,
    decoding_ways,
    random_batch,
    speed_by_length,
)

SIZES = {"embed_dim": 8, "num_heads": 2, "hidden_dim": 11, "num_layers": 2}


def make(seed=0):
    torch.manual_seed(seed)
    return Transformer(TransformerConfig(source_vocab=17, target_vocab=17, **SIZES))


def test_random_sentences_have_one_length_and_their_marks():
    batch = random_batch(9, num_sentences=5, length=7, seed=3)
    assert batch.source.shape == (5, 7)
    assert batch.target.shape == (5, 8)
    assert batch.num_tokens == batch.num_source_tokens == 35
    assert (batch.source[:, -1] == EOS).all()
    assert (batch.target[:, 0] == BOS).all()
    assert (batch.target[:, -1] == EOS).all()
    inner = torch.cat([batch.source[:, :-1], batch.target[:, 1:-1]], dim=1)
    assert inner.min() > EOS
    assert inner.max() < 9
    again = random_batch(9, num_sentences=5, length=7, seed=3)
    assert_close(vars(again), vars(batch))


def test_speed_is_tokens_over_the_median_time():
    ticks = iter(range(10_000))
    speeds = speed_by_length(
        {"one": make},
        (2, 5),
        vocab_size=17,
        num_tokens=20,
        device=torch.device("cpu"),
        clock=lambda: float(next(ticks)),
    )
    assert speeds == {"one": {2: 20.0, 5: 20.0}}  # one tick for each step


def test_three_ways_to_the_same_logits():
    model = make().eval()
    words = torch.randint(4, 17, (3, 5))
    ways = decoding_ways(model, words, torch.ones_like(words, dtype=torch.bool))
    with torch.no_grad():
        wanted, *others = [way() for way in ways.values()]
    assert wanted.shape == (3, 5, 17)
    for logits in others:
        assert_close(logits, wanted, rtol=1e-4, atol=1e-5)


def test_ways_are_timed_by_their_median_and_must_agree():
    ticks = iter(range(99))
    ways = {"a": lambda: torch.ones(2), "b": lambda: torch.ones(2)}
    found = decoding_seconds(ways, rounds=1, clock=lambda: float(next(ticks)))
    assert found == {"a": 1.0, "b": 1.0}
    with pytest.raises(AssertionError):
        decoding_seconds({"a": ways["a"], "b": lambda: torch.zeros(2)})
