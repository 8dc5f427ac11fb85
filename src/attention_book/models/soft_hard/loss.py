"""The terms of a caption model's loss besides the likelihood of the words."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def coverage_penalty(
    weights: Float[Tensor, "batch tokens locations"], mask: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, " batch"]:
    r"""How far the locations of each image are from a total weight of 1 per caption.

    .. math:: \sum_{i=1}^L \Bigl(1 - \sum_{t=1}^C \alpha_{ti}\Bigr)^2

    The weights of one step sum to 1 already. The penalty pulls the weights of one
    location, over all steps, towards the same sum, hence "doubly stochastic". Both can
    hold only if the caption has as many words as the image has locations,
    :math:`C = L`. Otherwise the minimum is :math:`L (1 - C/L)^2`, where all locations
    have the same total.

    A location that is blocked at every step, such as a padded frame, adds 1: a constant
    without a gradient.

    Args:
        weights: :math:`\alpha_{ti}` of word :math:`t`.
        mask: True at real words; padded steps are left out.

    Returns:
        The sum over the locations, for each image.

    Source: arXiv:1502.03044, 4.2.1, eq. 14.

    Example:
        >>> uniform = torch.full((1, 2, 4), 0.25)  # 2 words, 4 locations
        >>> coverage_penalty(uniform, torch.ones(1, 2, dtype=torch.bool))
        tensor([1.])
    """
    total = (weights * mask[..., None]).sum(dim=1)
    return (1 - total).square().sum(dim=-1)


def weights_entropy(
    weights: Float[Tensor, "batch tokens locations"], mask: Bool[Tensor, "batch tokens"]
) -> Float[Tensor, " batch"]:
    r"""Entropy of the locations' distributions, summed over each caption, in nats.

    .. math:: H[s] = -\sum_t \sum_i \alpha_{ti} \log \alpha_{ti}

    Args:
        weights: :math:`\alpha_{ti}`; a weight of 0 adds nothing.
        mask: True at real words; padded steps are left out.

    Example:
        >>> uniform = torch.full((1, 2, 4), 0.25)
        >>> weights_entropy(uniform, torch.tensor([[True, False]]))  # ln 4
        tensor([1.3863])
    """
    # 1 stands in for 0, whose logarithm has no finite gradient.
    logs = weights.masked_fill(weights == 0, 1.0).log()
    return -(weights * logs * mask[..., None]).sum(dim=(1, 2))


def reinforce_surrogate(
    log_likelihood: Float[Tensor, " batch"],
    log_prob: Float[Tensor, " batch"],
    baseline: Float[Tensor, " batch"] | Float[Tensor, ""] | float,
    scale: Float[Tensor, ""] | float = 1.0,
) -> Float[Tensor, " batch"]:
    r"""A surrogate loss whose gradient is the paper's estimate (REINFORCE).

    .. math::
        -\log p(y \mid \tilde s) - \lambda_r
        \bigl[\log p(y \mid \tilde s) - b\bigr] \log p(\tilde s)

    The bracket, reward minus baseline, is treated as a constant. The first term trains
    the decoder on the locations that were drawn. The second raises the probability of
    locations that led to a better likelihood than the baseline. With
    :math:`\lambda_r = 1` and a baseline that does not depend on the sample, the mean
    gradient is exactly that of :math:`-\sum_s p(s) \log p(y \mid s)`. The value itself
    has no meaning: do not report it.

    Args:
        log_likelihood: :math:`\log p(y \mid \tilde s)` of each caption, in nats.
        log_prob: :math:`\log p(\tilde s)`, the sum over the caption's words; 0 where no
            location was drawn.
        baseline: :math:`b`, one for all captions or one for each.
        scale: :math:`\lambda_r`.

    Source: arXiv:1502.03044, eq. 11, with the opposite sign.
    """
    advantage = log_likelihood.detach() - baseline
    return -log_likelihood - scale * advantage * log_prob


def moving_average(
    baseline: Float[Tensor, ""], reward: Float[Tensor, ""]
) -> Float[Tensor, ""]:
    r"""The next baseline, :math:`b_k = 0.9\, b_{k-1} + 0.1 \log p(y \mid \tilde s_k)`.

    Args:
        baseline: :math:`b_{k-1}`.
        reward: the mean of :math:`\log p(y \mid \tilde s_k)` over a batch.

    Source: arXiv:1502.03044, 4.1.
    """
    return torch.lerp(baseline, reward, 0.1)


def other_draws(
    reward: Float[Tensor, "draws images"],
) -> Float[Tensor, "draws images"]:
    r"""A baseline for each draw: the mean reward of the other draws of its image.

    .. math:: b^n = \frac{1}{N-1} \sum_{m \neq n} \log p(y \mid \tilde s^m)

    The other draws know how hard the image is, and are independent of draw :math:`n`,
    so that the estimate stays unbiased.

    Args:
        reward: :math:`\log p(y \mid \tilde s^n)`, at least two draws of each image.

    Source: the other samples as a baseline are those of arXiv:1602.06725;
        arXiv:1502.03044 has one baseline for all images.

    Example:
        >>> other_draws(torch.tensor([[-1.0], [-2.0], [-6.0]])).flatten()
        tensor([-4.0000, -3.5000, -1.5000])
    """
    return (reward.sum(dim=0) - reward) / (len(reward) - 1)
