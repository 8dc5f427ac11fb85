"""Pre-training: objectives, baselines by hand, heads scored, guesses."""

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.pretraining import (
    MaskedExample,
    SegmentPair,
    SubwordIds,
    pretraining_batch,
)
from attention_book.recipes.pretraining import (
    BLANK_PIECE,
    OBJECTIVES,
    PretrainingPlan,
    bert_weights,
    encode_blanks,
    fill_blanks,
    guess_each_word,
    guess_words,
    head_shares,
    ngram_nats,
    one_text,
    pretraining_task,
    public_texts,
    seen_words,
    shuffled_words,
    without_segments,
)

SIZES = {"embed_dim": 8, "num_heads": 2, "hidden_dim": 12, "num_layers": 2}
SIZES |= {"dropout": 0.0, "attention_dropout": 0.0}
PLAN = PretrainingPlan(epochs=1, batch_size=4, learning_rate=1e-3)
TEXTS = [
    ["add two numbers", "return the sum of two numbers"],
    ["draw a line", "a line has two ends", "draw the ends"],
    ["find the roots", "return the two roots"],
    ["sort the numbers", "return the numbers in order"],
]


@pytest.fixture(scope="module")
def task():
    encoder = SubwordIds([s for text in TEXTS for s in text], max_pieces=80)
    options = {"max_tokens": 20, "seed": 0, "device": torch.device("cpu")}
    return pretraining_task(TEXTS, TEXTS[::-1], encoder, **options)


@pytest.fixture
def run(task):
    return task.pretrain(OBJECTIVES["BERT"], PLAN, seed=0, sizes=SIZES)


def generator():
    return torch.Generator().manual_seed(0)


PAIR = SegmentPair(tuple(range(4, 24)), tuple(range(24, 40)))


def example(name, task):
    """A long pair, as a model of an objective reads it, beside a short one."""
    objective = OBJECTIVES[name]
    masking = replace(task.masking(objective), vocab_size=100)
    batch = objective.batch([PAIR, SegmentPair((4, 5))], masking, generator())
    assert batch.num_chosen == batch.chosen.sum()
    assert not (batch.chosen & ~batch.token_mask).any()
    return MaskedExample(
        batch.ids[0], batch.segments[0], batch.chosen[0], batch.target[0], False
    )


def test_objectives_differ_in_what_they_say(task):
    ids = torch.tensor([1, *range(4, 24), 2, *range(24, 40), 2])
    words = ids > 3
    bert = example("BERT", task)
    assert_close(bert.target, ids)
    assert bert.chosen.sum() == round(0.15 * len(ids))
    assert bert.ids[~bert.chosen].equal(ids[~bert.chosen])
    alone = example("[MASK] alone", task)
    assert (alone.ids[alone.chosen] == task.encoder.marks.mask).all()
    for name in "without next sentence", "left side alone":
        assert_close(example(name, task).ids, bert.ids)
        assert_close(example(name, task).chosen, bert.chosen)
    everywhere = example("loss at all words", task)
    assert_close(everywhere.chosen, words)
    assert_close(everywhere.ids, bert.ids)
    nothing = example("nothing hidden", task)
    assert_close(nothing.chosen, words)
    assert_close(nothing.ids, ids)
    following = example("left to right", task)
    assert_close(following.ids, ids)
    assert_close(following.chosen, words.roll(-1))
    assert_close(following.target[:-1], ids[1:])
    causal = {name for name, x in OBJECTIVES.items() if x.causal}
    assert causal == {"left side alone", "left to right"}


def test_held_out_words_are_all_hidden_and_the_same_for_everyone(task):
    mask = task.encoder.marks.mask
    asked = []
    for name in "BERT", "left to right":
        rows = task.held_out(OBJECTIVES[name])
        asked.append([x.target[x.chosen].tolist() for x in rows])
        hidden = [(x.ids == mask).equal(x.chosen) for x in rows]
        assert all(hidden) == (name == "BERT")
    assert asked[0] == asked[1]


def test_the_bias_starts_at_the_frequencies(task):
    counts = Counter(w for pair in task.train for w in pair.first + pair.second)
    wanted = torch.tensor([counts[i] + 1.0 for i in range(len(task.encoder))])
    assert_close(task.word_frequencies(), wanted / wanted.sum())
    still = replace(PLAN, learning_rate=1e-9)
    run = task.pretrain(OBJECTIVES["BERT"], still, seed=0, sizes=SIZES)
    assert_close(run.model.word_head.bias, task.word_frequencies().log())
    plain = replace(still, frequencies=False)
    run = task.pretrain(OBJECTIVES["BERT"], plain, seed=0, sizes=SIZES)
    assert run.model.word_head.bias.abs().max() < 1e-6


def test_nats_of_each_chosen_word(task, run):
    nats = task.masked_nats(run.model, run.objective)
    wanted = []
    for one in task.test:
        words, _ = run.model(*_inputs(one))
        shares = words[0].log_softmax(dim=1)
        for at in one.chosen.nonzero()[:, 0]:
            wanted.append(-shares[at, one.target[at]])
    assert_close(torch.tensor(nats).float(), torch.stack(wanted).detach())


def _inputs(one):
    batch = pretraining_batch([one])
    return batch.ids, batch.token_mask, batch.segments


def test_the_words_that_are_asked_for(task, run):
    words = task.asked_words()
    assert len(words) == len(task.masked_nats(run.model, run.objective))
    first = task.test[0]
    asked = first.target[first.chosen].tolist()
    assert words[: len(asked)] == task.encoder.decode(asked)


def test_public_texts(mirror):
    train, test = public_texts()
    assert len(train) > 450
    assert len(test) > 90
    assert not {text[0] for text in train[:450]} & {text[0] for text in test[:50]}
    assert public_texts(3) == (train[:3], test[:3])


def test_losses_are_measured_on_the_way(task):
    run = task.pretrain(
        OBJECTIVES["left to right"],
        replace(PLAN, epochs=3),
        seed=0,
        sizes=SIZES,
        looks=2,
    )
    steps = 3 * -(-len(task.train) // PLAN.batch_size)
    assert run.steps == [0, steps // 2, steps]
    last = task.masked_nats(run.model, run.objective).mean()
    assert run.nats[-1] == pytest.approx(last)
    assert len(run.history.step_loss) == steps
    assert run.model.config.causal


def test_a_seed_gives_the_same_model_twice(task, run):
    again = task.pretrain(OBJECTIVES["BERT"], PLAN, seed=0, sizes=SIZES)
    assert again.history.step_loss == run.history.step_loss


def test_a_model_goes_on_with_longer_texts(task):
    objective = OBJECTIVES["BERT"]
    short = pretraining_task(
        TEXTS, TEXTS, task.encoder, max_tokens=8, seed=0, device=task.device
    )
    first = replace(short, max_tokens=task.max_tokens).pretrain(
        objective, PLAN, seed=0, sizes=SIZES
    )
    model, before = first.model, first.model.word_head.bias.detach().clone()
    second = task.pretrain(objective, PLAN, seed=0, start=model)
    assert second.model is model
    # One step after the warm-up changes each number by some three rates at most.
    steps = len(second.history.step_loss)
    moved = (model.word_head.bias - before).abs().max()
    assert 0 < moved < 4 * steps * PLAN.learning_rate
    with pytest.raises(ValueError, match="start must see the sides of text that the"):
        task.pretrain(OBJECTIVES["left side alone"], PLAN, seed=0, start=model)


def test_pairs_are_told_apart(task, run):
    right = task.next_sentence_right(run.model)
    assert len(right) == len(task.test)
    for one, is_right in zip(task.test, right, strict=True):
        _, following = run.model(*_inputs(one))
        assert is_right == float(following[0].argmax() == one.from_elsewhere)


def test_ngrams_by_hand(task):
    """Witten and Bell's rule, a word at a time, with plain counts."""
    marks, size = task.encoder.marks, len(task.encoder)
    after, shares = {}, task.word_frequencies().double().tolist()
    for pair in task.train:
        text = [marks.cls, *pair.first, marks.sep, *pair.second, marks.sep]
        for left, right in pairwise(text):
            after.setdefault(left, Counter())[right] += 1

    def bigram(word, left):
        if left not in after:
            return shares[word]
        counts = after[left]
        kinds = len(counts)
        return (counts[word] + kinds * shares[word]) / (counts.total() + kinds)

    wanted = {"unigram": [], "bigram": [], "both neighbours": []}
    for one in task.test:
        ids = one.target.tolist()
        for at in one.chosen.nonzero()[:, 0].tolist():
            left, word, right = ids[at - 1 : at + 2]
            wanted["unigram"].append(-math.log(shares[word]))
            wanted["bigram"].append(-math.log(bigram(word, left)))
            both = [bigram(w, left) * bigram(right, w) for w in range(size)]
            wanted["both neighbours"].append(-math.log(both[word] / sum(both)))
    found = ngram_nats(task)
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        assert found[name].tolist() == pytest.approx(values)


def test_shares_of_heads_a_query_at_a_time(task, run):
    found = head_shares(task, run.model, num_texts=2)
    batch = pretraining_batch(seen_words(task.test[:2]))
    weights = bert_weights(run.model, batch)
    marks = task.encoder.marks
    for name, wanted in {
        "previous word": lambda ids, i, j: j == i - 1 and ids[j] > 3,
        "same word": lambda ids, i, j: j != i and ids[i] == ids[j],
        "[SEP]": lambda ids, i, j: ids[j] == marks.sep,
    }.items():
        sums, equal = torch.zeros(2, 2), []
        for b, real in enumerate(batch.token_mask.sum(1).tolist()):
            ids = batch.ids[b].tolist()
            for i in range(real):
                keys = [j for j in range(real) if wanted(ids, i, j)]
                if ids[i] in (marks.cls, marks.sep) or not keys:
                    continue
                equal.append(len(keys) / real)
                for layer in range(2):
                    sums[layer] += weights[layer][b, :, i, keys].sum(dim=1)
        assert_close(found.shares[name], sums / len(equal))
        assert found.uniform[name] == pytest.approx(sum(equal) / len(equal))


def test_guesses(task, run):
    words, guesses = guess_each_word(task, run, "draw the line", count=3)
    assert words == ["draw", "the", "line"]
    ids = task.encoder.encode("draw the line")
    batch = one_text(task, f"draw {BLANK_PIECE} line")[1]
    logits = run.model(batch.ids, batch.token_mask, batch.segments)[0][0, 2]
    marks = task.encoder.marks
    logits = logits.detach()
    logits[[0, marks.cls, marks.sep, marks.mask]] = -torch.inf
    shares = logits.detach().softmax(dim=0)
    guess = guesses[1]
    assert guess.share == pytest.approx(float(shares[ids[1]]), rel=1e-5)
    assert guess.rank == int((shares >= shares[ids[1]]).sum())
    assert [p for _, p in guess.best] == pytest.approx(
        shares.topk(3).values.tolist(), rel=1e-5
    )
    (again,) = fill_blanks(task, run, f"draw {BLANK_PIECE} line", count=3)
    assert [word for word, _ in again.best] == [word for word, _ in guess.best]
    assert again.share is None


def test_a_left_to_right_model_guesses_from_the_words_before(task):
    run = task.pretrain(OBJECTIVES["left to right"], PLAN, seed=0, sizes=SIZES)
    first = guess_each_word(task, run, "draw the line")[1]
    other = guess_each_word(task, run, "draw the roots")[1]
    assert first[1] == other[1]  # what follows is not seen
    assert first[2].best == other[2].best


def test_blanks(task):
    ids = encode_blanks(task.encoder, f"{BLANK_PIECE} the {BLANK_PIECE}")
    mask = task.encoder.marks.mask
    assert ids == [mask, *task.encoder.encode("the"), mask]
    names, batch = one_text(task, f"draw {BLANK_PIECE}")
    assert names == ["[CLS]", "draw", "[MASK]", "[SEP]"]
    assert batch.chosen.tolist() == [[False, False, True, False]]


def test_changed_examples(task):
    changed = shuffled_words(task.test, task, seed=1)
    for before, after in zip(task.test, changed, strict=True):
        for segment in (0, 1):
            inside = before.segments == segment
            words = before.ids[inside].sort().values
            assert after.ids[inside].sort().values.equal(words)
        kept = before.chosen | (before.target < 3)
        assert after.ids[kept].equal(before.ids[kept])
    assert any(not a.ids.equal(b.ids) for a, b in zip(task.test, changed, strict=True))
    assert all((x.segments == 0).all() for x in without_segments(task.test))
    assert all(x.ids.equal(x.target) for x in seen_words(task.test))


def test_wrong_texts(task, run):
    with pytest.raises(ValueError, match=r"text must have a \[MASK\], got 'draw'"):
        fill_blanks(task, run, "draw")
    with pytest.raises(ValueError, match=r"at most 18 tokens, got \[19\]"):
        guess_words(task, run.model, run.objective, [[4] * 19], [0])


def test_a_test_part_is_drawn():
    encoder = SubwordIds([s for text in TEXTS for s in text], max_pieces=80)
    options = {"max_tokens": 20, "seed": 0, "device": torch.device("cpu")}
    task = pretraining_task(TEXTS, TEXTS, encoder, num_test=2, **options)
    assert len(task.test) == 2
    assert task.num_tokens == sum(
        len(pair.first) + len(pair.second) + 3 for pair in task.train
    )
