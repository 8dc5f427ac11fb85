"""What a translator with one vector learns, holds and loses."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.translation.numbers import number_pair
from attention_book.data.translation.pairs import Pair
from attention_book.data.vocab import EOS
from attention_book.models.seq2seq.lstm import Seq2Seq, Seq2SeqConfig
from attention_book.recipes.bottleneck import (
    MODES,
    accuracy_by_mode,
    damaged_losses,
    fit_by_rank,
    informative_words,
    probe_words,
    summary_vectors,
    time_lags,
)
from attention_book.recipes.translation import TrainingPlan, numbers_task

SIZES = {"embed_dim": 5, "hidden_dim": 7, "num_layers": 1}
PLAN = TrainingPlan(batch={"batch_size": 8}, learning_rate=1e-2)


@pytest.fixture(scope="module")
def task():
    cpu = torch.device("cpu")
    return numbers_task("en", "de", train=30, dev=7, test=11, max_digits=4, device=cpu)


@pytest.fixture
def model(task):
    return task.build(Seq2Seq, Seq2SeqConfig, 3, **SIZES)


def test_lags_are_counted_over_the_end_mark():
    pair = number_pair(241, "en", "de")  # two hundred and forty one
    assert time_lags(pair, reverse=False) == [6, 6, 4, 7]
    assert time_lags(pair, reverse=True) == [2, 4, 8, 9]


def test_informative_words_are_those_of_digits():
    assert informative_words(number_pair(241, "en", "de")) == [0, 2, 4]
    assert informative_words(Pair(("a",), ("b", "c"))) == [0, 1]


def test_training_is_watched_to_its_end(task, model):
    watched = task.dev[:5]
    history, watch = fit_by_rank(
        task, model, PLAN, pairs=watched, num_ranks=4, every=3, epochs=2, seed=0
    )
    assert len(history.step_loss) == 8
    assert watch.steps == [0, 3, 6, 8]
    assert all(len(shares) == 4 for shares in watch.values)


def test_a_summary_is_the_state_of_each_sentence_alone(task, model):
    found = summary_vectors(task, model.train(), task.test)
    assert found.shape == (11, 14)
    one = task.batch(task.test[4:5])
    hidden, cell = model.start(one.source, one.source_mask)
    assert_close(found[4], torch.cat([hidden.flatten(), cell.flatten()]))
    shares = probe_words(task, model, task.train, task.test, 1)
    assert len(shares) == 1
    assert 0 <= shares[0] <= 1


def test_damage_is_measured_on_the_loss(task, model):
    losses = damaged_losses(task, model)
    with torch.no_grad():
        assert losses["as trained"] == pytest.approx(
            model.loss(task.batch(task.test)).item()
        )
    assert len(set(losses.values())) == 4
    targets = [task.vocabs[1].encode(pair.target) for pair in task.test]
    words = [word for ids in targets for word in (*ids, EOS)]
    shares = torch.tensor([words.count(word) / len(words) for word in set(words)])
    entropy = -(shares * shares.log()).sum().item()
    assert losses["word frequencies alone"] == pytest.approx(entropy, rel=1e-5)


def test_both_modes_agree_on_the_first_word(task, model):
    curves, lost = accuracy_by_mode(task, model, 3)
    assert curves.keys() == MODES.keys()
    forced, free = curves.values()
    assert forced[0] == free[0]
    assert len(forced) == len(free) == 3
    assert lost.shape == (11,)
    right = [
        output[:1] == list(pair.target[:1])
        for output, pair in zip(task.translate(model), task.test, strict=True)
    ]
    assert free[0] == pytest.approx(sum(right) / 11)
