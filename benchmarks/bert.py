"""Time of one pre-training step of BERT, beside the library transformers.

A step is the loss of both tasks, its gradients and the optimizer's step, for random
text cut into pairs of segments of at most 128 tokens as BERT's were. The peer is
``BertForPreTraining`` with the same weights and the same optimizer; before the times
are taken, the losses must be equal. How to run it, and what came out: README.md.
"""

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from common import machine, ratio
from torch import Tensor, nn
from torch.testing import assert_close

from attention_book.data.pretraining import (
    MarkIds,
    Masking,
    PretrainingBatch,
    pretraining_batch,
    segment_pairs,
    static_masks,
)
from attention_book.evaluation.cost import seconds_in_turns
from attention_book.models.bert import BertConfig, BertPretraining, to_published
from attention_book.training.optimizers import bert_optimizer

VOCAB, TOKENS, PAIRS = 8000, 128, 32
SIZES = {"embed_dim": 256, "num_heads": 4, "hidden_dim": 1024, "num_layers": 4}


def make_batch(seed: int) -> PretrainingBatch:
    """Random sentences of 5 to 40 tokens, in documents of ten, cut and masked."""
    draw = torch.Generator().manual_seed(seed)
    documents = [
        [
            torch.randint(4, VOCAB - 1, (int(length),), generator=draw).tolist()
            for length in torch.randint(5, 41, (10,), generator=draw)
        ]
        for _ in range(PAIRS)
    ]
    pairs = segment_pairs(documents, max_tokens=TOKENS, seed=seed)[:PAIRS]
    masking = Masking(marks=MarkIds(mask=VOCAB - 1), vocab_size=VOCAB)
    return pretraining_batch(static_masks(pairs, masking, seed=seed))


def make_peer(ours: BertPretraining) -> nn.Module:
    """The library's model, with our weights."""
    from transformers import BertConfig as TheirConfig
    from transformers import BertForPreTraining

    config = ours.config
    theirs = BertForPreTraining(
        TheirConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.embed_dim,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            intermediate_size=config.hidden_dim,
            max_position_embeddings=config.max_positions,
            hidden_dropout_prob=config.dropout,
            attention_probs_dropout_prob=config.attention_dropout,
        )
    )
    weights = to_published(ours)
    weights["cls.predictions.decoder.bias"] = weights["cls.predictions.bias"]
    left = theirs.load_state_dict(weights, strict=False)
    if left.unexpected_keys or set(left.missing_keys) - {
        "cls.predictions.decoder.weight"
    }:
        raise SystemExit(f"the weights do not fit the peer: {left}")
    theirs.tie_weights()
    return theirs


def peer_loss(model: nn.Module, batch: PretrainingBatch) -> Tensor:
    """Their loss, which computes the logits of all tokens."""
    return model(
        input_ids=batch.ids,
        attention_mask=batch.token_mask.long(),
        token_type_ids=batch.segments,
        labels=batch.target.masked_fill(~batch.chosen, -100),
        next_sentence_label=batch.from_elsewhere.long(),
    ).loss


def make_step(model: nn.Module, loss_of: Callable[[], Tensor]) -> Callable[[], None]:
    """A function that trains ``model`` by one step."""
    optimizer = bert_optimizer(model, 1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()

    return step


def main() -> None:
    """Take the times in turns; print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=10, help="default: 10")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--cpu-time", action="store_true", help="on a busy machine")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(machine(options.device))
    peer = importlib.util.find_spec("transformers") is not None
    if not peer:
        print("the library transformers is not installed: our times alone")
    batch = make_batch(options.seed).to(options.device)
    real = batch.num_nonpad / batch.token_mask.numel()
    print(f"{len(batch.ids)} pairs, {batch.ids.shape[1]} tokens, {real:.0%} real")
    for dropout in 0.0, 0.1:
        torch.manual_seed(options.seed)
        config = BertConfig(
            vocab_size=VOCAB,
            max_positions=TOKENS,
            dropout=dropout,
            attention_dropout=dropout,
            **SIZES,
        )
        models: dict[str, nn.Module] = {"ours": BertPretraining(config)}
        losses: dict[str, Callable[[], Tensor]]
        losses = {"ours": partial(models["ours"].loss, batch)}
        if peer:
            models["theirs"] = make_peer(models["ours"])
            losses["theirs"] = partial(peer_loss, models["theirs"], batch)
        for model in models.values():
            model.to(options.device).eval()
        if peer:
            assert_close(losses["ours"](), losses["theirs"](), rtol=1e-4, atol=1e-4)
        steps = {
            name: make_step(model.train(), losses[name])
            for name, model in models.items()
        }
        clock = time.process_time if options.cpu_time else time.perf_counter
        times = seconds_in_turns(steps, rounds=options.rounds, warm_up=2, clock=clock)
        own = 1000 * statistics.median(times["ours"])
        print(f"dropout {dropout}: ours {own:.0f} ms", end="")
        print(f", ratio {ratio(times['ours'], times['theirs'])}" if peer else "")


if __name__ == "__main__":
    main()
