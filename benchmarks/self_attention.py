"""Self-attention beside a GRU and a convolution: time and memory by length.

How to run it, what is compared, and what came out: README.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from common import machine
from torch import Tensor

from attention_book.evaluation.cost import crossing, peak_bytes, seconds_in_turns
from attention_book.recipes.mixing import compared_layers

WIDTHS = 64, 512
LENGTHS = 64, 128, 256, 512, 1024, 2048, 4096
CLOCKS = {"wall": time.perf_counter, "process": time.process_time}
OURS = "self-attention"


def forward_and_backward(layer: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """As in training: the gradients of the input and of all weights."""
    layer(x).backward(torch.ones_like(x))


def compare(width: int, batch: int, rounds: int, clock: Callable[[], float]) -> None:
    """Print the table of one width, and where self-attention is overtaken."""
    named = compared_layers(width)
    seconds: dict[str, list[float]] = {name: [] for name in named}
    mebibytes: dict[str, list[float]] = {name: [] for name in named}
    print(f"Width {width}: microseconds a token (ratio to {OURS}; MiB a sentence)")
    print("tokens  " + "  ".join(f"{name:>24}" for name in named))
    for tokens in LENGTHS:
        x = torch.randn(batch, tokens, width, requires_grad=True)
        steps = {
            name: partial(forward_and_backward, layer, x)
            for name, layer in named.items()
        }
        times = seconds_in_turns(steps, rounds=rounds, clock=clock)
        one = torch.randn(1, tokens, width, requires_grad=True)
        cells = []
        for name, layer in named.items():
            seconds[name].append(statistics.median(times[name]))
            forward_and_backward(layer, one)  # the gradients' memory is there now
            held = peak_bytes(partial(forward_and_backward, layer, one))
            mebibytes[name].append(held / 2**20)
            middle = statistics.median(
                other / own for other, own in zip(times[name], times[OURS], strict=True)
            )
            micro = 1e6 * seconds[name][-1] / (batch * tokens)
            cells.append(f"{micro:8.2f} ({middle:5.2f}; {mebibytes[name][-1]:6.1f})")
        print(f"{tokens:6}  " + "  ".join(f"{cell:>24}" for cell in cells), flush=True)
    for name in list(named)[2:]:
        for what, costs in {"time": seconds, "memory": mebibytes}.items():
            place = crossing(LENGTHS, costs[OURS], costs[name])
            said = f"at {place:.0f} tokens" if place else "nowhere in between"
            print(f"{OURS} overtakes {name} in {what} {said}")


def main() -> None:
    """Print a table for each width."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1, help="default: 1")
    parser.add_argument("--rounds", type=int, default=10, help="default: 10")
    parser.add_argument("--batch", type=int, default=4, help="default: 4")
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
    print(
        f"{options.rounds} rounds, seed {options.seed}, {options.clock} clock, batches "
        f"of {options.batch}"
    )
    for width in WIDTHS:
        compare(width, options.batch, options.rounds, CLOCKS[options.clock])


if __name__ == "__main__":
    main()
