"""Questions in batches: ids, padding, and what is kept of a long story."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.questions.questions import (
    Question,
    question_batch,
    question_loader,
    question_vocab,
)
from attention_book.data.vocab import PAD, UNK

FACTS = ("ada", "sings"), ("ben", "sings", "too"), ("ada", "sleeps")
ASKED = "who", "sleeps"


@pytest.fixture
def questions():
    return [
        Question(FACTS, ASKED, "ada", (2,)),
        Question(FACTS[:1], ("who", "is", "it", "that", "sings"), "ada,ben", (0,)),
    ]


def test_words_of_facts_questions_and_answers_are_known(questions):
    vocab = question_vocab(questions)
    for word in ("too", "that", "ada,ben"):
        assert word in vocab
    assert len(vocab) == 4 + len(
        {"ada", "ben", "sings", "too", "sleeps", "who", "is", "it", "that", "ada,ben"}
    )


def test_every_word_stands_where_it_belongs(questions):
    vocab = question_vocab(questions)
    batch = question_batch(questions, vocab, memory_size=7)
    assert batch.facts.shape == (2, 3, 3)
    assert batch.question.shape == (2, 5)
    for row, question in enumerate(questions):
        for number in range(3):
            words = question.facts[number : number + 1]
            wanted = list(words[0]) if words else []
            assert vocab.decode(batch.facts[row, number].tolist()) == wanted
        assert vocab.decode(batch.question[row].tolist()) == list(question.question)
    assert vocab.decode(batch.answer.tolist()) == ["ada", "ada,ben"]
    assert batch.num_tokens == 2


def test_the_most_recent_facts_are_kept(questions):
    vocab = question_vocab(questions)
    batch = question_batch(questions, vocab, memory_size=2)
    kept = [vocab.decode(fact.tolist()) for fact in batch.facts[0]]
    assert kept == [list(fact) for fact in FACTS[1:]]


def test_unknown_words(questions):
    vocab = question_vocab(questions[:1])
    batch = question_batch(questions[1:], vocab, memory_size=2)
    assert batch.answer.tolist() == [UNK]


def test_rows_lose_memories_that_are_empty_in_all(questions):
    vocab = question_vocab(questions)
    whole = question_batch(questions, vocab, memory_size=7)
    row = whole.rows([1])
    assert row.facts.shape == (1, 1, 3)
    assert_close(row.facts[0, 0], whole.facts[1, 0])
    both = whole.rows([1, 0])
    assert_close(both.facts, whole.facts.flip(0))
    assert (both.facts[0, 1:] == PAD).all()


def test_a_loader_has_every_question_once_in_an_order_of_its_seed(questions):
    vocab = question_vocab(questions)
    whole = question_batch(questions * 4, vocab, memory_size=7)
    orders = []
    for seed in (0, 0, 1):
        loader = question_loader(whole, batch_size=3, seed=seed)
        batches = list(loader)
        assert [batch.num_tokens for batch in batches] == [3, 3, 2]
        orders.append(torch.cat([batch.answer for batch in batches]).tolist())
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == sorted(whole.answer.tolist())


def test_a_batch_can_be_moved(questions):
    batch = question_batch(questions, question_vocab(questions), memory_size=7)
    assert batch.to("meta").facts.device.type == "meta"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"facts": ()}, "facts must hold sentences with words"),
        ({"facts": (FACTS[0], ())}, "facts must hold sentences with words"),
        ({"question": ()}, "question and answer must have words"),
        ({"answer": ""}, "question and answer must have words"),
        ({"support": (0, 3)}, r"support must be from 0 to 2, got \(0, 3\)"),
    ],
)
def test_what_is_no_question_is_an_error(change, message):
    fields = {"facts": FACTS, "question": ASKED, "answer": "ada", "support": (2,)}
    with pytest.raises(ValueError, match=message):
        Question(**{**fields, **change})


def test_no_questions_and_no_memory_are_errors(questions):
    vocab = question_vocab(questions)
    with pytest.raises(ValueError, match="at least one question, got none"):
        question_batch([], vocab, memory_size=7)
    with pytest.raises(ValueError, match="memory_size must be at least 1, got 0"):
        question_batch(questions, vocab, memory_size=0)
