"""All mechanisms side by side: sizes, what is set by hand, formulas of the cost."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.attention.bahdanau import AdditiveAttention
from attention_book.chapters.taxonomy import MECHANISMS, SYSTEMS
from attention_book.evaluation.cost import multiplications
from attention_book.recipes.mechanisms import (
    WORD_DIM,
    build_mechanisms,
    call_mechanism,
    compare_by_content,
    compared_weights,
    count_unmet,
    expected_multiplications,
    mechanism_costs,
    neighbour_edges,
    publications,
    word_vectors,
)

NAMES = [mechanism.name for mechanism in MECHANISMS]


@pytest.fixture
def sentences():
    return torch.randn(1, 5, 8), torch.randn(1, 7, 8)


@pytest.fixture
def layers():
    return build_mechanisms(8, 7, window=2)


def test_words_with_a_digit_in_common_share_a_feature():
    german = word_vectors(["drei", "und", "vierzig"])[0]
    english = word_vectors(["forty", "three", "two"])[0]
    assert (german @ english.T).tolist() == [[0, 18, 9], [0, 0, 0], [18, 0, 0]]


def test_a_word_that_means_no_number_is_an_error():
    with pytest.raises(ValueError, match=r"words must be among forty.*got 'hund'"):
        word_vectors(["drei", "hund"])


def test_all_mechanisms_are_built_in_the_order_of_the_table(layers):
    assert list(layers) == NAMES


def test_a_sentence_sees_another_as_its_mechanisms_do():
    layers = build_mechanisms(WORD_DIM, 8, hidden_dim=2 * WORD_DIM)
    compare_by_content(layers)
    query = word_vectors(["drei", "und", "vierzig"])
    key = word_vectors(["forty", "three", "thousand", "two"])
    found = compared_weights(layers, query, key)
    assert {tuple(table.shape) for table in found.values()} == {(3, 4)}
    additive = layers["additive"](query, key, key)[1][0]
    assert_close(found["additive"], additive.detach())
    assert_close(found["location, W = 0"], torch.full((3, 4), 0.25))
    assert (found["local-m"][2] > 0).tolist() == [False, True, True, True]
    draw = found["hard, one draw"]
    assert_close(draw.sum(dim=-1), torch.ones(3))
    for name in ("dot, not scaled", "dot, scaled", "head 1 of 2 (digits)"):
        assert found[name].argmax(dim=-1)[[0, 2]].tolist() == [1, 0]
    assert_close(found["head 2 of 2 (kinds)"][0, 1], found["head 2 of 2 (kinds)"][0, 3])


@pytest.mark.parametrize("name", NAMES)
def test_the_formula_agrees_with_the_counter(name, layers, sentences):
    counted = multiplications(lambda: call_mechanism(layers, name, *sentences))
    assert counted == expected_multiplications(name, 5, 7, 8, 2)


def test_weights_are_over_the_tokens_that_a_mechanism_sees(layers, sentences):
    shapes = {
        "additive": (1, 5, 7),
        "input": (1, 1, 7),
        "self-attention": (1, 5, 5),
        "multi-head": (1, 2, 5, 5),
        "views": (1, 5, 2),
        "source2token": (1, 8, 1, 5),
    }
    for name, shape in shapes.items():
        assert call_mechanism(layers, name, *sentences)[1].shape == shape


def test_set_by_hand_equal_words_match_best():
    layers = build_mechanisms(20, 8, hidden_dim=40)
    compare_by_content(layers)
    german, english = word_vectors(["zwei", "vierzig"]), word_vectors(["forty", "two"])
    for name in ("additive", "projected dot", "global", "scaled dot"):
        weights = call_mechanism(layers, name, german, english)[1][0]
        assert weights.argmax(dim=1).tolist() == [1, 0]
    general = call_mechanism(layers, "global", german, english)[1]
    assert_close(general, call_mechanism(layers, "scaled dot", german, english)[1])
    for layer in layers.values():
        parts = layer.modules() if isinstance(layer, nn.Module) else ()
        for part in parts:
            if isinstance(part, nn.Linear) and part.bias is not None:
                assert (part.bias == 0).all()


def test_an_additive_score_counts_what_a_key_lacks():
    layers = build_mechanisms(WORD_DIM, 8, hidden_dim=2 * WORD_DIM)
    compare_by_content(layers)
    words = ["drei", "und", "vierzig", "tausend", "zwei"]
    vectors = word_vectors(words)
    has = vectors[0] > 0
    for name in ("additive", "hard"):
        weights = call_mechanism(layers, name, vectors, vectors)[1][0]
        for i in range(len(words)):
            unmet = torch.stack([(has[i] & ~has[j]).sum() for j in range(len(words))])
            expected = (-2.0 * unmet).softmax(dim=0)
            assert_close(weights[i], expected, atol=0.02, rtol=0)
    for layer in (
        AdditiveAttention(3, 3, 3),
        AdditiveAttention(3, 4, 6),
    ):
        with pytest.raises(
            ValueError, match="must have 6 hidden units and keys of siz"
        ):
            count_unmet(layer)


def test_weights_set_by_hand_do_not_depend_on_the_seed():
    words = word_vectors(["drei", "und", "vierzig"]), word_vectors(["forty", "three"])
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        layers = build_mechanisms(WORD_DIM, 8, hidden_dim=2 * WORD_DIM)
        compare_by_content(layers)
        found.append(
            {
                name: call_mechanism(layers, name, *words)[1].detach()
                for name in NAMES
                if name != "ABCNN-3"
            }
        )
    for name, weights in found[0].items():
        assert_close(weights, found[1][name])


def test_graph_scores_set_by_hand():
    layers = build_mechanisms(WORD_DIM, 8, hidden_dim=2 * WORD_DIM)
    compare_by_content(layers)
    vectors = word_vectors(["drei", "und", "vierzig", "tausend", "zwei"])[0]
    pairs = torch.cartesian_prod(torch.arange(5), torch.arange(5)).T.flip(0)
    for name, favourites in (("GAT", [2] * 5), ("GATv2", [0, 1, 2, 3, 4])):
        nodes = vectors[:, None]
        _, weights = layers[name](nodes, nodes, nodes, pairs)
        assert weights.view(5, 5).argmax(dim=1).tolist() == favourites


def test_edges_link_neighbours_both_ways():
    pairs = {tuple(edge) for edge in neighbour_edges(4).T.tolist()}
    assert pairs == {(i, j) for i in range(4) for j in range(4) if abs(i - j) == 1}


def test_costs(layers, sentences):
    costs = mechanism_costs(layers, *sentences, rounds=2)
    assert list(costs) == NAMES
    assert costs["scaled dot"].parameters == 0
    assert costs["self-attention"].parameters == sum(
        p.numel() for p in layers["self-attention"].parameters()
    )
    for name, cost in costs.items():
        wanted = expected_multiplications(name, 5, 7, 8, 2)
        assert cost.multiplications == wanted
        assert cost.seconds > 0


def test_every_paper_is_listed_once():
    rows = publications()
    assert len(rows) == len({entry.paper for entry in (*MECHANISMS, *SYSTEMS)})
    assert len({author for _, author, *_ in rows}) == len(rows)
    assert ", ".join(row[2] for row in rows).count("ABCNN-1, ABCNN-2, ABCNN-3") == 1
    month, author, _, group = rows[0]
    assert (month, author, group) == ("2014-09", "Bahdanau 2015", "distinctive")
    groups = {author: group for _, author, _, group in rows}
    assert groups["Vaswani 2017"] == "self and distinctive"
    assert "Veličković 2018" in groups
    assert groups["Cho 2014"] == groups["Sutskever 2014"] == "no attention"
    assert groups["Devlin 2019"] == "self"
    assert groups["Wang 2017"] == "self and co-attention"
