"""Sequences of digits: answers by hand, disjoint parts, even lengths, repeatable."""

from collections import Counter

import pytest
import torch

from attention_book.data.sequences.sequence_tasks import (
    END,
    FRONT,
    NUM_SPECIAL,
    TASKS,
    answer,
    digit_sequences,
    sequence_batch,
    sequence_loader,
)


def rows(batch):
    """Ids, targets and masks of a batch, in a form that can be compared."""
    shown = zip(batch.ids, batch.mask, batch.target, batch.target_mask, strict=True)
    return {tuple(torch.cat([x.long() for x in row]).tolist()) for row in shown}


@pytest.mark.parametrize(
    ("task", "digits", "right"),
    [
        ("copy", "9095", "9095"),
        ("late", "9095", "9095"),
        ("reverse", "9095", "5909"),
        ("sort", "9095", "0599"),
    ],
)
def test_answers(task, digits, right):
    assert answer(task, digits) == right


@pytest.mark.parametrize("task", TASKS)
def test_each_answer_stands_where_the_task_says(task):
    digits = ["31415", "20"]
    batch = sequence_batch(digits, task)
    assert batch.num_tokens == 7 == batch.target_mask.sum()
    assert batch.mask.sum(1).tolist() == [7, 4]
    for row, text in enumerate(digits):
        ids = batch.ids[row][batch.mask[row]].tolist()
        inside = [NUM_SPECIAL + int(digit) for digit in text]
        assert ids == [FRONT, *inside, END]
        asked = batch.target_mask[row].nonzero().flatten().tolist()
        first = 2 if task == "late" else 1  # late: the last answer is the end mark's
        assert asked == list(range(first, first + len(text)))
        found = "".join(str(d) for d in batch.target[row][asked].tolist())
        assert found == answer(task, text)


def test_late_is_the_digit_of_the_token_before():
    batch = sequence_batch(["8061"], "late")
    for token in batch.target_mask[0].nonzero().flatten().tolist():
        before = batch.ids[0, token - 1] - NUM_SPECIAL
        assert batch.target[0, token] == before


def test_parts_share_nothing_and_lengths_are_even():
    train, dev, test = digit_sequences([2, 3, 7], sizes=[60, 31, 17], seed=0)
    assert len({*train, *dev, *test}) == 60 + 31 + 17
    assert Counter(map(len, train)) == {2: 20, 3: 20, 7: 20}
    assert Counter(map(len, dev)) == {2: 11, 3: 10, 7: 10}
    assert Counter(map(len, test)) == {2: 6, 3: 6, 7: 5}


def test_digits_are_drawn_evenly():
    (drawn,) = digit_sequences([6], sizes=[20_000], seed=0)
    for position in range(6):
        counts = Counter(digits[position] for digits in drawn)
        assert len(counts) == 10
        assert max(counts.values()) < 1.2 * min(counts.values())


def test_the_seed_decides_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    first = digit_sequences([3, 5], sizes=[20, 11], seed=7)
    assert first == digit_sequences([3, 5], sizes=[20, 11], seed=7)
    assert first != digit_sequences([3, 5], sizes=[20, 11], seed=8)
    list(sequence_loader(first[0], "sort", batch_size=3, seed=1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_loader_covers_everything_in_an_order_of_its_seed():
    (drawn,) = digit_sequences([2, 4], sizes=[13], seed=0)
    whole = sequence_batch(drawn, "reverse")
    loader = sequence_loader(drawn, "reverse", batch_size=5, seed=3)
    batches = list(loader)
    assert len(loader) == 3
    assert [len(batch) for batch in batches] == [5, 5, 3]
    assert set().union(*map(rows, batches)) == rows(whole)
    assert sum(batch.num_tokens for batch in batches) == whole.num_tokens
    for batch in batches:
        assert batch.num_tokens == batch.target_mask.sum()
    again = sequence_loader(drawn, "reverse", batch_size=5, seed=3)
    assert all(torch.equal(a.ids, b.ids) for a, b in zip(batches, again, strict=True))
    assert not torch.equal(next(iter(loader)).ids, batches[0].ids)  # a new epoch
    (in_order,) = sequence_loader(drawn, "reverse", batch_size=20)
    assert torch.equal(in_order.ids, whole.ids)


def test_to_keeps_everything():
    batch = sequence_batch(["12", "3"], "copy")
    moved = batch.to("cpu")
    assert rows(moved) == rows(batch)
    assert moved.num_tokens == 3


def test_errors(no_shape_checks):
    with pytest.raises(ValueError, match=r"task must be one of copy.*got 'double'"):
        answer("double", "12")
    with pytest.raises(ValueError, match=r"different numbers from 1 on, got \[0, 2\]"):
        digit_sequences([0, 2], sizes=[4], seed=0)
    with pytest.raises(ValueError, match=r"from 1 on, got \[2, 2\]"):
        digit_sequences([2, 2], sizes=[4], seed=0)
    with pytest.raises(ValueError, match=r"from 1 on, got \[\]"):
        digit_sequences([], sizes=[4], seed=0)
    with pytest.raises(ValueError, match=r"sizes must not be negative, got \[3, -1\]"):
        digit_sequences([2], sizes=[3, -1], seed=0)
    with pytest.raises(ValueError, match=r"51 .* length 2 .* half of all 100"):
        digit_sequences([2], sizes=[40, 11], seed=0)
    with pytest.raises(ValueError, match="at least one sequence, got none"):
        sequence_batch([], "copy")
    for wrong in ("", "1a", "²", "1 2"):
        with pytest.raises(ValueError, match="sequence 1 must be digits, got"):
            sequence_batch(["12", wrong], "copy")
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        sequence_loader(["12"], "copy", batch_size=0)
