"""The weights of all mechanisms, with their labels and facts."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from attention_book.attention.graph_attention.edges import edge_attention, edge_mask
from attention_book.chapters.taxonomy import AXES, MECHANISMS
from attention_book.functional import attend, dot_scores
from attention_book.recipes.comparison import (
    complete_edges,
    draw_hard,
    graph_weights,
    mechanism_facts,
    weigh_document,
    weight_tables,
)
from attention_book.recipes.mechanisms import (
    WORD_DIM,
    MechanismCost,
    build_mechanisms,
    call_mechanism,
    compare_by_content,
    word_vectors,
)

QUERIES = ["drei", "und", "vierzig", "tausend", "zwei"]
KEYS = ["forty", "three", "thousand", "two"]


@pytest.fixture(scope="module")
def layers():
    layers = build_mechanisms(WORD_DIM, 8, hidden_dim=2 * WORD_DIM)
    compare_by_content(layers)
    return layers


@pytest.fixture(scope="module")
def tables(layers):
    return weight_tables(layers, QUERIES, KEYS)


def test_every_mechanism_has_a_table_whose_labels_fit(tables):
    order = [mechanism.name for mechanism in MECHANISMS]
    found = [table.mechanism for table in tables.values()]
    assert list(dict.fromkeys(found)) == order
    for name, table in tables.items():
        assert table.weights.shape == (len(table.queries), len(table.keys)), name
        assert not table.weights.requires_grad


def test_tables_hold_the_weights_of_their_mechanisms(layers, tables):
    german, english = word_vectors(QUERIES), word_vectors(KEYS)
    for name in ("additive", "projected dot", "scaled dot", "memory", "self-attention"):
        weights = call_mechanism(layers, name, german, english)[1][0]
        assert_close(tables[name].weights, weights.detach())
    heads = call_mechanism(layers, "rotary", german, english)[1][0].detach()
    for number, head in enumerate(heads, start=1):
        assert_close(tables[f"rotary, head {number}"].weights, head)
    words, phrases = tables["ABCNN-3, words"], tables["ABCNN-3, phrases"]
    assert_close(words.weights, tables["ABCNN-1"].weights)
    assert [*phrases.queries] == ["drei", "drei und", "und vierzig", "vierzig tausend",
                                  "tausend zwei", "zwei"]  # fmt: skip
    aoa = tables["AoA, over the query"].weights @ tables["AoA, word by word"].weights
    assert_close(tables["AoA"].weights, aoa)
    # A pixel sees most of the one to its right, and the last one of nothing inside.
    pixels = tables["quadratic, one to the right"].weights
    assert pixels[:-1].argmax(dim=1).tolist() == [1, 2, 3, 4]


def test_weights_along_edges_are_those_of_a_mask():
    nodes = torch.randn(4, 3)
    edges = torch.tensor([[0, 2, 3, 1], [1, 1, 0, 2]])
    table = graph_weights(edge_attention, nodes, edges)
    x = nodes[None]
    _, dense = attend(dot_scores(x, x), x, edge_mask(edges, 4))
    assert_close(table, dense[0])
    everyone = complete_edges(3)
    assert everyone.shape == (2, 9)
    assert edge_mask(everyone, 3).all()


def test_a_word_has_its_share_of_a_sentence_and_the_sentence_its_share():
    document = [["zwei", "tausend"], ["drei", "und", "vierzig"], ["und", "zwei"]]
    found = weigh_document(document, digit=4)
    power = math.exp(3 * math.tanh(3))
    expected = torch.tensor([1, 1, power]) / (2 + power)
    assert_close(found.words[1], expected)
    assert_close(found.words[0], torch.tensor([0.5, 0.5]))
    upper = math.exp(3 * math.tanh(3 * expected[2].item()))
    assert_close(found.sentences, torch.tensor([1, upper, 1]) / (2 + upper))
    assert_close(found.at_once[4], torch.tensor(power / (6 + power)))


def test_hard_draws_average_to_the_soft_context(layers):
    query, key = word_vectors(QUERIES), word_vectors(KEYS)
    torch.manual_seed(0)
    found = draw_hard(layers["hard"], query, key, draws=2000)
    assert found.chosen.shape == (2000, 5)
    assert found.mean < found.one / 5
    weights = call_mechanism(layers, "hard", query, key)[1][0]
    shares = F.one_hot(found.chosen, len(KEYS)).float().mean(dim=0)
    assert_close(shares, weights.detach(), atol=0.05, rtol=0)


def test_facts_of_all_mechanisms_have_the_same_names():
    cost = MechanismCost(parameters=1234, multiplications=3_000_000, seconds=0.0015)
    facts = [mechanism_facts(mechanism.name, cost) for mechanism in MECHANISMS]
    assert len({tuple(found) for found in facts}) == 1
    assert set(AXES) <= facts[0].keys()
    assert facts[0]["parameters"] == "1,234"
    assert facts[0]["million operations"] == "6.00"
    assert facts[0]["milliseconds"] == "1.50"
    with pytest.raises(KeyError, match="no such one"):
        mechanism_facts("no such one", cost)
