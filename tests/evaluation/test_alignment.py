"""Alignments: links from weights, and how many of them are wrong."""

import math
import random

import pytest
import torch

from attention_book.evaluation.alignment import alignment_error_rate, argmax_links


def test_links_go_to_the_largest_weight_of_each_row():
    weights = torch.rand(2, 3, 5)
    for b, links in enumerate(argmax_links(weights, [3, 2])):
        rows = weights[b].tolist()[: [3, 2][b]]
        assert links == {(row.index(max(row)), j) for j, row in enumerate(rows)}


def test_among_equal_weights_the_first_wins():
    rows = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [1 / 3] * 3]
    (links,) = argmax_links(torch.tensor([rows]), [3])
    assert links == {(0, 0), (1, 1), (0, 2)}


def test_a_target_without_words_has_no_links():
    assert argmax_links(torch.rand(2, 3, 5), [0, 1])[0] == frozenset()


def test_weights_that_are_no_numbers_link_nothing():
    weights = torch.rand(2, 3, 5)
    weights[1, 0, 2] = math.nan
    with pytest.raises(ValueError, match="weights must be numbers, got NaN"):
        argmax_links(weights, [3, 3])


@pytest.mark.parametrize("lengths", [[3], [3, 4], [1, 1, 1], [2, -1]])
def test_lengths_must_fit_the_weights(lengths):
    with pytest.raises(ValueError, match=r"2 numbers from 0 to 3 .*\(2, 3, 5\)"):
        argmax_links(torch.rand(2, 3, 5), lengths)


def test_the_truth_has_no_error_and_its_complement_no_other():
    truth = [{(0, 1), (1, 0)}, {(2, 2)}]
    assert alignment_error_rate(truth, truth) == 0
    assert alignment_error_rate([{(1, 1), (0, 0)}, {(0, 2)}], truth) == 1
    assert alignment_error_rate([set(), set()], truth) == 1


def test_equation_one_link_at_a_time():
    draw = random.Random(0)
    truth, found = (
        [
            {(draw.randrange(5), draw.randrange(7)) for _ in range(size)}
            for size in sizes
        ]
        for sizes in ((6, 1, 4), (9, 3, 11))
    )
    num_found = num_right = num_true = 0
    for A, S in zip(found, truth, strict=True):
        for source, target in A:
            if any(target == other for _, other in S):  # it has a partner
                num_found += 1
                num_right += (source, target) in S
        num_true += len(S)
    assert 0 < num_right < num_found < sum(map(len, found))
    error = 1 - 2 * num_right / (num_found + num_true)
    assert alignment_error_rate(found, truth) == pytest.approx(error)


def test_sentences_count_by_their_links():
    truth = [{(0, 0), (1, 1), (2, 2)}, {(0, 0)}]
    found = [{(0, 0), (1, 1), (0, 2)}, {(0, 0)}]
    assert alignment_error_rate(found, truth) == pytest.approx(1 - 2 * 3 / 8)


def test_a_word_with_two_partners_is_half_found_by_one_link():
    assert alignment_error_rate([{(0, 0)}], [{(0, 0), (1, 0)}]) == pytest.approx(1 / 3)


def test_target_words_without_partner_do_not_count():
    truth = [{(0, 0), (1, 2)}]
    assert alignment_error_rate([{(0, 0), (0, 1), (1, 2)}], truth) == 0


def test_the_usual_rate_counts_every_link():
    truth = [{(0, 0), (1, 2)}, {(3, 1)}]
    found = [{(0, 0), (0, 1), (1, 2)}, {(0, 0), (3, 1)}]
    rate = alignment_error_rate(found, truth, linked_targets_only=False)
    assert rate == pytest.approx(1 - 2 * 3 / (5 + 3))
    assert alignment_error_rate(found, truth) == 0


def test_a_link_named_twice_counts_once():
    links = [[(0, 0), (0, 0), (1, 1)]]
    assert alignment_error_rate(links, [[(0, 0), (1, 1), (1, 1)]]) == 0


def test_errors():
    with pytest.raises(ValueError, match=r"links \(1\) and truth \(2\)"):
        alignment_error_rate([set()], [{(0, 0)}, {(0, 0)}])
    with pytest.raises(ValueError, match="at least one link"):
        alignment_error_rate([set()], [set()])
