"""Cloze questions: what they check, batches, new names, loaders."""

import random
from dataclasses import replace

import pytest
import torch

from attention_book.data.cloze.questions import (
    BLANK,
    ClozeQuestion,
    cloze_batch,
    cloze_loader,
    cloze_words,
    rename,
)
from attention_book.data.vocab import PAD, UNK, Vocab
from attention_book.training.batches import Batch

ONE = ClozeQuestion(("x", "is", "y", "x"), (BLANK, "is"), ("x", "y"), "x", source="t")
TWO = ClozeQuestion(("z",), ("is", BLANK, "so"), ("z", "x", "q"), "z")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"document": ()}, "document must have at least one word"),
        ({"question": ("is",)}, "question must have a blank, XXXXX: 'is'"),
        ({"candidates": ("x", "x")}, "candidates must be different"),
        ({"answer": "is"}, "answer must be a candidate, got 'is'"),
    ],
)
def test_wrong_questions(change, message):
    with pytest.raises(ValueError, match=message):
        replace(ONE, **change)


def test_an_answer_can_be_missing_from_the_document():
    assert ONE.can_be_pointed_at
    assert not replace(TWO, answer="q").can_be_pointed_at


def test_batch():
    vocab = Vocab(cloze_words([ONE, TWO]))
    batch = cloze_batch([ONE, TWO], vocab)
    assert vocab.decode(batch.document[0].tolist()) == list(ONE.document)
    assert batch.document[1].tolist()[1:] == [PAD] * 3
    assert batch.document_mask.sum(dim=1).tolist() == [4, 1]
    assert batch.question_mask.sum(dim=1).tolist() == [2, 3]
    where = torch.zeros(2, 3, 4, dtype=torch.bool)
    where[0, 0, 0] = where[0, 0, 3] = where[0, 1, 2] = where[1, 0, 0] = True
    assert torch.equal(batch.occurrences, where)
    assert batch.candidate_mask.sum(dim=1).tolist() == [2, 3]
    assert batch.answer.tolist() == [0, 0]
    assert batch.num_tokens == 2
    assert isinstance(batch, Batch)
    assert torch.equal(batch.to("cpu").occurrences, where)


def test_two_unknown_words_stay_apart():
    batch = cloze_batch([ONE], Vocab(["is"]))
    assert (batch.document[0, [0, 2]] == UNK).all()
    assert batch.occurrences[0].int().tolist() == [[1, 0, 0, 1], [0, 0, 1, 0]]


def test_new_names_are_different_and_in_random_order():
    seen = set()
    for seed in range(50):
        new = rename(ONE, random.Random(seed), 3)
        assert len(set(new.candidates)) == 2
        assert new.document[0] == new.document[3] == new.answer == new.candidates[0]
        assert new.document[1] == "is"
        assert new.source == "t"
        seen.add(new.candidates)
    assert len(seen) == 6


def test_a_loader_draws_new_names_from_the_global_generator():
    vocab = Vocab([*cloze_words([ONE]), "@0", "@1", "@2", "@3"])
    loader = cloze_loader([ONE] * 5, vocab, batch_size=5, seed=0, num_names=4)
    torch.manual_seed(1)
    first, second = next(iter(loader)), next(iter(loader))
    assert not torch.equal(first.document, second.document)
    torch.manual_seed(1)
    assert torch.equal(next(iter(loader)).document, first.document)
    same = cloze_loader([ONE, TWO], vocab, batch_size=2)
    assert torch.equal(
        next(iter(same)).document, cloze_batch([ONE, TWO], vocab).document
    )


def test_batches_of_a_largest_size():
    vocab = Vocab(cloze_words([ONE, TWO]))
    loader = cloze_loader([ONE, TWO, TWO], vocab, max_tokens=4)
    assert [len(batch.answer) for batch in loader] == [1, 2]


def test_more_candidates_than_new_names():
    with pytest.raises(ValueError, match=r"num_names \(1\) must be at least.*, 2"):
        rename(ONE, random.Random(0), 1)
