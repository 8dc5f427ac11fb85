"""The one training loop of the book."""

import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from tqdm import tqdm

from attention_book.training.batches import Batch, Batches, require_batches
from attention_book.training.checkpoint import (
    describe_model,
    load_checkpoint,
    random_states,
    restore_random_states,
    save_checkpoint,
    unwrap,
)
from attention_book.training.files import require_writable
from attention_book.training.loss import batch_loss, evaluate
from attention_book.training.optimizers import OptimizerFactory, make_optimizer
from attention_book.training.runtime import default_device

DevMeasure = Callable[[nn.Module], Sequence[float]]
"""Returns of a model its loss and its score on held-out data, the higher the better;
further numbers are kept in the history."""

# Steps between two looks at the losses, 50 on all devices but the CPU: each look waits
# for the device to finish.
BLOCK = {"cpu": 1}


@dataclass
class History:
    """What a training run measured; steps and epochs are counted from 0.

    Attributes:
        step_loss: training loss of each optimizer step, in nats per token.
        epoch_loss: training loss of each epoch: the mean over its tokens.
        dev_loss: loss on the dev set after each epoch; empty without a dev set.
        dev_score: score on the dev set after each epoch; empty without ``dev_measure``.
        dev_others: what else ``dev_measure`` returns after each epoch.
        best_epoch: first epoch with the lowest dev loss; with scores, the last epoch
            whose loss and score were both at least as good as in all epochs before.
            None without a dev set.
        num_tokens: number of predicted tokens in all training steps.
        seconds: wall-clock time of the epochs, dev set included, the writing of
            checkpoints not.
    """

    step_loss: list[float] = field(default_factory=list)
    epoch_loss: list[float] = field(default_factory=list)
    dev_loss: list[float] = field(default_factory=list)
    dev_score: list[float] = field(default_factory=list)
    dev_others: list[list[float]] = field(default_factory=list)
    best_epoch: int | None = None
    num_tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """Predicted tokens per second, the dev set's time included."""
        return self.num_tokens / self.seconds if self.seconds else 0.0

    def ran_out(self, patience: int | None) -> bool:
        """Whether the last ``patience`` epochs brought no lower dev loss.

        With scores: neither a loss nor a score at least as good as all before it.
        """
        if patience is None or self.best_epoch is None:
            return False
        last = self.best_epoch
        if self.dev_score:
            losses, scores = self.dev_loss[::-1], self.dev_score[::-1]
            since = min(losses.index(min(losses)), scores.index(max(scores)))
            last = len(losses) - 1 - since
        return len(self.dev_loss) - 1 - last >= patience

    def choose_best(self) -> bool:
        """Set ``best_epoch``; return whether it is the latest epoch."""
        if not self.dev_score:
            # Of equal ones the first: index() finds it.
            self.best_epoch = self.dev_loss.index(min(self.dev_loss))
        elif self.dev_loss[-1] == min(self.dev_loss) and self.dev_score[-1] == max(
            self.dev_score
        ):
            self.best_epoch = len(self.dev_score) - 1
        return self.best_epoch == len(self.dev_loss) - 1


def fit(
    model: nn.Module,
    loader: Batches,
    *,
    epochs: int,
    learning_rate: float,
    optimizer: str | OptimizerFactory = "adam",
    optimizer_options: Mapping[str, Any] | None = None,
    schedule: Callable[[int], float] | None = None,
    clip_norm: float | None = None,
    dev_loader: Batches | None = None,
    dev_measure: DevMeasure | None = None,
    keep: Literal["best", "last"] = "best",
    patience: int | None = None,
    device: str | torch.device = "auto",
    checkpoint: str | Path | None = None,
    save_every: float = 600.0,
    save_epochs: bool = True,
    on_step: Callable[[int], None] | None = None,
    description: str = "",
    clock: Callable[[], float] = time.perf_counter,
) -> History:
    """Train a model and leave it in eval mode, by default with its best weights.

    A batch has ``.to(device)`` and ``.num_tokens``, the number of predicted tokens
    (:class:`~attention_book.training.batches.Batch`). A model has ``.loss(batch)``, the
    mean loss in nats per such token, and, for a checkpoint, a dataclass ``.config``.
    Its ``.after_step()``, if it has one, is called after each optimizer step, to update
    what is learned without a gradient. On a GPU that computes in bfloat16, the loss is
    computed under autocast. A bar on standard error shows the progress.

    With a ``checkpoint``, the whole run is saved after each epoch (unless
    ``save_epochs`` is False), and within an epoch as soon as ``save_every`` seconds
    have passed. A run that was killed goes on from
    there when it is called again, with the next batch. On a CPU it then gives the same
    losses and weights, bit for bit, if all randomness comes from the global generators
    and ``loader.generator``. A finished run returns at once; with more ``epochs`` than
    before, or more ``patience``, it trains on. Functions cannot be compared: pass the
    same ``schedule`` and optimizer again.

    Args:
        model: the model; it is moved to ``device``.
        loader: training batches; each epoch runs through them once.
        epochs: largest number of runs through the data, those of the checkpoint
            included.
        learning_rate: step size of the optimizer.
        optimizer: a name that
            :func:`~attention_book.training.optimizers.make_optimizer` knows, or a
            function that makes the optimizer from the model and the learning rate, for
            instance with groups of parameters.
        optimizer_options: further options of an optimizer given by its name, such as
            ``{"weight_decay": 0.01}``.
        schedule: factor of the learning rate at each optimizer step, from 0; it
            applies to each group of parameters. None: always 1.
        clip_norm: largest norm of the gradient over all weights; longer gradients are
            scaled down to it. None: no limit.
        dev_loader: held-out batches, evaluated after each epoch.
        dev_measure: in place of ``dev_loader``, a function that returns the loss and a
            score of the model on held-out data, the higher the better, and other
            numbers to be kept. It is called after each epoch, in eval mode.
        keep: which weights the model has at the end: "best", those of the epoch with
            the lowest dev loss, or "last". Without a dev set both are the last. With
            ``dev_measure`` the best are those of the last epoch whose loss and score
            were both at least as good as in all epochs before.
        patience: stop after this many epochs in a row without a lower dev loss; with
            ``dev_measure``, without a loss and without a score at least as good as in
            all epochs before. None: train for all ``epochs``.
        device: "auto" or a device, see
            :func:`~attention_book.training.runtime.default_device`.
        checkpoint: file that holds the run; "~" stands for the home folder. None: the
            run is not saved.
        save_every: most seconds from one save to the next, the step under way not
            counted.
        save_epochs: whether the run is also saved after each epoch, however short, and
            not only after the last one.
        on_step: called before each optimizer step with the number of steps taken, to
            measure the model as it learns. If it draws random numbers, the run changes.
            What it has in its ``state_dict()``, if it has one, is saved with the run:
            see :class:`attention_book.training.watch.Watch`.
        description: words in front of the bar.
        clock: tells seconds.

    Returns:
        The losses of all epochs, those before the checkpoint included.

    Raises:
        ValueError: if an argument is out of its range, a loader is empty, or the
            checkpoint is damaged, of another config or version, or cannot be written.
        TypeError: if the optimizer does not have one of the options.
        FloatingPointError: if a loss is not finite; the message has the step. On a CPU
            that step changes no weights. Elsewhere the losses are checked every 50
            steps, and always before an epoch's weights are saved.
    """
    _check(epochs, learning_rate, clip_norm, keep, patience, save_every)
    _check_dev(patience, dev_loader, dev_measure)
    require_batches("loader", loader)
    if dev_loader is not None:
        require_batches("dev_loader", dev_loader)
    device = default_device(device)
    model.to(device)
    optim = _make_optimizer(optimizer, optimizer_options, model, learning_rate)
    base_rates = [group["lr"] for group in optim.param_groups]
    progress = _Progress(loader, save_every, clock)
    if checkpoint is not None:
        options = {f"optimizer.{k}": x for k, x in (optimizer_options or {}).items()}
        watch = on_step if hasattr(on_step, "state_dict") else None
        progress.keep_in(
            Path(os.path.expanduser(checkpoint)),
            model=model,
            optimizer=optim,
            watch=watch,
            settings=describe_model(model)
            | {
                "optimizer": optimizer if isinstance(optimizer, str) else "given",
                "learning_rate": learning_rate,
                "clip_norm": clip_norm,
                "schedule": "given" if schedule else "none",
                "number of training examples": _num_examples(loader),
                "number of steps an epoch": len(loader),
                "number of dev examples": _num_examples(dev_loader),
                "on_step": "none" if watch is None else type(watch).__name__,
            }
            | options,
        )
    history = progress.history
    done = len(history.epoch_loss)
    begun = done + bool(progress.num_tokens)
    if begun > epochs:
        raise ValueError(
            f"epochs ({epochs}) must not be less than the {begun} in {checkpoint}"
        )
    if checkpoint is not None and done < epochs and not history.ran_out(patience):
        require_writable(Path(checkpoint))

    def set_step_size(step: int) -> None:
        if schedule is not None:
            factor = schedule(step)
            for group, rate in zip(optim.param_groups, base_rates, strict=True):
                group["lr"] = rate * factor

    bar = tqdm(desc=description, total=(epochs - done) * len(loader), leave=False)
    bar.update(len(progress.num_tokens))
    with bar:
        for _ in range(done, epochs):
            if history.ran_out(patience) and not progress.num_tokens:
                break
            steps = optim, set_step_size, clip_norm, on_step
            _train_epoch(model, progress, *steps, device, bar)
            if dev_loader is not None:
                history.dev_loss.append(evaluate(model, dev_loader, device=device))
            elif dev_measure is not None:
                _measure(model, dev_measure, history)
            if history.dev_loss and history.choose_best():
                weights = unwrap(model).state_dict()
                progress.best = {k: x.clone() for k, x in weights.items()}
            over = len(history.epoch_loss) == epochs or history.ran_out(patience)
            progress.end_epoch(save=save_epochs or over)
    if progress.best is not None and keep == "best":
        unwrap(model).load_state_dict(progress.best)
    model.eval()
    return history


class _Progress:
    """How far a run has come, and the file that holds it, if there is one.

    Args:
        loader: training batches.
        save_every: seconds from one save to the next, at most.
        clock: tells seconds.
    """

    def __init__(
        self, loader: Batches, save_every: float, clock: Callable[[], float]
    ) -> None:
        self.loader, self.save_every, self.clock = loader, save_every, clock
        self.generator = getattr(loader, "generator", None)
        self.history = History()
        self.best: dict[str, Tensor] | None = None
        self.num_tokens: list[int] = []  # of the steps of an epoch that is not over
        self.start: dict[str, Any] = {}  # all generators at the beginning of the epoch
        self.since = 0.0  # the time up to which history.seconds counts
        self.unsaved = 0.0  # seconds of epochs that are over and not in the file
        self.path: Path | None = None
        self.run: dict[str, Any] = {}

    def keep_in(self, path: Path, **run: Any) -> None:
        """Save the run in a file from now on; go on with the run that is there."""
        self.path, self.run = path, run
        if path.is_file():
            saved = load_checkpoint(path, **run)
            self.history, self.best = History(**saved["history"]), saved["best"]
            self.num_tokens, self.start = saved["num_tokens"], saved["start"]
            restore_random_states(saved["now"], self.generator)

    def batches(self) -> Iterator[Batch]:
        """Begin an epoch, or take up one that was stopped after the batches it saw."""
        now, seen = random_states(self.generator), len(self.num_tokens)
        if not seen:
            self.start = now
        restore_random_states(self.start, self.generator)  # the same order again
        batches = iter(self.loader)
        if seen:
            deque(islice(batches, seen), maxlen=0)
            restore_random_states(now, self.generator)
        self.since = self.clock()
        return batches

    def is_due(self) -> bool:
        """Whether it is time to save the run."""
        if self.path is None:
            return False
        return self.unsaved + self.clock() - self.since >= self.save_every

    def end_epoch(self, *, save: bool) -> None:
        """Count the seconds of an epoch; write the file if asked to, or if due."""
        if save or self.is_due():
            self.save()
        else:
            now = self.clock()
            self.history.seconds += now - self.since
            self.unsaved += now - self.since
            self.since = now

    def save(self) -> None:
        """Count the seconds, and write the file."""
        self.history.seconds += self.clock() - self.since
        if self.path is not None:
            now = random_states(self.generator)
            save_checkpoint(
                self.path,
                history=asdict(self.history),
                best=self.best,
                num_tokens=self.num_tokens,
                start=self.start,
                now=now,
                **self.run,
            )
            self.unsaved = 0.0
        self.since = self.clock()


def _train_epoch(
    model: nn.Module,
    progress: _Progress,
    optim: torch.optim.Optimizer,
    set_step_size: Callable[[int], None],
    clip_norm: float | None,
    on_step: Callable[[int], None] | None,
    device: torch.device,
    bar: tqdm,
) -> None:
    """Run through the data once; append to the history."""
    model.train()
    history, num_tokens = progress.history, progress.num_tokens
    seen, begin = len(num_tokens), time.perf_counter()
    first = len(history.step_loss) - seen
    pending: list[Tensor] = []  # losses that have not been read

    def read_losses() -> None:
        for loss in torch.stack(pending).tolist():
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"the loss is {loss} at optimizer step {len(history.step_loss)} "
                    f"(epoch {len(history.epoch_loss)}, both from 0): lower the "
                    "learning rate, or clip the gradients by clip_norm"
                )
            history.step_loss.append(loss)
        speed = sum(num_tokens[seen:]) / (time.perf_counter() - begin)
        bar.set_postfix_str(f"loss {loss:.3f}, {speed:.0f} tokens/s", refresh=False)
        bar.update(len(pending))
        pending.clear()

    for step, batch in enumerate(progress.batches(), start=first + seen):
        if on_step is not None:
            on_step(step)
            model.train()  # on_step may have left eval mode
        loss = batch_loss(model, batch, device)
        pending.append(loss.detach())
        num_tokens.append(batch.num_tokens)
        if len(pending) == BLOCK.get(device.type, 50):
            read_losses()  # before this step changes the weights
        optim.zero_grad()
        loss.backward()
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
        set_step_size(step)
        optim.step()
        after_step = getattr(model, "after_step", None)
        if after_step is not None:
            after_step()
        if progress.is_due():
            if pending:
                read_losses()
            progress.save()
    if pending:
        read_losses()
    history.num_tokens += sum(num_tokens)
    weighted = zip(history.step_loss[first:], num_tokens, strict=True)
    history.epoch_loss.append(
        math.fsum(loss * count for loss, count in weighted) / sum(num_tokens)
    )
    num_tokens.clear()


@torch.no_grad()
def _measure(model: nn.Module, dev_measure: DevMeasure, history: History) -> None:
    loss, score, *others = dev_measure(model.eval())
    if not (math.isfinite(loss) and math.isfinite(score)):
        raise FloatingPointError(
            f"dev_measure returned the loss {loss} and the score {score}"
        )
    history.dev_loss.append(loss)
    history.dev_score.append(score)
    history.dev_others.append(others)


def _make_optimizer(
    optimizer: str | OptimizerFactory,
    options: Mapping[str, Any] | None,
    model: nn.Module,
    learning_rate: float,
) -> torch.optim.Optimizer:
    if isinstance(optimizer, str):
        parameters = model.parameters()
        return make_optimizer(optimizer, parameters, learning_rate, **(options or {}))
    if options is not None:
        raise ValueError(
            "optimizer_options must be None where optimizer is a function, got "
            f"{dict(options)}: set them in the function"
        )
    return optimizer(model, learning_rate)


def _num_examples(loader: Batches | None) -> int:
    # Of the data set where there is one: batches by token budget vary in number.
    return 0 if loader is None else len(getattr(loader, "dataset", loader))


def _check(
    epochs: int,
    learning_rate: float,
    clip_norm: float | None,
    keep: str,
    patience: int | None,
    save_every: float,
) -> None:
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")
    if not 0 < learning_rate < math.inf:
        raise ValueError(f"learning_rate must be positive, got {learning_rate}")
    if clip_norm is not None and not clip_norm > 0:
        raise ValueError(f"clip_norm must be positive or None, got {clip_norm}")
    if not save_every > 0:
        raise ValueError(f"save_every must be positive, got {save_every}")
    if keep not in ("best", "last"):
        raise ValueError(f'keep must be "best" or "last", got {keep!r}')
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be at least 1 or None, got {patience}")


def _check_dev(
    patience: int | None,
    dev_loader: Batches | None,
    dev_measure: DevMeasure | None,
) -> None:
    if dev_loader is not None and dev_measure is not None:
        raise ValueError("give dev_loader or dev_measure, got both")
    if patience is not None and dev_loader is None and dev_measure is None:
        raise ValueError(f"patience ({patience}) needs a dev_loader, got None")
