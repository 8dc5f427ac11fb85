"""The lines on the page about what came next run, and compute what the page says."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

PAGE = Path(__file__).resolve().parent.parent / "book" / "what_came_next.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
BEGINNING, *LINES = BLOCKS


# PyTorch says of flex_attention that it is slow when it is not compiled.
@pytest.mark.filterwarnings("ignore")
def run(number):
    """Run a block after the beginning that all share; return its names."""
    scope = {}
    exec(BEGINNING, scope)
    exec(LINES[number], scope)
    return scope


@pytest.mark.filterwarnings("ignore")
def test_every_line_runs():
    assert len(LINES) == 6
    for number, block in enumerate(LINES):
        scope = run(number)
        if "context" in block:
            assert scope["context"].shape == (1, 8, 64, 16)


def test_grouped_heads_are_heads_that_are_repeated():
    s = run(1)
    keys, values = (x[:, :2].repeat_interleave(4, dim=1) for x in (s["k"], s["v"]))
    want = F.scaled_dot_product_attention(s["q"], keys, values)
    assert_close(s["context"], want)


@pytest.mark.filterwarnings("ignore")
def test_a_rule_for_scores_is_a_bias():
    s = run(3)
    at = torch.arange(64)
    bias = -0.5 * (at[:, None] - at).abs()
    scores = s["q"] @ s["k"].mT / 4 + bias
    assert_close(s["context"], scores.softmax(-1) @ s["v"], rtol=1e-4, atol=1e-4)


def test_linear_attention_in_either_order():
    s = run(4)
    phi_q, phi_k = F.elu(s["q"]) + 1, F.elu(s["k"]) + 1
    assert_close(s["context"], (phi_q @ phi_k.mT) @ s["v"], rtol=1e-4, atol=1e-3)
