"""Cloze readers: the papers' equations with plain loops, padding, learning, errors."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.data.cloze.facts import cloze_facts
from attention_book.data.cloze.questions import (
    BLANK,
    ClozeQuestion,
    cloze_batch,
    cloze_words,
)
from attention_book.data.vocab import Vocab
from attention_book.models.attention_over_attention import (
    READERS,
    ClozeReader,
    ClozeReaderConfig,
)

QUESTIONS = [
    ClozeQuestion(
        tuple(["a", "b", "c", "a", "d", "e", "b"]),
        ("c", BLANK, "d"),
        ("a", "b", "e"),
        "b",
    ),
    ClozeQuestion(("e", "d", "a"), ("d", "a", "c", BLANK), ("d", "e"), "e"),
]


@pytest.fixture
def vocab():
    return Vocab(cloze_words(QUESTIONS))


@pytest.fixture(params=READERS)
def model(request, vocab):
    config = ClozeReaderConfig(
        vocab_size=len(vocab),
        embed_dim=5,
        hidden_dim=3,
        reader=request.param,
        embed_range=1.0,
    )
    return ClozeReader(config).double().eval()


def directions(gru, vectors):
    """A bidirectional GRU one word at a time, by PyTorch's equations."""
    outputs = []
    for end, order in (("", vectors), ("_reverse", vectors.flip(0))):
        w_x, w_h = (getattr(gru, f"weight_{k}_l0{end}").chunk(3) for k in ("ih", "hh"))
        b_x, b_h = (getattr(gru, f"bias_{k}_l0{end}").chunk(3) for k in ("ih", "hh"))
        h, states = torch.zeros_like(b_h[0]), []
        for x in order:
            r = torch.sigmoid(w_x[0] @ x + b_x[0] + w_h[0] @ h + b_h[0])
            z = torch.sigmoid(w_x[1] @ x + b_x[1] + w_h[1] @ h + b_h[1])
            n = torch.tanh(w_x[2] @ x + b_x[2] + r * (w_h[2] @ h + b_h[2]))
            h = (1 - z) * n + z * h
            states.append(h)
        outputs.append(torch.stack(states if not end else states[::-1]))
    return outputs


def by_loops(model, vocab, question):
    """P of each candidate, for one question without padding."""
    read = model.embedding.weight
    document = directions(
        model.document_encoder.gru, read[vocab.encode(question.document)]
    )
    asked = directions(
        model.question_encoder.gru, read[vocab.encode(question.question)]
    )
    keys = torch.cat(document, dim=1)
    queries = torch.cat(asked, dim=1)
    if model.config.reader == "attention-sum":
        queries = torch.cat([asked[0][-1], asked[1][0]])[None]
    M = keys @ queries.T
    alpha = torch.stack([column.softmax(0) for column in M.T])
    beta = torch.stack([row.softmax(0) for row in M]).mean(dim=0)
    if model.config.reader == "average":
        beta = torch.full_like(beta, 1 / len(beta))
    s = sum(weight * row for weight, row in zip(beta, alpha, strict=True))
    return [
        sum(s[i] for i, word in enumerate(question.document) if word == candidate)
        for candidate in question.candidates
    ]


def test_equations_word_by_word(model, vocab):
    found = model.answer(cloze_batch(QUESTIONS, vocab))
    for row, question in enumerate(QUESTIONS):
        wanted = torch.stack(by_loops(model, vocab, question))
        assert_close(found[row, : len(wanted)], wanted)
        assert (found[row, len(wanted) :] == 0).all()


def test_the_loss_is_not_renormalised_over_the_candidates(model, vocab):
    batch = cloze_batch(QUESTIONS, vocab)
    wanted = [
        -by_loops(model, vocab, question)[
            question.candidates.index(question.answer)
        ].log()
        for question in QUESTIONS
    ]
    assert_close(model.loss(batch), sum(wanted) / 2)
    assert (model.answer(batch).sum(dim=1) < 1).any()  # some weight is elsewhere


def test_padding_changes_nothing(model, vocab):
    together = model.answer(cloze_batch(QUESTIONS, vocab))
    for row, question in enumerate(QUESTIONS):
        alone = model.answer(cloze_batch([question], vocab))
        assert_close(together[row : row + 1, : alone.shape[1]], alone)


def test_readers_of_one_seed_have_the_same_parameters(vocab):
    states = []
    for reader in READERS:
        torch.manual_seed(3)
        config = ClozeReaderConfig(
            vocab_size=len(vocab), embed_dim=5, hidden_dim=3, reader=reader
        )
        states.append(ClozeReader(config).state_dict())
    assert_close(states[0], states[1], rtol=0, atol=0)
    assert_close(states[0], states[2], rtol=0, atol=0)


def test_initial_values(vocab):
    config = ClozeReaderConfig(vocab_size=500, embed_dim=40, hidden_dim=3)
    model = ClozeReader(config)
    weight = model.embedding.weight
    assert 0.049 < weight.max() <= 0.05
    assert -0.05 <= weight.min() < -0.049
    for block in model.document_encoder.gru.weight_hh_l0.chunk(3):
        assert_close(block @ block.T, torch.eye(3))
    assert model.document_encoder is not model.question_encoder


def test_an_answer_that_is_not_there_has_a_finite_loss(model, vocab):
    question = replace(QUESTIONS[1], candidates=("d", "b"), answer="b")
    assert not question.can_be_pointed_at
    assert model.loss(cloze_batch([question], vocab)).isfinite()


def test_learns_ten_questions_and_a_seed_gives_the_same_loss_twice(model):
    questions = cloze_facts(10, seed=0, num_fillers=2)
    vocab = Vocab(cloze_words(questions))
    batch = cloze_batch(questions, vocab)
    losses = []
    for _ in range(2):
        torch.manual_seed(0)
        reader = model.config.reader
        config = ClozeReaderConfig(
            vocab_size=len(vocab),
            embed_dim=16,
            hidden_dim=16,
            reader=reader,
            embed_range=1.0,
        )
        new = ClozeReader(config)
        optimizer = torch.optim.Adam(new.parameters(), lr=0.02)
        for _ in range(40):
            loss = new.loss(batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(new.parameters(), 5.0)
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] == losses[1]
    assert losses[0] < 0.3
    chosen = new.eval().answer(batch).argmax(dim=1)
    assert (chosen == batch.answer).all()


def test_one_row_too_few_is_an_error(model, vocab, no_shape_checks):
    batch = cloze_batch(QUESTIONS, vocab)
    with pytest.raises(ValueError, match="a target for each source, got 1"):
        model(
            batch.document,
            batch.question[:1],
            batch.document_mask,
            batch.question_mask[:1],
        )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("vocab_size", 0, "vocab_size must be at least 1"),
        ("hidden_dim", 0, "hidden_dim must be at least 1"),
        ("dropout", 1.0, "dropout must be in"),
        ("embed_range", 0.0, "embed_range must be positive"),
        ("reader", "gated", "reader must be one of attention-sum, average"),
    ],
)
def test_wrong_config(field, value, message):
    with pytest.raises(ValueError, match=message):
        ClozeReaderConfig(**{"vocab_size": 7, field: value})
