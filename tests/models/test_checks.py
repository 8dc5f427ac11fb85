"""Checks of sizes and of padded sources."""

from types import SimpleNamespace

import pytest
import torch

from attention_book.models.checks import (
    check_lengths,
    check_padding,
    check_rows,
    check_sizes,
)

MASK = torch.tensor([[True, True, True], [True, False, False]])


@pytest.mark.parametrize("name", ["source_vocab", "embed_dim", "num_layers"])
def test_sizes_start_at_one(name, no_shape_checks):
    check_sizes(SimpleNamespace(**{name: 1}))
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        check_sizes(SimpleNamespace(**{name: 0}))
    with pytest.raises(TypeError, match=f"{name} must be an integer, got 2.0"):
        check_sizes(SimpleNamespace(**{name: 2.0}))


def test_other_settings_are_not_sizes():
    check_sizes(SimpleNamespace(l2=0, kind="soft", dropout=0.0))


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_is_a_probability_below_one(dropout):
    with pytest.raises(
        ValueError, match=rf"dropout must be in \[0, 1\), got {dropout}"
    ):
        check_sizes(SimpleNamespace(dropout=dropout))


def test_ids_or_vectors_padded_on_the_right_pass():
    check_padding("source", torch.zeros(2, 3).long(), MASK)
    check_padding("source", torch.zeros(2, 3, 5), MASK)


@pytest.mark.parametrize("mask", [MASK[:, :2], MASK[:1], MASK[..., None]])
def test_a_mask_of_another_shape(mask, no_shape_checks):
    with pytest.raises(ValueError, match=r"the shape of source, \(2, 3\), got \("):
        check_padding("source", torch.zeros(2, 3).long(), mask)


def test_a_mask_of_another_type(no_shape_checks):
    with pytest.raises(
        TypeError, match=r"source_mask must be boolean, got torch.int64"
    ):
        check_padding("source", torch.zeros(2, 3).long(), MASK.long())


@pytest.mark.parametrize("row", [[False, True, True], [True, False, True]])
def test_padding_before_a_token_names_the_row(row):
    mask = torch.cat([MASK, torch.tensor([row])])
    with pytest.raises(ValueError, match="on the right, but row 2 of source_mask has"):
        check_padding("source", torch.zeros(3, 3).long(), mask)


def test_a_row_of_padding_is_named():
    mask = torch.cat([MASK, torch.zeros(2, 3, dtype=torch.bool)])
    message = "one token in each row, but row 2 of source_mask is all padding"
    with pytest.raises(ValueError, match=message):
        check_padding("source", torch.zeros(4, 3).long(), mask)
    with pytest.raises(ValueError, match=message):
        check_lengths("source", mask.sum(dim=1))


def test_the_name_of_the_tokens_is_in_the_message():
    with pytest.raises(ValueError, match=r"first must .* row 0 of first_mask is all"):
        check_padding("first", torch.zeros(1, 3).long(), MASK[:1] & False)


def test_a_target_for_each_source():
    check_rows(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(ValueError, match="each source, got 1 targets and 2 sources"):
        check_rows(torch.zeros(1, 3), torch.zeros(2))


def test_no_rows_are_no_error():
    check_padding("source", torch.zeros(0, 3).long(), MASK[:0])
