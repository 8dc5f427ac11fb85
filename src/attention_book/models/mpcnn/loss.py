"""Losses of models of sentence pairs: for graded scores, and for classes."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


def sparse_target(
    score: Float[Tensor, " batch"], low: int, high: int
) -> Float[Tensor, "batch grades"]:
    r"""Distribute a score over the two nearest whole grades.

    .. math::
        f_i = \begin{cases} y - \lfloor y \rfloor & i = \lfloor y \rfloor + 1 \\
        \lfloor y \rfloor - y + 1 & i = \lfloor y \rfloor \\ 0 & \text{otherwise}
        \end{cases}

    that is, :math:`\max(0, 1 - |y - i|)`. The mean of the grades under :math:`f` is
    :math:`y`.

    Args:
        score: :math:`y`, from ``low`` to ``high``.
        low: lowest grade :math:`i`.
        high: highest grade.

    Source: Tai, Socher and Manning, 2015, and He, Gimpel and Lin, 2015, section 6.

    Example:
        >>> sparse_target(torch.tensor([3.25, 5.0]), 1, 5)
        tensor([[0.0000, 0.0000, 0.7500, 0.2500, 0.0000],
                [0.0000, 0.0000, 0.0000, 0.0000, 1.0000]])
    """
    grades = torch.arange(low, high + 1, device=score.device, dtype=score.dtype)
    return (1 - (score[:, None] - grades).abs()).clamp_min(0.0)


def graded_loss(
    logits: Float[Tensor, "batch grades"],
    score: Float[Tensor, " batch"],
    low: int,
    high: int,
) -> Float[Tensor, ""]:
    r"""KL divergence of the predicted grades from the sparse target, in nats per pair.

    .. math:: \frac{1}{m} \sum_k \mathrm{KL}(f^{(k)} \,\Vert\, \hat f^{(k)})

    Args:
        logits: logits of the grades; :math:`\hat f` is their softmax.
        score: as for :func:`sparse_target`, which returns :math:`f`.
        low: lowest grade.
        high: highest grade.

    Example:
        >>> graded_loss(torch.zeros(1, 5), torch.tensor([3.0]), 1, 5).exp()
        tensor(5.)
    """
    log_probs = logits.log_softmax(dim=-1)
    target = sparse_target(score.to(log_probs.dtype), low, high)
    return F.kl_div(log_probs, target, reduction="batchmean")


def hinge_loss(
    logits: Float[Tensor, "batch classes"], label: Int[Tensor, " batch"]
) -> Float[Tensor, ""]:
    r"""Hinge loss: the right class must lead every other by a margin of 1.

    .. math:: \sum_{y' \ne y} \max(0, 1 + f(x, y') - f(x, y))

    and the mean over the pairs. Only differences of :math:`f` matter, so logits and
    their log-softmax give the same loss.

    Args:
        logits: :math:`f(x, \cdot)` of the classes.
        label: :math:`y`, the right class.

    Example:
        >>> hinge_loss(torch.tensor([[0.25, 1.0, -3.0]]), torch.tensor([1]))
        tensor(0.2500)
    """
    margins = (1 + logits - logits.gather(1, label[:, None])).clamp_min(0.0)
    wrong = torch.ones_like(margins).scatter(1, label[:, None], 0.0)
    return (margins * wrong).sum(dim=-1).mean()


def squared_norm(model: nn.Module) -> Float[Tensor, ""]:
    """Return the sum of the squares of all trainable parameters."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.stack([p.square().sum() for p in trained]).sum()
