"""Time of one training step of MPCNN and ABCNN-3, batched and sentence by sentence.

Both take the same pairs, weights and losses; the peer runs each pair alone, without
padding, and adds up the gradients, which is how the authors' programs train (batch 1).
Printed are the medians, their ratio, and the share of the batched step's time in
convolutions, forwards and backwards, by PyTorch's profiler.

    OMP_NUM_THREADS=1 python benchmarks/sentence_pairs.py
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from common import machine, random_sentences
from torch import nn

from attention_book.data.sentence_pairs.pairs import SentencePairBatch
from attention_book.models.abcnn.config import ABCNNConfig
from attention_book.models.abcnn.model import ABCNN
from attention_book.models.mpcnn.config import MPCNNConfig
from attention_book.models.mpcnn.model import MPCNN

VOCAB, DIM, BATCH = 2000, 300, 64


def make_batch(tokens: int, device: torch.device) -> SentencePairBatch:
    """Random words; lengths from half of ``tokens`` to all of them."""
    sides = []
    for _ in range(2):
        lengths = torch.randint(tokens // 2, tokens + 1, (BATCH,))
        lengths[0] = tokens
        sides += random_sentences(lengths, tokens, VOCAB)
    label = torch.arange(BATCH) % 2
    return SentencePairBatch(*sides, label=label, score=1 + 4 * torch.rand(BATCH)).to(
        device
    )


def one_by_one(batch: SentencePairBatch) -> list[SentencePairBatch]:
    """Each pair as a batch of its own, cut to its length."""
    pairs = []
    for i in range(len(batch)):
        n, m = (int(mask[i].sum()) for mask in (batch.first_mask, batch.second_mask))
        pairs.append(
            SentencePairBatch(
                batch.first[i, None, :n],
                batch.first_mask[i, None, :n],
                batch.second[i, None, :m],
                batch.second_mask[i, None, :m],
                label=batch.label[i, None],
                score=batch.score[i, None],
            )
        )
    return pairs


def median_ms(step: Callable[[], None], rounds: int, device: torch.device) -> float:
    """Median time in milliseconds, after one step to warm up."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def share_in_convolutions(step: Callable[[], None], device: torch.device) -> float:
    """Part of the time of all operators that convolutions take, both ways."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    with torch.profiler.profile(activities=activities) as profile:
        step()
    kind = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    total = convolutions = 0.0
    for event in profile.key_averages():
        total += getattr(event, kind)
        if "conv" in event.key.lower() and "::" in event.key:
            convolutions += getattr(event, kind)
    return convolutions / total


def compare(
    name: str, model: nn.Module, tokens: int, rounds: int, device: torch.device
) -> None:
    """Print one model's line."""
    model.to(device).train()
    optimizer = torch.optim.Adagrad(model.parameters(), lr=1e-3)
    batch = make_batch(tokens, device)
    pairs = one_by_one(batch)

    def batched() -> None:
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()

    def alone() -> None:
        optimizer.zero_grad()
        for pair in pairs:
            (model.loss(pair) / BATCH).backward()
        optimizer.step()

    model.eval()
    with torch.no_grad():  # the two are the same model: without the penalty, exactly
        apart = torch.stack([model.loss(pair) for pair in pairs]).mean()
        torch.testing.assert_close(model.loss(batch), apart, rtol=1e-4, atol=1e-5)
    model.train()
    ours = median_ms(batched, rounds, device)
    theirs = median_ms(alone, max(1, rounds // 3), device)
    share = share_in_convolutions(batched, device)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(
        f"{name:9} {trained:>10,} parameters  batched {ours:8.1f} ms  one by one "
        f"{theirs:8.1f} ms  ratio {theirs / ours:5.1f}  in convolutions {share:4.0%}"
    )


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.manual_seed(0)
    print(f"{machine(device.type)}; batch {BATCH}, {DIM} dimensions")
    vectors = torch.randn(VOCAB, DIM) / 3
    mpcnn = MPCNN(MPCNNConfig(embed_dim=DIM, grades=(1, 5)), vectors)
    compare("MPCNN", mpcnn, 20, arguments.rounds, device)
    abcnn = ABCNN(ABCNNConfig(embed_dim=DIM, variant="ABCNN-3"), vectors)
    compare("ABCNN-3", abcnn, 40, arguments.rounds, device)


if __name__ == "__main__":
    main()
