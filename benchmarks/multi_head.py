"""MultiHeadAttention beside PyTorch's layer and plain matrices, as ratios.

How to run it, what the peers are, and what came out: README.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from common import machine, ratio
from torch import Tensor, nn

from attention_book.attention.multi_head.layer import MultiHeadAttention
from attention_book.evaluation.cost import peak_bytes, seconds_in_turns
from attention_book.functional import causal_mask

EMBED, HEADS, TOKENS = 256, 8, 4096
LENGTHS = 64, 128, 256, 512, 1024, 2048, 4096
CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
Call = Callable[[Tensor], Tensor]


def plain(layer: MultiHeadAttention, x: Tensor, mask: Tensor | None) -> Tensor:
    """The equations with matrices that hold every weight: the peer of all textbooks."""
    batch, tokens, _ = x.shape
    parts = layer.in_proj(x).view(batch, tokens, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    query, key, value = parts
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    context = scores.softmax(dim=-1) @ value
    return layer.out_proj(context.transpose(1, 2).reshape(batch, tokens, EMBED))


def peers(causal: bool, tokens: int) -> tuple[nn.Module, dict[str, Call]]:
    """The three of them, with the same weights, and what has to be in their mode."""
    ours = MultiHeadAttention(EMBED, HEADS)
    theirs = nn.MultiheadAttention(EMBED, HEADS, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.in_proj.weight)
        theirs.out_proj.weight.copy_(ours.out_proj.weight)
    mask = causal_mask(tokens)[0] if causal else None
    blocked = None if mask is None else ~mask
    return theirs, {
        "ours": lambda x: ours(x, x, x, causal=causal)[0],
        "nn.MultiheadAttention": lambda x: theirs(
            x, x, x, need_weights=False, attn_mask=blocked
        )[0],
        "plain": lambda x: plain(ours, x, mask),
    }


def forward(call: Call, x: Tensor) -> None:
    """As in use: no gradients are kept."""
    with torch.no_grad():
        call(x)


def forward_and_backward(call: Call, x: Tensor) -> None:
    """As in training: the gradients of the input and of all weights."""
    call(x).backward(torch.ones_like(x))


def compare(
    tokens: int, *, causal: bool, rounds: int, clock: Callable[[], float]
) -> None:
    """Print the lines of one length."""
    x = torch.randn(TOKENS // tokens, tokens, EMBED, requires_grad=True)
    module, calls = peers(causal, tokens)
    for name, run in {"forward": forward, "both": forward_and_backward}.items():
        # In eval mode PyTorch's layer has a faster path of its own, without gradients.
        module.train(name == "both")
        results = [call(x).detach() for call in calls.values()]
        for result in results[1:]:
            torch.testing.assert_close(result, results[0], rtol=1e-4, atol=1e-5)
        steps = {peer: partial(run, call, x) for peer, call in calls.items()}
        times = seconds_in_turns(steps, rounds=rounds, warm_up=2, clock=clock)
        parts = [f"{tokens:5} {'causal' if causal else '':6} {name:8}"]
        for peer in list(calls)[1:]:
            parts.append(f"{peer} {ratio(times['ours'], times[peer])}")
        parts.append(f"ours {1000 * statistics.median(times['ours']):.1f} ms")
        print("  ".join(parts), flush=True)


def memory() -> None:
    """Print peak memory of one sentence, forward and backward, by its length."""
    print("Peak memory in MiB of one sentence, forward and backward, by tokens:")
    lengths = LENGTHS[2:]
    for name in ("ours", "ours, causal", "plain"):
        held = []
        for tokens in lengths:
            x = torch.randn(1, tokens, EMBED, requires_grad=True)
            _, calls = peers(name.endswith("causal"), tokens)
            call = calls[name.split(",")[0]]
            forward_and_backward(call, x)  # the gradients of the weights are there now
            held.append(peak_bytes(partial(forward_and_backward, call, x)))
        text = ", ".join(
            f"{n}: {m / 2**20:.1f}" for n, m in zip(lengths, held, strict=True)
        )
        growth = held[-1] / held[-2]
        print(f"{name:12} {text}; the last doubling: times {growth:.2f}")


def main() -> None:
    """Take the times in turns; print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=20, help="default: 20")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="process: the time for which this process was at work (default: wall)",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    print(machine())
    print(f"{options.rounds} rounds, seed {options.seed}, {options.clock} clock")
    print("Time of ours over the peer's: median (quartiles)")
    settings = {"rounds": options.rounds, "clock": CLOCKS[options.clock]}
    for tokens in LENGTHS:
        compare(tokens, causal=False, **settings)
    compare(LENGTHS[-1], causal=True, **settings)
    memory()


if __name__ == "__main__":
    main()
