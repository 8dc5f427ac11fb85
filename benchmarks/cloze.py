"""Time of one training step of an attention-over-attention reader.

All read 32 questions about documents of around 300 words, with 64 units in each
direction, and have the same weights and the same loss. The peer reads one question
after the other, without padding. Printed are the median of our time over its time,
measured in turns, and the quartiles.

    OMP_NUM_THREADS=1 python benchmarks/cloze.py
"""

import argparse
import time
from collections.abc import Callable

import torch
from common import machine, ratio
from torch import Tensor

from attention_book.data.cloze.facts import cloze_facts
from attention_book.data.cloze.questions import cloze_batch, cloze_words
from attention_book.data.vocab import Vocab
from attention_book.models.attention_over_attention import (
    ClozeReader,
    ClozeReaderConfig,
)

QUESTIONS, UNITS = 32, 64


def seconds(loss: Callable[[], Tensor], model: ClozeReader) -> float:
    """Time of one loss and its gradient."""
    start = time.perf_counter()
    model.zero_grad()
    loss().backward()
    if next(model.parameters()).device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    questions = cloze_facts(QUESTIONS, seed=0, num_facts=20, max_repeats=6)
    vocab = Vocab(cloze_words(questions))
    config = ClozeReaderConfig(
        vocab_size=len(vocab), embed_dim=UNITS, hidden_dim=UNITS, dropout=0.0
    )
    model = ClozeReader(config).to(arguments.device)
    batch = cloze_batch(questions, vocab).to(arguments.device)
    alone = [cloze_batch([q], vocab).to(arguments.device) for q in questions]

    def together() -> Tensor:
        return model.loss(batch)

    def one_by_one() -> Tensor:
        return torch.stack([model.loss(one) for one in alone]).mean()

    torch.testing.assert_close(together(), one_by_one(), rtol=1e-4, atol=1e-5)
    words = batch.document_mask.sum().item() / QUESTIONS
    print(
        f"{machine(arguments.device)}; {QUESTIONS} questions, {words:.0f} words on "
        f"average, {UNITS} units"
    )
    ours, theirs = [], []
    for number in range(arguments.rounds + 1):
        mine, other = seconds(together, model), seconds(one_by_one, model)
        if number:  # the first round warms up
            ours.append(mine)
            theirs.append(other)
    print(f"a batch over one question at a time: {ratio(ours, theirs)}")


if __name__ == "__main__":
    main()
