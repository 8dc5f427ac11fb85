"""The model for dictionary lookup."""

import pytest
import torch
from torch.testing import assert_close

from attention_book.data.graphs import lookup_batch
from attention_book.models.graph_attention import LookupConfig, LookupModel
from attention_book.training.loop import fit

VALUES = torch.tensor([[2, 0, 1], [0, 1, 2]])


def test_one_layer_from_keys_to_queries():
    config = LookupConfig(num_keys=3, hidden_dim=10, num_heads=2)
    model, batch = LookupModel(config), lookup_batch(VALUES)
    h = model.attribute_embedding(batch.attribute) + model.value_embedding(batch.value)
    context, _ = model.layer(h.relu(), batch.edges)
    want = context[batch.query] @ model.readout.weight.T
    assert_close(model(batch), want)
    assert_close(
        model.loss(batch), torch.nn.functional.cross_entropy(want, batch.answer)
    )


def test_a_query_sees_the_keys_of_its_own_graph_alone():
    model = LookupModel(LookupConfig(num_keys=3, hidden_dim=10, score="gatv2"))
    assert_close(model(lookup_batch(VALUES))[3:], model(lookup_batch(VALUES[1:])))


def test_gatv2_learns_what_one_head_of_gat_cannot():
    values = torch.stack([torch.randperm(8) for _ in range(100)])
    batch = lookup_batch(values)
    losses = {}
    for score in ("gat", "gatv2"):
        config = LookupConfig(num_keys=8, hidden_dim=32, score=score)
        history = fit(
            LookupModel(config), [batch], epochs=300, learning_rate=0.01, device="cpu"
        )
        losses[score] = history.epoch_loss[-1]
    assert losses["gatv2"] < 0.1 < 0.5 < losses["gat"]


def test_errors():
    with pytest.raises(ValueError, match=r"hidden_dim \(10\) must be divisible by .*3"):
        LookupConfig(num_keys=3, hidden_dim=10, num_heads=3)
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        LookupConfig(num_keys=0, hidden_dim=10)
    with pytest.raises(ValueError, match="score must be one of"):
        LookupConfig(num_keys=3, score="dot")
