"""Time of a decoder over frames, all frames at once and frame by frame.

Loss and gradients of the same batch. The peer has the same parameters and scores each
frame by itself, step after step. How to run it, and what came out: README.md.
"""

import argparse
import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from common import machine, ratio
from torch import Tensor, nn
from torch.testing import assert_close

from attention_book.data.captions.frames import FrameBatch
from attention_book.data.vocab import BOS, EOS
from attention_book.evaluation.cost import seconds_in_turns
from attention_book.functional import token_cross_entropy, token_mask
from attention_book.models import EncoderDecoder, EncoderDecoderConfig
from attention_book.models.encoders import PrecomputedEncoder

BATCH, FRAMES, WORDS, DIM, VOCAB = 32, 60, 10, 64, 14


def frame_by_frame(model: EncoderDecoder, batch: FrameBatch) -> Tensor:
    """The loss, each frame scored by itself, with plain products."""
    decoder, unit = model.decoder, model.decoder.unit
    attention: Any = unit.attention
    located = model.config.score == "location-aware"
    words, state = batch.target[:, :-1], model.start(batch.source, batch.source_mask)
    hidden, last, logits = state.hidden, state.previous_weights, []
    for ids in words.unbind(dim=1):
        query, scores = attention.query_proj(hidden), []
        found = None
        if located and last is not None:
            found = attention.location_conv(last[:, None]).transpose(1, 2)
        for frame in range(batch.source.shape[1]):
            inner = query + attention.key_proj(batch.source[:, frame])
            if found is not None:
                inner = inner + attention.location_proj(found[:, frame])
            scores.append(attention.score_proj(inner.tanh()))
        blocked = torch.cat(scores, dim=1).masked_fill(~batch.source_mask, -torch.inf)
        last = blocked.softmax(dim=1)
        context = torch.zeros_like(batch.source[:, 0])
        for frame in range(batch.source.shape[1]):
            context = context + last[:, frame, None] * batch.source[:, frame]
        word = model.embedding(ids)
        pairs = decoder.maxout_proj(torch.cat([hidden, word, context], dim=1))
        logits.append(decoder.output_proj(pairs.unflatten(-1, (-1, 2)).amax(dim=-1)))
        size = hidden.shape[1]
        outer = unit.input_proj(word) + unit.context_proj(context)
        gate_weight, weight = unit.state_proj.weight.split([2 * size, size])
        gates = (outer[:, : 2 * size] + F.linear(hidden, gate_weight)).sigmoid()
        reset, new_share = gates.chunk(2, dim=1)
        candidate = (outer[:, 2 * size :] + F.linear(reset * hidden, weight)).tanh()
        hidden = (1 - new_share) * hidden + new_share * candidate
    return token_cross_entropy(
        torch.stack(logits, dim=1), batch.target[:, 1:], batch.target_mask[:, 1:]
    )


def step(model: nn.Module, loss: Callable[[], Tensor]) -> None:
    """The loss and its gradients."""
    model.zero_grad()
    loss().backward()


def make_batch() -> FrameBatch:
    """Random frames, 30 to 60 for each row, and random words."""
    lengths = torch.randint(FRAMES // 2, FRAMES + 1, (BATCH,))
    lengths[0] = FRAMES
    target = torch.randint(4, VOCAB, (BATCH, WORDS + 1))
    target[:, 0], target[:, -1] = BOS, EOS
    return FrameBatch(
        source=torch.randn(BATCH, FRAMES, DIM),
        source_mask=token_mask(lengths, FRAMES),
        target=target,
        target_mask=torch.ones_like(target, dtype=torch.bool),
        num_tokens=BATCH * WORDS,
    )


def main() -> None:
    """Check that both ways are equal, and print the ratio of their times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(machine())
    for score in ("additive", "location-aware"):
        torch.manual_seed(options.seed)
        config = EncoderDecoderConfig(
            target_vocab=VOCAB, annotation_dim=DIM, score=score
        )
        ours = EncoderDecoder(config, PrecomputedEncoder())
        peer, batch = copy.deepcopy(ours), make_batch()
        steps = {
            "ours": partial(step, ours, partial(ours.loss, batch)),
            "peer": partial(step, peer, partial(frame_by_frame, peer, batch)),
        }
        for one in steps.values():
            one()
        for own, other in zip(ours.parameters(), peer.parameters(), strict=True):
            if own.grad is not None:
                assert_close(own.grad, other.grad, rtol=1e-3, atol=1e-5)
        # The time of this process: other programs do not count.
        times = seconds_in_turns(steps, rounds=options.rounds, clock=time.process_time)
        print(f"{score}: {ratio(times['ours'], times['peer'])}")


if __name__ == "__main__":
    main()
