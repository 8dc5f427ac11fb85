"""TokenEmbedding: the rows of a table, and ids outside the vocabulary."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from attention_book.models.embedding import TokenEmbedding


def test_equals_pytorchs_with_the_same_seed():
    ids = torch.tensor([[0, 6, 2], [5, 5, 1]])
    torch.manual_seed(3)
    ours = TokenEmbedding(7, 4)
    torch.manual_seed(3)
    theirs = nn.Embedding(7, 4)
    assert torch.equal(ours(ids), theirs(ids))
    assert ours.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.parametrize("wrong", [7, 99, -1])
def test_an_id_outside_the_vocabulary_is_an_error(wrong):
    ids = torch.tensor([[3, wrong], [0, 2]])
    low, high = min(wrong, 0), max(wrong, 3)
    message = f"ids must be from 0 to 6, .* got ids from {low} to {high}"
    with pytest.raises(ValueError, match=message):
        TokenEmbedding(7, 4)(ids)


def test_compiles_to_one_graph(no_shape_checks):
    embedding, ids = TokenEmbedding(7, 4), torch.tensor([3, 1])
    compiled = torch.compile(embedding, backend="eager", fullgraph=True)
    assert_close(compiled(ids), embedding(ids))
