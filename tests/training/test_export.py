"""Exported weights: 16 bits, with what a browser must know."""

import json
from dataclasses import dataclass

import pytest
import torch
from safetensors.torch import load
from torch import nn

from attention_book.training.export import export_weights, round_weights


@dataclass(frozen=True, kw_only=True)
class Config:
    size: int = 3


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.config = Config()
        self.linear = nn.Linear(3, 5)
        self.tied = self.linear  # one layer under two names
        self.register_buffer("count", torch.tensor(7))
        self.register_buffer("table", torch.tensor([1e-9]), persistent=False)


def header(file):
    size = int.from_bytes(file[:8], "little")
    return json.loads(file[8 : 8 + size])


def test_what_is_exported_is_the_rounded_model():
    model = Model()
    before = model.linear.weight.detach().clone()
    round_weights(model)
    after = model.linear.weight.detach()
    assert after.dtype == torch.float32
    assert not torch.equal(before, after)
    assert torch.equal(after, before.half().float())
    tensors = load(export_weights(model, {}))
    assert tensors.keys() == {
        f"{name}.{part}" for name in ("linear", "tied") for part in ("weight", "bias")
    }
    for name, tensor in tensors.items():
        assert tensor.dtype == torch.float16
        assert torch.equal(tensor.float(), model.state_dict()[name])


def test_config_and_words_are_in_the_file():
    metadata = header(export_weights(Model(), {"target": ["fünf"]}))["__metadata__"]
    described = json.loads(metadata["book"])
    assert described["model"] == {"model": "Model", "config.size": 3}
    assert described["about"] == {"target": ["fünf"]}


@pytest.mark.parametrize("value", [1e5, float("nan"), float("inf")])
def test_weights_that_16_bits_cannot_hold_are_an_error(value):
    model = Model()
    with torch.no_grad():
        model.linear.bias[1] = value
    before = model.linear.weight.detach().clone()
    for call in (round_weights, lambda m: export_weights(m, {})):
        with pytest.raises(ValueError, match=r"finite as 16-bit.*linear\.bias"):
            call(model)
    assert torch.equal(before, model.linear.weight)


def test_a_compiled_model_gives_the_same_file():
    model = Model()
    compiled = torch.compile(model, backend="eager")
    assert export_weights(compiled, {}) == export_weights(model, {})
