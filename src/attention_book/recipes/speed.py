"""How fast translators learn and write: all positions at once, or one by one."""

import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from attention_book.data.translation.pairs import PairBatch
from attention_book.data.vocab import BOS, EOS
from attention_book.evaluation.cost import seconds_in_turns
from attention_book.models.transformer import Transformer
from attention_book.recipes.race import training_seconds
from attention_book.training.checkpoint import CheckpointFiles, no_checkpoints


def random_batch(
    vocab_size: int, *, num_sentences: int, length: int, seed: int
) -> PairBatch:
    """Make sentences of one length out of random words, for timing.

    Args:
        vocab_size: number of words of both languages, special ones included.
        num_sentences: number of pairs.
        length: of each source, and of what is predicted, ``<eos>`` included.
        seed: of the words.

    Example:
        >>> batch = random_batch(9, num_sentences=2, length=5, seed=0)
        >>> batch.source.shape, batch.target.shape, batch.num_tokens
        (torch.Size([2, 5]), torch.Size([2, 6]), 10)
    """
    generator = torch.Generator().manual_seed(operator.index(seed))
    shape = num_sentences, length + 1
    ids = torch.randint(EOS + 1, vocab_size, (2, *shape), generator=generator)
    ids[:, :, -1] = EOS
    source, target = ids[0, :, 1:], ids[1].clone()
    target[:, 0] = BOS
    return PairBatch(
        source,
        torch.ones_like(source, dtype=torch.bool),
        target,
        torch.ones_like(target, dtype=torch.bool),
    )


def speed_by_length(
    builders: Mapping[str, Callable[[int], nn.Module]],
    lengths: Sequence[int],
    *,
    vocab_size: int,
    num_tokens: int,
    device: torch.device,
    rounds: int = 3,
    clock: Callable[[], float] | None = None,
    checkpoints: CheckpointFiles = no_checkpoints,
) -> dict[str, dict[int, float]]:
    """Time training steps on sentences of several lengths, with equally many tokens.

    Args:
        builders: by name, a function from a seed to a fresh model.
        lengths: of the sentences, in tokens.
        vocab_size: number of words of both languages.
        num_tokens: target tokens of a batch; long sentences come in small batches.
        device: where the models are.
        rounds: how often each model is timed.
        clock: as for :func:`attention_book.evaluation.cost.seconds_in_turns`.
        checkpoints: give the times of each length a file.

    Returns:
        Target tokens per second, by name and length.
    """
    speeds: dict[str, dict[int, float]] = {name: {} for name in builders}
    for length in lengths:
        sentences = max(1, num_tokens // length)
        sizes = {"num_sentences": sentences, "length": length, "seed": 0}
        batch = random_batch(vocab_size, **sizes).to(device)
        file: Path | None = checkpoints(f"seconds of a step, {length} tokens")
        seconds = training_seconds(
            {name: build(0) for name, build in builders.items()},
            batch,
            rounds=rounds,
            clock=clock,
            checkpoint=file,
        )
        for name, own in seconds.items():
            speeds[name][length] = batch.num_tokens / float(np.median(own))
    return speeds


def decoding_ways(
    model: Transformer,
    words: Int[Tensor, "rows tokens"],
    source_mask: Bool[Tensor, "rows tokens"],
) -> dict[str, Callable[[], Tensor]]:
    """Three ways to the same logits, of which only the last two can write a sentence.

    Args:
        model: in eval mode, on the device of ``words``.
        words: read as source and as target.
        source_mask: True at real tokens.

    Returns:
        By name, a function that returns the logits after each word: "one pass" over a
        known target; step by step "with the KV cache"; and step by step "without it",
        computing all words so far anew.
    """

    def one_pass() -> Tensor:
        return model.decode(words, model.start(words, source_mask))[0]

    def with_cache() -> Tensor:
        state, logits = model.start(words, source_mask), []
        for ids in words.unbind(dim=1):
            new, state = model.step(ids, state)
            logits.append(new)
        return torch.stack(logits, dim=1)

    def without_cache() -> Tensor:
        state, logits = model.start(words, source_mask), []
        for step in range(1, words.shape[1] + 1):
            logits.append(model.decode(words[:, :step], state)[0][:, -1])
        return torch.stack(logits, dim=1)

    return {
        "one pass": one_pass,
        "with the KV cache": with_cache,
        "without it": without_cache,
    }


@torch.no_grad()
def decoding_seconds(
    ways: Mapping[str, Callable[[], Tensor]],
    *,
    rounds: int = 3,
    clock: Callable[[], float] | None = None,
) -> dict[str, float]:
    """Check that several ways give the same logits, and time them in turns.

    Args:
        ways: as from :func:`decoding_ways`.
        rounds: how often each is timed.
        clock: as for :func:`attention_book.evaluation.cost.seconds_in_turns`.

    Returns:
        Median seconds, by name.
    """
    wanted, *others = [way() for way in ways.values()]
    for logits in others:
        torch.testing.assert_close(logits, wanted, rtol=1e-3, atol=1e-4)
    times = seconds_in_turns(ways, rounds=rounds, clock=clock)
    return {name: float(np.median(own)) for name, own in times.items()}
