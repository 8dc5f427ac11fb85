"""The one training loop of the book."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from attention_book.training.checkpoint import (
    describe_model,
    load_checkpoint,
    save_checkpoint,
)
from attention_book.training.loss import batch_loss, evaluate
from attention_book.training.optimizers import make_optimizer
from attention_book.training.runtime import default_device

# Steps between two looks at the losses: each look waits for the GPU.
BLOCK = {"cpu": 1, "cuda": 50}


@dataclass
class History:
    """What a training run measured; steps and epochs are counted from 0.

    Attributes:
        step_loss: training loss of each optimizer step, in nats per token.
        epoch_loss: training loss of each epoch: the mean over its tokens.
        dev_loss: loss on the dev set after each epoch; empty without a dev set.
        best_epoch: epoch of the lowest dev loss, whose weights the model has; None
            without a dev set: the model has the last epoch's weights.
        num_tokens: predicted target tokens in all training steps.
        seconds: wall-clock time of the epochs, dev set included.
    """

    step_loss: list[float] = field(default_factory=list)
    epoch_loss: list[float] = field(default_factory=list)
    dev_loss: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    num_tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Predicted target tokens per second, dev set's time included."""
        return self.num_tokens / self.seconds if self.seconds else 0.0


def fit(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    epochs: int,
    learning_rate: float,
    optimizer: str = "adam",
    schedule: Callable[[int], float] | None = None,
    clip_norm: float | None = None,
    dev_loader: Iterable[Any] | None = None,
    device: str | torch.device = "auto",
    checkpoint: str | Path | None = None,
    on_step: Callable[[int], None] | None = None,
    description: str = "",
) -> History:
    """Train a model and leave it in eval mode, with its best weights.

    A batch has ``.to(device)`` and ``.num_tokens``, the number of predicted tokens; a
    model has ``.loss(batch)``, the mean loss in nats per such token, and, for a
    checkpoint, a dataclass ``.config``. On a GPU that computes in bfloat16, the loss
    is computed under autocast. A bar on standard error shows the progress.

    With a ``checkpoint``, the whole run is saved after each epoch: killed at any moment
    and called again, it goes on from there. On a CPU it then gives the same losses and
    weights, bit for bit, if all randomness comes from the global generators and
    ``loader.generator``. A finished run returns at once; more ``epochs`` than before
    train on. The schedule is a function, which cannot be compared: pass the same.

    Args:
        model: the model; it is moved to ``device``.
        loader: batches, with a length; each epoch runs through it once.
        epochs: runs through the data, those of the checkpoint included.
        learning_rate: step size of the optimizer.
        optimizer: a name that
            :func:`attention_book.training.optimizers.make_optimizer` knows.
        schedule: factor of the learning rate at each optimizer step, from 0; None: 1.
        clip_norm: longest gradient, as the norm over all weights; None: any.
        dev_loader: held-out batches. The weights of the epoch with the lowest dev loss
            are put back at the end; None: the last ones stay.
        device: "auto", "cpu", "cuda" or a device.
        checkpoint: file that holds the run; None: none is written.
        on_step: called before each optimizer step with the number of steps taken, to
            measure the model as it learns; what it draws changes the run.
        description: words in front of the bar.

    Returns:
        The losses of all epochs, those before the checkpoint included.

    Raises:
        ValueError: if an argument is out of its range, a loader is empty, or the
            checkpoint is damaged or of another config.
        FloatingPointError: if a loss is not finite; the message has the step. On a CPU
            that step changes no weights; on a GPU the loss is looked at every 50 steps,
            and always before an epoch's weights are saved.
    """
    _check(epochs, learning_rate, clip_norm, loader, dev_loader)
    if isinstance(device, str):
        device = default_device(device)
    model.to(device)
    optim = make_optimizer(optimizer, model.parameters(), learning_rate)
    history, best, run = History(), None, {}
    if checkpoint is not None:
        checkpoint = Path(checkpoint)
        run = {
            "model": model,
            "optimizer": optim,
            "generator": getattr(loader, "generator", None),
            "settings": describe_model(model)
            | {
                "optimizer": optimizer,
                "learning_rate": learning_rate,
                "clip_norm": clip_norm,
                "schedule": "given" if schedule else "none",
                "number of training examples": _num_examples(loader),
                "number of steps an epoch": len(loader),
                "number of dev examples": _num_examples(dev_loader or ()),
            },
        }
        if checkpoint.exists():
            saved, best = load_checkpoint(checkpoint, **run)
            history = History(**saved)
    done = len(history.epoch_loss)
    if done > epochs:
        raise ValueError(
            f"epochs ({epochs}) must not be less than the {done} in {checkpoint}"
        )

    def set_step_size(step: int) -> None:
        if schedule is not None:
            for group in optim.param_groups:
                group["lr"] = learning_rate * schedule(step)

    bar = tqdm(desc=description, total=(epochs - done) * len(loader), leave=False)
    with bar:
        for epoch in range(done, epochs):
            start = time.perf_counter()
            steps = loader, optim, set_step_size, clip_norm, on_step
            _train_epoch(model, *steps, device, history, bar)
            if dev_loader is not None:
                history.dev_loss.append(evaluate(model, dev_loader, device=device))
                # Of equal ones the first: index() finds it.
                history.best_epoch = history.dev_loss.index(min(history.dev_loss))
                if history.best_epoch == epoch:
                    best = {k: x.clone() for k, x in model.state_dict().items()}
            history.seconds += time.perf_counter() - start
            if checkpoint is not None:
                save_checkpoint(checkpoint, best=best, history=asdict(history), **run)
    if best is not None:
        model.load_state_dict(best)
    model.eval()
    return history


def _train_epoch(
    model: nn.Module,
    loader: Iterable[Any],
    optim: torch.optim.Optimizer,
    set_step_size: Callable[[int], None],
    clip_norm: float | None,
    on_step: Callable[[int], None] | None,
    device: torch.device,
    history: History,
    bar: tqdm,
) -> None:
    """One run through the data; appends to ``history``."""
    model.train()
    first = len(history.step_loss)
    start, num_tokens = time.perf_counter(), []
    unseen: list[Tensor] = []  # losses that nobody has looked at

    def look() -> None:
        for loss in torch.stack(unseen).tolist():
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} at optimizer step {len(history.step_loss)} "
                    f"(epoch {len(history.epoch_loss)}, both from 0): lower the "
                    "learning rate, or clip the gradients by clip_norm"
                )
            history.step_loss.append(loss)
        speed = sum(num_tokens) / (time.perf_counter() - start)
        bar.set_postfix_str(f"loss {loss:.3f}, {speed:.0f} tokens/s", refresh=False)
        bar.update(len(unseen))
        unseen.clear()

    for step, batch in enumerate(loader, start=first):
        if on_step is not None:
            on_step(step)
            model.train()  # whatever it was set to
        loss = batch_loss(model, batch, device)
        unseen.append(loss.detach())
        num_tokens.append(batch.num_tokens)
        if len(unseen) == BLOCK[device.type]:
            look()  # before this step changes the weights
        optim.zero_grad()
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        set_step_size(step)
        optim.step()
    if unseen:
        look()
    history.num_tokens += sum(num_tokens)
    weighted = zip(history.step_loss[first:], num_tokens, strict=True)
    history.epoch_loss.append(
        math.fsum(loss * count for loss, count in weighted) / sum(num_tokens)
    )


def _num_examples(loader: Iterable[Any]) -> int:
    # Of the data set where there is one: batches by token budget vary in number.
    return len(getattr(loader, "dataset", loader))


def _check(
    epochs: int,
    learning_rate: float,
    clip_norm: float | None,
    loader: Iterable[Any],
    dev_loader: Iterable[Any] | None,
) -> None:
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be positive or None, got {clip_norm}")
    for name, batches in ("loader", loader), ("dev_loader", dev_loader):
        if batches is not None and not len(batches):
            raise ValueError(f"{name} must have at least one batch, got none")
