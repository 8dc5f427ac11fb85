"""A small BERT in double precision, and two masked pairs of segments for it."""

import pytest
import torch

from attention_book.data.pretraining import (
    MarkIds,
    Masking,
    SegmentPair,
    pretraining_batch,
    static_masks,
)
from attention_book.models.bert import BertConfig, BertPretraining

SIZES = {"embed_dim": 6, "num_heads": 2, "hidden_dim": 11, "num_layers": 2}


@pytest.fixture
def config():
    plain = {"dropout": 0.0, "attention_dropout": 0.0}
    return BertConfig(vocab_size=17, max_positions=13, **SIZES, **plain)


@pytest.fixture
def model(config):
    model = BertPretraining(config).double()
    for parameter in model.parameters():  # gains, biases: all with an effect
        torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


@pytest.fixture
def marks():
    return MarkIds(mask=16)


@pytest.fixture
def batch(marks):
    masking = Masking(marks=marks, vocab_size=17, share=0.3)
    pairs = [
        SegmentPair((5, 6, 7), (8, 9, 10, 4), True),
        SegmentPair((11, 12), (13,), False),
    ]
    return pretraining_batch(static_masks(pairs, masking))
