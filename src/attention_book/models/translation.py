"""The losses of translation models, and the methods that all these models have.

``forward(source, target, source_mask)`` returns the logits under teacher forcing:
``target`` is what the decoder reads, ``<bos> y_1 ... y_T``, and the logits score the
word after each. ``start(source, source_mask)`` encodes the sources into the decoder's
first state, ``decode(inputs, state)`` reads words and scores the ones that follow, and
``step(ids, state)`` does so for one word per row, as
:mod:`attention_book.decoding.search` needs it. ``loss(batch)`` calls ``forward``.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.data.captions.captions import CaptionBatch
from attention_book.data.captions.frames import FrameBatch
from attention_book.data.translation.pairs import PairBatch
from attention_book.functional import token_cross_entropy

CaptionedBatch = PairBatch | CaptionBatch | FrameBatch
"""Inputs of any kind with ``source``, ``source_mask``, ``target``, ``target_mask``."""


def teacher_forced_loss(model: nn.Module, batch: CaptionedBatch) -> Float[Tensor, ""]:
    r"""Mean of :math:`-\log p(y_t \mid x, y_{<t})` over a batch, in nats per token.

    With teacher forcing the decoder reads the reference ``<bos> y_1 ... y_T``, not its
    own output, and predicts ``y_1 ... y_T <eos>``.

    Args:
        model: called as ``model(source, target, source_mask)``.
        batch: padded sentence pairs, or images or frames with their captions.
    """
    logits = model(batch.source, batch.target[:, :-1], batch.source_mask)
    return token_cross_entropy(logits, batch.target[:, 1:], batch.target_mask[:, 1:])


def free_running_loss(model: nn.Module, batch: PairBatch) -> Float[Tensor, ""]:
    """The loss when the decoder reads its own predictions instead of the reference.

    At each step the decoder reads the word that it found most probable in the step
    before, and is scored on the reference word at the same position. After a word too
    many or too few, every later position is wrong, so this is not the likelihood of
    anything. It only measures how far the decoder strays from the sequences that it saw
    in training.

    Args:
        model: has ``start(source, source_mask)`` and ``step(ids, state)``.
        batch: padded sentence pairs.

    Returns:
        The mean negative log-probability of the reference words, in nats per token.
    """
    translator: Any = model  # to a type checker a module's methods are tensors
    state = translator.start(batch.source, batch.source_mask)
    ids, logits = batch.target[:, 0], []
    for _ in range(batch.target.shape[1] - 1):
        next_logits, state = translator.step(ids, state)
        logits.append(next_logits)
        ids = next_logits.argmax(dim=-1)
    return token_cross_entropy(
        torch.stack(logits, dim=1), batch.target[:, 1:], batch.target_mask[:, 1:]
    )
