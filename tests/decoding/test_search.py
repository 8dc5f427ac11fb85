"""Greedy and beam search against plain loops and against exhaustive search."""

import itertools
import math
from functools import partial

import pytest
import torch
from torch.testing import assert_close

from attention_book.decoding.search import beam_search, greedy_search

BOS, EOS, VOCAB, MAX_TOKENS = 0, 1, 3, 4
SENTENCES = 5
ALL_NODES = sum((VOCAB - 1) ** n * 2 for n in range(MAX_TOKENS + 1))
ENDS = {"bos": BOS, "eos": EOS, "max_tokens": MAX_TOKENS}


class Model:
    """Logits that depend on the sentence and on all tokens so far, kept in the state.

    A state that goes to the wrong hypothesis thus changes every later probability.
    """

    def __init__(self, sharpness=3.0, dtype=torch.float32):
        self.table = sharpness * torch.randn(MAX_TOKENS, VOCAB, VOCAB, dtype=dtype)
        self.bias = torch.randn(SENTENCES, VOCAB, dtype=dtype)
        self.calls = 0

    def start(self, sentences):
        past = torch.zeros(len(sentences), 0, dtype=torch.long)
        return {"bias": self.bias[sentences], "past": (past, [None])}

    def step(self, ids, state):
        self.calls += 1
        past = torch.cat([state["past"][0], ids[:, None]], dim=1)
        rows = [
            sum(
                self.table[t, token] * math.cos(t * token)
                for t, token in enumerate(row)
            )
            for row in past.flip(1).tolist()
        ]
        logits = torch.stack(rows) + state["bias"]
        return logits, {"bias": state["bias"], "past": (past, [None])}

    def log_prob(self, sentence, tokens):
        """Of a whole output, one token at a time."""
        state, total, last = self.start([sentence]), 0.0, BOS
        for token in tokens:
            logits, state = self.step(torch.tensor([last]), state)
            total += logits[0].double().log_softmax(-1)[token].item()
            last = token
        return total


def penalised(log_prob, num_tokens, alpha):
    return log_prob / ((5 + num_tokens) / 6) ** alpha


def exhaustive(model, sentence, alpha):
    """The best of all complete outputs: ``(score, tokens)``."""
    words = [token for token in range(VOCAB) if token != EOS]
    outputs = [
        (*tokens, EOS)
        for length in range(MAX_TOKENS)
        for tokens in itertools.product(words, repeat=length)
    ]
    return max(
        (penalised(model.log_prob(sentence, tokens), len(tokens), alpha), tokens[:-1])
        for tokens in outputs
    )


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_beam_that_is_wide_enough_finds_the_optimum(alpha):
    lengths = set()
    for _ in range(3):
        model = Model()
        found = beam_search(
            model.step,
            model.start(range(SENTENCES)),
            beam_size=ALL_NODES,
            batch_size=SENTENCES,
            length_penalty=alpha,
            **ENDS,
        )
        for sentence, hypothesis in enumerate(found):
            score, tokens = exhaustive(model, sentence, alpha)
            assert hypothesis.tokens == tokens
            assert hypothesis.finished
            assert_close(hypothesis.score, score, rtol=1e-4, atol=1e-5)
            log_prob = model.log_prob(sentence, (*tokens, EOS))
            assert_close(hypothesis.log_prob, log_prob, rtol=1e-4, atol=1e-5)
            lengths.add(len(tokens))
    assert len(lengths) > 1  # else the length penalty would not be tested


def test_greedy_against_a_plain_loop():
    model = Model(sharpness=1.0)
    found = greedy_search(
        model.step, model.start(range(SENTENCES)), batch_size=SENTENCES, **ENDS
    )
    for sentence, hypothesis in enumerate(found):
        tokens = []
        while len(tokens) < MAX_TOKENS and EOS not in tokens:
            following = [model.log_prob(sentence, (*tokens, t)) for t in range(VOCAB)]
            tokens.append(following.index(max(following)))
        assert hypothesis.finished == (EOS in tokens)
        assert hypothesis.tokens == tuple(token for token in tokens if token != EOS)
        want = model.log_prob(sentence, tokens)
        assert_close(hypothesis.log_prob, want, rtol=1e-4, atol=1e-5)
        assert hypothesis.score == hypothesis.log_prob
    assert {hypothesis.finished for hypothesis in found} == {True, False}


def beam(model, state, batch_size, beam_size, alpha=0.0):
    sizes = {"batch_size": batch_size, "beam_size": beam_size, "length_penalty": alpha}
    return beam_search(model.step, state, **sizes, **ENDS)


def test_a_beam_of_one_is_greedy():
    for _ in range(5):
        model = Model()
        state = model.start(range(SENTENCES))
        greedy = greedy_search(model.step, state, batch_size=SENTENCES, **ENDS)
        for ours, wanted in zip(
            beam(model, state, SENTENCES, 1, alpha=0.7), greedy, strict=True
        ):
            assert (ours.tokens, ours.finished) == (wanted.tokens, wanted.finished)
            assert_close(ours.log_prob, wanted.log_prob)


def plain_beam(model, sentence, width, alpha):
    """Sutskever's search, one hypothesis at a time: ``(score, tokens)`` of the best."""
    beam, complete = [()], []
    for _ in range(MAX_TOKENS):
        longer = [(*tokens, token) for tokens in beam for token in range(VOCAB)]
        longer.sort(key=lambda tokens: -model.log_prob(sentence, tokens))
        ended = [tokens for tokens in longer[:width] if tokens[-1] == EOS]
        beam = [tokens for tokens in longer[:width] if tokens[-1] != EOS]
        complete += ended
        width -= len(ended)
    return max(
        (
            penalised(model.log_prob(sentence, tokens), len(tokens), alpha),
            tuple(token for token in tokens if token != EOS),
        )
        for tokens in complete or beam
    )


@pytest.mark.parametrize("beam_size", [2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 3.0])
def test_each_complete_hypothesis_makes_the_beam_narrower(beam_size, alpha):
    for _ in range(3):
        model = Model(sharpness=1.0)
        state = model.start(range(SENTENCES))
        for sentence, ours in enumerate(
            beam(model, state, SENTENCES, beam_size, alpha)
        ):
            score, tokens = plain_beam(model, sentence, beam_size, alpha)
            assert ours.tokens == tokens
            assert_close(ours.score, score, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("beam_size", [1, 2, 7])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_neighbours_in_the_batch_change_nothing(beam_size, alpha):
    lengths = set()
    for _ in range(5):
        model = Model()
        state = model.start(range(SENTENCES))
        together = beam(model, state, SENTENCES, beam_size, alpha)
        for sentence, ours in enumerate(together):
            (alone,) = beam(model, model.start([sentence]), 1, beam_size, alpha)
            assert (ours.tokens, ours.finished) == (alone.tokens, alone.finished)
            assert_close((ours.log_prob, ours.score), (alone.log_prob, alone.score))
            lengths.add(len(ours.tokens))
    assert len(lengths) > 1


def markov(rows):
    """A step whose probabilities depend on the last token only."""
    table = torch.tensor(rows).log()
    return lambda ids, state: (table[ids], state)


def test_an_unfinished_hypothesis_never_wins_over_a_finished_one():
    step = markov([[0.0, 0.3, 0.7], [0.0, 1.0, 0.0], [0.0, 0.01, 0.99]])
    (found,) = beam_search(step, None, beam_size=2, batch_size=1, **ENDS)
    assert (found.tokens, found.finished) == ((), True)
    assert_close(found.log_prob, math.log(0.3))


def test_where_nothing_ends_the_most_probable_is_returned():
    step = markov([[0.4, 0.0, 0.6], [0.0, 1.0, 0.0], [0.9, 0.0, 0.1]])
    sizes = {"batch_size": 1, "length_penalty": 1.0}
    (found,) = beam_search(step, None, beam_size=3, **sizes, **ENDS)
    assert (found.tokens, found.finished) == ((2, 0, 2, 0), False)
    assert_close(found.log_prob, 2 * math.log(0.6 * 0.9))
    assert_close(found.score, found.log_prob / (9 / 6))
    (found,) = greedy_search(step, None, batch_size=1, **ENDS)
    assert (found.tokens, found.finished) == ((2, 0, 2, 0), False)


def test_a_length_penalty_lets_the_search_go_on_after_the_first_end():
    # Both outputs have probability 1/2; per token the longer one is better.
    step = markov([[0.0, 0.501, 0.499], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    sizes = {"beam_size": 2, "batch_size": 1}
    assert beam_search(step, None, **sizes, **ENDS)[0].tokens == ()
    (found,) = beam_search(step, None, **sizes, **ENDS, length_penalty=1.0)
    assert found.tokens == (2,)
    assert_close(found.score, math.log(0.499) / (7 / 6))


@pytest.mark.parametrize(("alpha", "calls"), [(0.0, 1), (2.0, MAX_TOKENS)])
def test_the_search_stops_when_nothing_can_win_any_more(alpha, calls):
    rows = torch.tensor([[0.0, 0.6, 0.4], [0.0, 1.0, 0.0], [0.0, 0.001, 0.999]]).log()
    seen = []

    def step(ids, state):
        seen.append(ids)
        return rows[ids], state

    sizes = {"beam_size": 2, "batch_size": 1, "length_penalty": alpha}
    beam_search(step, None, **sizes, **ENDS)
    assert len(seen) == calls


def test_greedy_stops_when_all_have_ended():
    step = markov([[0.0, 0.4, 0.6], [0.0, 0.0, 1.0], [0.0, 0.9, 0.1]])
    calls = []

    def counted(ids, state):
        calls.append(ids.tolist())
        return step(ids, state)

    found = greedy_search(counted, None, batch_size=2, bos=BOS, eos=EOS, max_tokens=99)
    assert calls == [[0, 0], [2, 2]]
    assert [hypothesis.tokens for hypothesis in found] == [(2,), (2,)]


SPOILED = {"NaN": torch.nan, "all -inf": -torch.inf, "+inf": torch.inf}


@pytest.mark.parametrize("beam_size", [None, 1, 3])
@pytest.mark.parametrize("value", SPOILED.values(), ids=SPOILED)
def test_logits_that_are_not_numbers_name_the_step(value, beam_size):
    model = Model(sharpness=0.1)

    def step(ids, state):
        logits, state = model.step(ids, state)
        logits[:, EOS] = -9.0  # nothing ends before
        if state["past"][0].shape[1] == 3:
            logits[1] = value
        return logits, state

    search = greedy_search if beam_size is None else beam_search
    options = {} if beam_size is None else {"beam_size": beam_size}
    state = model.start(range(SENTENCES))
    with pytest.raises(FloatingPointError, match="NaN at step 2"):
        search(step, state, batch_size=SENTENCES, **ENDS, **options)


def test_a_sentence_that_has_ended_may_go_wrong_in_greedy_search():
    table = torch.tensor([[0.0, 0.6, 0.4], [torch.nan] * 3, [0.1, 0.7, 0.2]])

    def step(ids, state):
        return table[ids], state + 1

    def first_ends(ids, state):
        logits, state = step(ids, state)
        logits[1, EOS] += -9.0 if state[1] < 3 else 9.0
        return logits, state

    state = torch.zeros(2, dtype=torch.long)
    found = greedy_search(first_ends, state, batch_size=2, **ENDS)
    assert [hypothesis.tokens for hypothesis in found] == [(), (2, 2)]


def test_a_float64_model_is_summed_in_float64():
    model = Model(dtype=torch.float64)
    state = model.start(range(SENTENCES))
    for found in (
        greedy_search(model.step, state, batch_size=SENTENCES, **ENDS),
        beam(model, state, SENTENCES, 2),
    ):
        for sentence, one in enumerate(found):
            tokens = (*one.tokens, EOS) if one.finished else one.tokens
            own = model.log_prob(sentence, tokens)
            assert_close(one.log_prob, own, rtol=1e-12, atol=0)


def test_log_probabilities_are_float32_and_have_no_gradient():
    logits = torch.randn(1, VOCAB, requires_grad=True).to(torch.bfloat16)

    def step(ids, state):
        return logits.expand(len(ids), VOCAB), state

    for found in (
        greedy_search(step, None, batch_size=2, **ENDS),
        beam_search(step, None, beam_size=1, batch_size=2, **ENDS),
    ):
        best = logits.float().log_softmax(-1).max().item()
        num_tokens = len(found[0].tokens) + found[0].finished
        assert_close(found[0].log_prob, num_tokens * best)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"max_tokens": 0}, "max_tokens must be at least 1, got 0"),
        ({"eos": VOCAB}, "eos must be an id below 3, got 3"),
        ({"eos": -1}, "eos must be an id below 3, got -1"),
        ({"state": (torch.zeros(2, 7),)}, r"must have 5 rows .* got shape \(2, 7\)"),
        (
            {"state": (torch.zeros(2, 7),), "device": "cpu"},
            r"must have 5 rows .* got shape \(2, 7\)",
        ),
        ({"beam_size": 0}, "beam_size must be at least 1, got 0"),
        ({"length_penalty": -0.5}, "length_penalty must not be negative, got -0.5"),
    ],
)
def test_wrong_arguments(changed, message):
    model = Model()
    arguments = {
        "state": model.start(range(SENTENCES)),
        "batch_size": SENTENCES,
        **ENDS,
        **changed,
    }
    searches = [lambda step, **rest: beam_search(step, **{"beam_size": 2, **rest})]
    if not changed.keys() & {"beam_size", "length_penalty"}:
        searches.append(greedy_search)
    for search in searches:
        with pytest.raises(ValueError, match=message):
            search(model.step, **arguments)


@pytest.mark.parametrize("shape", [(1, VOCAB), (VOCAB,), (SENTENCES, 1, VOCAB)])
@pytest.mark.parametrize("search", [greedy_search, partial(beam_search, beam_size=1)])
def test_logits_of_another_shape(search, shape, no_shape_checks):
    sizes = {"batch_size": SENTENCES, **ENDS}
    with pytest.raises(ValueError, match=r"logits of shape \(5, vocab\), one row"):
        search(lambda ids, state: (torch.zeros(shape), state), None, **sizes)
