"""ScaledEmbedding: rows times the root of their size; ids that are no words."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.models.transformer.embedding import ScaledEmbedding


def test_rows_times_the_root_of_their_size():
    embedding = ScaledEmbedding(7, 9)
    ids = torch.tensor([[0, 6, 2], [5, 5, 1]])
    found = embedding(ids)
    for b in range(2):
        for t in range(3):
            assert_close(found[b, t], 3.0 * embedding.weight[ids[b, t]])


def test_numbers_start_at_about_one_and_rows_at_length_one():
    embedding = ScaledEmbedding(1000, 64)
    assert_close(embedding.weight.norm(dim=1).mean().item(), 1.0, atol=0.02, rtol=0)
    assert_close(embedding(torch.arange(1000)).std().item(), 1.0, atol=0.02, rtol=0)


@pytest.mark.parametrize("wrong", [7, -1])
def test_an_id_that_is_no_word_is_an_error(wrong):
    ids = torch.tensor([[3, wrong], [0, 2]])
    low, high = min(wrong, 0), max(wrong, 3)
    with pytest.raises(ValueError, match=f"from 0 to 6, .* from {low} to {high}"):
        ScaledEmbedding(7, 4)(ids)


def test_compiles_to_one_graph(no_shape_checks):
    embedding, ids = ScaledEmbedding(7, 4), torch.tensor([3, 1])
    compiled = torch.compile(embedding, backend="eager", fullgraph=True)
    assert_close(compiled(ids), embedding(ids))
