"""The optimizers of the papers, by name."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


class BertAdam(torch.optim.Optimizer):
    r"""Adam without correction of its moments' start, and with decoupled decay.

    .. math::
        m &\leftarrow \beta_1 m + (1 - \beta_1) g, \qquad
        v \leftarrow \beta_2 v + (1 - \beta_2) g^2 \\
        w &\leftarrow w - \eta \left( \frac{m}{\sqrt v + \epsilon} + \lambda w \right)

    Both moments start at 0 and stay too small for a while. Adam corrects for that; here
    the first step is :math:`(1 - \beta_1) / \sqrt{1 - \beta_2} \approx 3.2` times as
    long as Adam's, which is harmless if it falls into a warm-up. The decay is not part
    of the gradient: it is not divided by :math:`\sqrt v`.

    Args:
        parameters: as PyTorch's optimizers take them; :func:`bert_optimizer` sorts them
            into those that decay and those that do not.
        lr: the learning rate :math:`\eta`.
        betas: :math:`\beta_1` and :math:`\beta_2`.
        eps: :math:`\epsilon`.
        weight_decay: :math:`\lambda`.

    Raises:
        ValueError: if one of them is out of its range.

    Source: ``optimization.py`` in the authors' code of arXiv:1810.04805, whose text
        says "Adam with L2 weight decay of 0.01".

    Example:
        >>> weight = nn.Parameter(torch.tensor([1.0]))
        >>> adam = BertAdam([weight], lr=0.1, weight_decay=0.0)
        >>> weight.sum().backward()
        >>> adam.step()
        >>> weight.data  # 1 - 0.1 * 0.1 / 0.001 ** 0.5
        tensor([0.6838])
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
    ) -> None:
        if min(lr, eps, weight_decay) < 0:
            raise ValueError(
                "lr, eps and weight_decay must not be negative, got "
                f"{lr}, {eps} and {weight_decay}"
            )
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must be in [0, 1), got {betas}")
        options = {"betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(parameters, {"lr": lr, **options})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient.

        Args:
            closure: computes the loss anew; None: the gradients are there.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [p for p in group["params"] if p.grad is not None]
            if weights:
                self._update(weights, group)
        return loss

    def _update(self, weights: list[Tensor], group: Mapping[str, Any]) -> None:
        """One step for the weights of a group, all of them in each operation."""
        gradients = [g for weight in weights if (g := weight.grad) is not None]
        for weight in weights:
            if not self.state[weight]:
                for name in "first", "second":
                    self.state[weight][name] = torch.zeros_like(weight)
        first, second = (
            [self.state[weight][name] for weight in weights]
            for name in ("first", "second")
        )
        beta_1, beta_2 = group["betas"]
        torch._foreach_lerp_(first, gradients, 1 - beta_1)
        torch._foreach_mul_(second, beta_2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta_2)
        roots = torch._foreach_sqrt(second)
        torch._foreach_add_(roots, group["eps"])
        steps = torch._foreach_div(first, roots)
        torch._foreach_add_(steps, weights, alpha=group["weight_decay"])
        torch._foreach_add_(weights, steps, alpha=-group["lr"])


# Fused where PyTorch can: one pass over the weights instead of one for each term.
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "sgd": torch.optim.SGD,
    # Zeiler's rho, which Cho et al. and Bahdanau et al. use; PyTorch's is 0.9.
    "adadelta": partial(torch.optim.Adadelta, rho=0.95),
    "adagrad": torch.optim.Adagrad,
    # Vaswani et al., 5.3.
    "adam_transformer": partial(
        torch.optim.Adam, betas=(0.9, 0.98), eps=1e-9, fused=True
    ),
    "adam_bert": BertAdam,
}


OptimizerFactory = Callable[[nn.Module, float], torch.optim.Optimizer]
"""Makes an optimizer for a model from the model and the learning rate."""


def make_optimizer(
    name: str,
    parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
    learning_rate: float,
    **options: Any,
) -> torch.optim.Optimizer:
    """Make an optimizer for ``parameters``.

    Args:
        name: "adam", "adamw", "sgd" (no momentum), "adadelta" (rho 0.95), "adagrad",
            "adam_transformer" (beta_2 0.98, epsilon 1e-9) or "adam_bert"
            (:class:`BertAdam`). Everything else is PyTorch's default, except that
            Adam and AdamW are fused.
        parameters: the parameters that it updates, or groups of them with options of
            their own, as PyTorch's optimizers take them.
        learning_rate: its step size.
        options: options of PyTorch's class, such as ``weight_decay``.

    Raises:
        ValueError: if there is no such optimizer, or an option is out of its range.
        TypeError: if the optimizer has no such option.

    Example:
        >>> weight = nn.Parameter(torch.zeros(1))
        >>> make_optimizer("adadelta", [weight], 1.0).defaults["rho"]
        0.95
        >>> make_optimizer("adamw", [weight], 1.0, weight_decay=0.1).defaults[
        ...     "weight_decay"
        ... ]
        0.1
    """
    if name not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, got {name!r}"
        )
    try:
        return OPTIMIZERS[name](parameters, lr=learning_rate, **options)
    except TypeError as error:
        raise TypeError(
            f"optimizer {name!r} cannot be made with options {options}: {error}"
        ) from error


def bert_optimizer(
    model: nn.Module, learning_rate: float, *, weight_decay: float = 0.01
) -> BertAdam:
    """Make BERT's optimizer: gains and biases do not decay, everything else does.

    As ``optimizer`` of :func:`~attention_book.training.loop.fit` it needs no more.

    Args:
        model: its parameters are updated. Those of layer norms, and those whose name
            ends in "bias", do not decay; embeddings do.
        learning_rate: its step size.
        weight_decay: of all others.

    Source: as :class:`BertAdam`; there the names decide, "LayerNorm", "layer_norm" and
        "bias".

    Example:
        >>> layers = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3))
        >>> groups = bert_optimizer(layers, 1e-4).param_groups
        >>> [(len(g["params"]), g["weight_decay"]) for g in groups]
        [(1, 0.01), (3, 0.0)]
    """
    norms = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, nn.LayerNorm)
        for parameter in module.parameters()
    }
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        plain = id(parameter) in norms or name.rpartition(".")[2].endswith("bias")
        (others if plain else decaying).append(parameter)
    groups = [
        {"params": decaying, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return BertAdam([group for group in groups if group["params"]], learning_rate)


def clip_each(
    optimizer: torch.optim.Optimizer, max_norm: float
) -> torch.optim.Optimizer:
    """Let an optimizer scale down the gradient of each parameter for itself.

    ``clip_norm`` of :func:`~attention_book.training.loop.fit` limits the norm over all
    parameters instead.

    Args:
        optimizer: the optimizer; before each of its steps, gradients that are longer
            than ``max_norm`` are scaled down to it.
        max_norm: largest norm, positive.

    Returns:
        The same optimizer.

    Raises:
        ValueError: if ``max_norm`` is not positive.

    Example:
        >>> weight = nn.Parameter(torch.zeros(2))
        >>> sgd = clip_each(torch.optim.SGD([weight], lr=1.0), max_norm=5.0)
        >>> (weight @ torch.tensor([6.0, 8.0])).backward()
        >>> sgd.step()
        >>> weight.data.round()
        tensor([-3., -4.])
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be positive, got {max_norm}")

    def clip(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            gradients = [p.grad for p in group["params"] if p.grad is not None]
            if gradients:
                norms = torch.stack([gradient.norm() for gradient in gradients])
                factors = (max_norm / (norms + 1e-6)).clamp(max=1.0)
                for gradient, factor in zip(gradients, factors.unbind(), strict=True):
                    gradient.mul_(factor)

    optimizer.register_step_pre_hook(clip)
    return optimizer
