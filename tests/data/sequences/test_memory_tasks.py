"""Synthetic tasks: what decides an answer is where the task says."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.sequences.memory_tasks import (
    ASPECT,
    OPINION,
    CopyBatches,
    copy_batch,
    delayed_copy,
    mutual_words,
    nearest_marker,
)


def test_vectors_are_shown_then_marked_then_asked_for():
    batch = copy_batch(5, num_bits=3, batch_size=2, seed=1)
    assert batch.inputs.shape == (2, 11, 4)
    assert_close(batch.inputs[:, :5, :3], batch.target)
    assert batch.inputs[:, 5].tolist() == [[0, 0, 0, 1]] * 2
    assert (batch.inputs[:, 6:] == 0).all()
    assert batch.num_tokens == 30
    assert batch.to("cpu").target.shape == (2, 5, 3)


def test_batches_of_all_lengths_and_the_same_each_time():
    batches = CopyBatches(count=60, longest=4, num_bits=2, batch_size=3, seed=5)
    first, again = ([batch.target for batch in batches] for _ in range(2))
    assert len(batches) == len(first) == 60
    assert {len(target[0]) for target in first} == {1, 2, 3, 4}
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)


def test_the_answer_stands_a_delay_before():
    batch = delayed_copy(9, 4, vocab_size=5, batch_size=3, seed=2)
    for row in range(3):
        for t in range(9):
            assert batch.target_mask[row, t].item() == (t >= 4)
            if t >= 4:
                assert batch.target[row, t] == batch.ids[row, t - 4]
    assert batch.num_tokens == 15


def test_the_answer_is_the_nearest_tag_unless_two_are_equally_near():
    batch = nearest_marker(11, num_tags=3, every=4, batch_size=20, seed=3)
    asked = 0
    for ids, target, mask in zip(
        batch.ids.tolist(), batch.target.tolist(), batch.target_mask, strict=True
    ):
        tags = [at for at, tag in enumerate(ids) if tag]
        assert len(tags) == 2
        for t in range(11):
            distances = sorted(abs(t - at) for at in tags)
            alone = ids[t] == 0 and distances[0] != distances[1]
            assert mask[t].item() == alone
            if alone:
                nearest = min(tags, key=lambda at, t=t: abs(t - at))
                assert target[t] == ids[nearest]
                asked += 1
    assert asked == batch.num_tokens


def test_words_decide_each_others_labels():
    batch, open_words = mutual_words(200, num_tokens=9, num_words=4, seed=4)
    kinds = batch.ids // 4
    both = 0
    for row in range(200):
        words = kinds[row].tolist()
        has = {kind: kind in words for kind in (1, 2)}
        assert has[1] or has[2]
        both += has[1] and has[2]
        for t, kind in enumerate(words):
            assert batch.target_mask[row, t].item() == (kind > 0)
            other = {1: 2, 2: 1}.get(kind)
            label = {1: ASPECT, 2: OPINION}[kind] if kind and has[other] else 0
            assert batch.target[row, t] == label
            told = other in words[:t]
            assert open_words[row, t].item() == (kind > 0 and not told)
    assert 70 < both < 130


def test_a_seed_gives_the_same_twice_and_another_something_else():
    for draw in (
        lambda seed: copy_batch(9, seed=seed).target,
        lambda seed: delayed_copy(9, 2, seed=seed).ids,
        lambda seed: nearest_marker(20, seed=seed).ids,
        lambda seed: mutual_words(9, seed=seed)[0].ids,
    ):
        assert torch.equal(draw(1), draw(1))
        assert not torch.equal(draw(1), draw(2))


def test_numbers_out_of_range_are_errors():
    with pytest.raises(ValueError, match="num_vectors must be at least 1, got 0"):
        copy_batch(0, seed=0)
    with pytest.raises(ValueError, match=r"delay \(4\) must be less than num_tokens"):
        delayed_copy(4, 4, seed=0)
    with pytest.raises(ValueError, match=r"every \(5\) must not be greater"):
        nearest_marker(4, seed=0)
    with pytest.raises(ValueError, match="num_tokens must be at least 4, got 3"):
        mutual_words(1, num_tokens=3, seed=0)


@pytest.mark.parametrize("name", ["count", "longest", "num_bits", "batch_size"])
def test_batches_of_nothing(name):
    sizes = {"count": 1, "longest": 2, "num_bits": 3, "batch_size": 5, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        CopyBatches(**sizes, seed=0)
