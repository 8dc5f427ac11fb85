"""Time of one training step of a memory network, batched and question by question.

Both take the same questions, weights and losses; the peer runs each question alone,
without padding, and adds up the gradients. How to run it, and what came out: README.md.
"""

import argparse
import time
from collections.abc import Callable

import torch
from common import machine, ratio
from torch.testing import assert_close

from attention_book.data.questions import QuestionBatch, stories
from attention_book.evaluation.cost import seconds_in_turns
from attention_book.models import MemN2N
from attention_book.recipes.questions import make_question_task

BATCH, FACTS, HOPS, DIM = 32, 50, 3, 20


def make_step(model: MemN2N, batches: list[QuestionBatch]) -> Callable[[], None]:
    """The gradients of the mean loss of all questions, and a step against them."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    count = sum(batch.num_tokens for batch in batches)

    def step() -> None:
        optimizer.zero_grad()
        for batch in batches:
            (model.loss(batch) * (batch.num_tokens / count)).backward()
        optimizer.step()
        model.after_step()

    return step


def main() -> None:
    """Check that both ways are equal, and print the ratio of their times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    parts = stories(
        "two facts", train=BATCH, test=1, facts=(10, FACTS), seed=options.seed
    )
    task = make_question_task(parts._asdict(), memory_size=FACTS)
    whole = task.batches["train"]
    alone = [whole.rows([row]) for row in range(BATCH)]
    sizes = {"num_hops": HOPS, "embed_dim": DIM}
    ours, peer = (task.build(seed=options.seed, **sizes) for _ in range(2))
    steps = {"batched": make_step(ours, [whole]), "alone": make_step(peer, alone)}
    for step in steps.values():
        step()
    for one, other in zip(ours.parameters(), peer.parameters(), strict=True):
        assert_close(one, other)
    # The time of this process: other programs do not count.
    clock = time.process_time
    times = seconds_in_turns(steps, rounds=options.rounds, clock=clock)
    print(machine())
    print(f"{BATCH} questions, up to {FACTS} facts, {HOPS} hops, {DIM} dimensions")
    print("batched over question by question:", ratio(times["batched"], times["alone"]))


if __name__ == "__main__":
    main()
