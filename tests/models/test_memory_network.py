"""MemN2N: the paper's equations one story at a time, tying, and what is kept at 0."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.attention.memory_network import released_position_encoding
from attention_book.data.questions.questions import QuestionBatch
from attention_book.data.vocab import PAD
from attention_book.models.memory_network import MemN2N, MemN2NConfig
from attention_book.observe import record_weights
from attention_book.training.loop import fit

VOCAB, DIM, MEMORY, HOPS = 13, 7, 5, 3
FACTS = torch.tensor(  # three facts and two empty memories; four facts and one
    [
        [[4, 5, 6], [7, 8, 0], [9, 0, 0], [0, 0, 0]],
        [[5, 4, 0], [6, 6, 7], [12, 1, 2], [4, 0, 0]],
    ]
)
QUESTION = torch.tensor([[10, 11], [3, 0]])


def make(**changes):
    fields = {"word_vocab": VOCAB, "memory_size": MEMORY, "embed_dim": DIM}
    config = MemN2NConfig(**(fields | {"num_hops": HOPS} | changes))
    return MemN2N(config).double().eval()


def factor(k, j, J, config):
    """l_kj for feature k and word j, both from 1."""
    if config.sentence == "bag":
        return 1.0
    if config.sentence == "released":
        return released_position_encoding(config.max_words + 1, DIM).matrix()[
            j - 1, k - 1
        ]
    return (1 - j / J) - (k / DIM) * (1 - 2 * j / J)


def sentence(matrix, ids, config):
    words = [word for word in ids.tolist() if word != PAD]
    total = torch.zeros(DIM, dtype=torch.float64)
    for j, word in enumerate(words, start=1):
        for k in range(1, DIM + 1):
            total[k - 1] += factor(k, j, len(words), config) * matrix[word, k - 1]
    return total


def matrices(model):
    """A, C of each hop, B and W with their temporal vectors, by the paper's rules."""
    t, T = list(model.tables), list(model.times)
    if model.config.tying == "adjacent":  # A^{k+1} = C^k, B = A^1, W^T = C^K
        A, C = [t[k] for k in range(HOPS)], [t[k + 1] for k in range(HOPS)]
        T_A, T_C = [T[k] for k in range(HOPS)], [T[k + 1] for k in range(HOPS)]
        return A, C, T_A, T_C, A[0], C[-1]
    if model.config.tying == "layer-wise":
        return [t[0]] * HOPS, [t[1]] * HOPS, [T[0]] * HOPS, [T[1]] * HOPS, t[2], t[3]
    return t[0:6:2], t[1:6:2], T[0::2], T[1::2], t[6], t[7]


def by_hand(model, facts, question):
    """The logits of one story, a fact and a hop at a time."""
    config = model.config
    A, C, T_A, T_C, B, W = matrices(model)
    story = [fact for fact in facts if fact.any()]
    last = torch.ones(DIM)
    if config.sentence == "released":
        J = config.max_words + 1
        last = torch.tensor([float(factor(k, J, J, config)) for k in range(1, DIM + 1)])
    u = sentence(B, question, config)
    for k in range(HOPS):
        m, c = [], []
        for i, fact in enumerate(story):
            age = len(story) - i  # 1 for the most recent
            m.append(sentence(A[k], fact, config) + last * T_A[k][age])
            c.append(sentence(C[k], fact, config) + last * T_C[k][age])
        e = torch.stack([u @ one for one in m])
        if model.linear:
            p = e
        else:
            empty = MEMORY - len(story) if config.attend_empty else 0
            p = e.exp() / (e.exp().sum() + empty)
        o = sum(weight * one for weight, one in zip(p, c, strict=True))
        u = (u if model.state_proj is None else model.state_proj.weight @ u) + o
    return torch.stack([W[word] @ u for word in range(VOCAB)])


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("tying", ["adjacent", "layer-wise", "none"])
def test_equations_one_story_at_a_time(tying, linear):
    model = make(tying=tying)
    model.linear = linear
    logits = model(FACTS, QUESTION)
    for row in range(2):
        assert_close(logits[row], by_hand(model, FACTS[row], QUESTION[row]))


@pytest.mark.parametrize(
    "changes",
    [
        {"sentence": "bag"},
        {"sentence": "released", "max_words": 4},
        {"attend_empty": True},
        {"attend_empty": True, "tying": "layer-wise"},
    ],
)
def test_equations_of_the_variants(changes):
    model = make(**changes)
    logits = model(FACTS, QUESTION)
    for row in range(2):
        assert_close(logits[row], by_hand(model, FACTS[row], QUESTION[row]))


def test_number_of_matrices():
    numbers = {"adjacent": HOPS + 1, "layer-wise": 4, "none": 2 * HOPS + 2}
    for tying, number in numbers.items():
        model = make(tying=tying)
        assert len(model.tables) == number
        assert (model.state_proj is not None) == (tying == "layer-wise")


def test_without_time_the_order_of_facts_does_not_matter():
    model, order = make(time=False), torch.tensor([2, 0, 1])
    shuffled = FACTS.clone()
    shuffled[:, :3] = FACTS[:, order]
    assert_close(model(shuffled, QUESTION)[:1], model(FACTS, QUESTION)[:1])
    assert (make()(shuffled, QUESTION) - make()(FACTS, QUESTION)).abs().max() > 1e-6


def test_a_bag_of_words_has_no_order_and_positions_do():
    turned = FACTS.clone()
    turned[0, 0] = FACTS[0, 0].flip(0)
    for kind, same in (("bag", True), ("position", False)):
        model = make(sentence=kind)
        change = (model(turned, QUESTION) - model(FACTS, QUESTION))[0].abs().max()
        assert (change < 1e-12) == same


@pytest.mark.parametrize("attend_empty", [False, True])
def test_more_empty_memories_change_nothing(attend_empty):
    model = make(attend_empty=attend_empty)
    longer = torch.cat([FACTS, torch.zeros_like(FACTS[:, :1])], dim=1)
    assert_close(model(longer, QUESTION), model(FACTS, QUESTION))
    wider = torch.cat([FACTS, torch.zeros_like(FACTS[:, :, :1])], dim=2)
    assert_close(model(wider, QUESTION), model(FACTS, QUESTION))


def test_padding_has_no_gradient():
    model = make(tying="layer-wise")
    model(FACTS, QUESTION).square().sum().backward()
    for table in (*model.tables[:3], *model.times):  # all but W
        assert (table.grad[PAD] == 0).all()
        assert (table.grad[1:] != 0).any()


def test_empty_memories_take_weight_only_where_they_are_attended():
    for attend_empty in (False, True):
        model = make(attend_empty=attend_empty)
        with record_weights(model) as weights:
            model(FACTS, QUESTION)
        assert list(weights) == ["hops.0", "hops.1", "hops.2"]
        for (found,) in weights.values():
            assert found.shape == (2, 1, MEMORY if attend_empty else 4)
            assert (found[0, 0, 3:].sum() > 0) == attend_empty


def test_noise_moves_times_in_training_only():
    model = make(time_noise=0.5)
    assert_close(model(FACTS, QUESTION), model(FACTS, QUESTION))
    model.train()
    draws = torch.stack([model(FACTS, QUESTION) for _ in range(9)])
    assert (draws.std(dim=0) > 0).any()


def test_noise_never_leaves_the_memory():
    model = make(time_noise=3.0).train()
    full = FACTS[:, [0, 1, 2, 0, 1]]
    for _ in range(20):
        assert model(full, QUESTION).isfinite().all()


def test_padding_vectors_stay_0_through_training():
    model = make()
    batch = QuestionBatch(FACTS, QUESTION, torch.tensor([4, 5]))
    fit(model.float(), [batch], epochs=3, learning_rate=0.1, device="cpu")
    for table in (*model.tables, *model.times):
        assert (table[PAD] == 0).all()
        assert (table[1:] != 0).any()


def test_learns_ten_examples_by_heart_and_a_seed_gives_the_same_loss():
    losses = []
    for _ in range(2):
        torch.manual_seed(1)
        facts = torch.randint(1, VOCAB, (10, 4, 3))
        batch = QuestionBatch(
            facts, torch.randint(1, VOCAB, (10, 2)), torch.randint(1, VOCAB, (10,))
        )
        model = make().float()
        history = fit(model, [batch], epochs=150, learning_rate=0.03, device="cpu")
        losses.append(history.step_loss)
    assert losses[0] == losses[1]
    assert losses[0][-1] < 0.05


def test_loss_is_the_mean_over_answers():
    model = make()
    batch = QuestionBatch(FACTS, QUESTION, torch.tensor([4, 9]))
    logs = model(FACTS, QUESTION).log_softmax(-1)
    assert_close(model.loss(batch), -(logs[0, 4] + logs[1, 9]) / 2)


def test_compiles_to_one_graph(no_shape_checks):
    model = make()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    assert_close(compiled(FACTS, QUESTION), model(FACTS, QUESTION))


@pytest.mark.parametrize("time", [True, False])
@pytest.mark.parametrize("attend_empty", [True, False])
def test_too_many_facts_are_an_error(time, attend_empty):
    model = make(memory_size=3, time=time, attend_empty=attend_empty)
    with pytest.raises(ValueError, match=r"facts must be at most 3, .*, got 4"):
        model(FACTS, QUESTION)


def test_unknown_ids_and_too_many_words_are_errors():
    with pytest.raises(ValueError, match=r"ids must be from 0 to 11.*from 0 to 12"):
        make(word_vocab=12)(FACTS, QUESTION)
    with pytest.raises(ValueError, match=r"at most max_words \(2\) words, got 3"):
        make(sentence="released", max_words=2)(FACTS, QUESTION)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"word_vocab": 0}, "word_vocab must be at least 1, got 0"),
        ({"num_hops": 0}, "num_hops must be at least 1, got 0"),
        ({"memory_size": 0}, "memory_size must be at least 1, got 0"),
        ({"time_noise": -0.1}, "time_noise must not be negative, got -0.1"),
        ({"tying": "loose"}, "tying must be one of adjacent, .*, got 'loose'"),
        ({"sentence": "lstm"}, "sentence must be one of position, .*, got 'lstm'"),
        ({"sentence": "released"}, "max_words must be given .*, got None for 'rel"),
        ({"max_words": 3}, "max_words must be given .*, got 3 for 'position'"),
    ],
)
def test_wrong_choices_are_errors(fields, message):
    with pytest.raises(ValueError, match=message):
        MemN2NConfig(**({"word_vocab": VOCAB} | fields))
