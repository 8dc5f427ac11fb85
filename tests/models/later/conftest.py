"""What the models of later mechanisms share."""

import pytest
import torch


@pytest.fixture
def loss_falls():
    """Check that training on one batch halves the loss, and more."""

    def check(model, batch, *, rate, steps=60):
        optimizer = torch.optim.Adam(model.parameters(), lr=rate)
        first = model.loss(batch).item()
        for _ in range(steps):
            optimizer.zero_grad()
            loss = model.loss(batch)
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.5 * first

    return check
