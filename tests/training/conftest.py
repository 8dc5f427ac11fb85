"""A small model, its data, and a run of fit with all that a run can have."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from attention_book.training.loop import fit


@dataclass(frozen=True)
class Batch:
    x: Tensor
    y: Tensor
    num_tokens: int

    def to(self, device):
        return Batch(self.x.to(device), self.y.to(device), self.num_tokens)


@dataclass(frozen=True, kw_only=True)
class Config:
    hidden_dim: int = 5
    dropout: float = 0.5


class ToyModel(nn.Module):
    """A regression with dropout; ``at_step`` runs what a test wants at a step."""

    def __init__(self, at_step=lambda model, step: None, **config):
        super().__init__()
        self.config = Config(**config)
        self.layers = nn.Sequential(
            nn.Linear(3, self.config.hidden_dim),
            nn.Dropout(self.config.dropout),
            nn.Linear(self.config.hidden_dim, 2),
        )
        self.at_step, self.steps = at_step, 0

    def loss(self, batch):
        loss = (self.layers(batch.x) - batch.y).square().mean()
        if self.training:
            factor = self.at_step(self, self.steps)
            self.steps += 1
            loss = loss if factor is None else loss * factor
        return loss


def toy_data(seed, **options):
    generator = torch.Generator().manual_seed(seed)
    x, noise = torch.randn(2, 15, 3, generator=generator)
    pairs = list(zip(x, x[:, :2].sin() + noise[:, 1:], strict=True))

    def collate(pairs):
        x, y = map(torch.stack, zip(*pairs, strict=True))
        return Batch(x, y, num_tokens=2 * len(x))

    return DataLoader(pairs, **{"batch_size": 4, "collate_fn": collate, **options})


def toy_run(checkpoint=None, at_step=lambda model, step: None, epochs=5, **options):
    """Five epochs of four steps, with all that draws random numbers or has a state."""
    torch.manual_seed(0)
    model = ToyModel(at_step, **options.pop("config", {}))
    shuffle = {"shuffle": True, "generator": torch.Generator().manual_seed(2)}
    loader = toy_data(1, **shuffle, **options.pop("data", {}))
    if "on_step_of" in options:  # makes it from the model
        options["on_step"] = options.pop("on_step_of")(model)
    settings = {"learning_rate": 0.3, "clip_norm": 1.0, "schedule": lambda s: 0.95**s}
    settings |= {
        "dev_loader": toy_data(3),
        "checkpoint": checkpoint,
        "device": "cpu",
        **options,
    }
    return model, fit(model, loader, epochs=epochs, **settings)


@pytest.fixture
def Toy():
    return ToyModel


@pytest.fixture
def data():
    return toy_data


@pytest.fixture
def train():
    return toy_run
