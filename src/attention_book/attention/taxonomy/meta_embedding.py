"""Weigh several embeddings of one word (Kiela, Wang and Cho, 2018)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from attention_book.functional import Mask, attend, check_mask


class DynamicMetaEmbedding(nn.Module):
    r"""Average several embeddings of each token, with weights that depend on the token.

    .. math::
        x'^{(e)} = P_e x^{(e)} + b_e, \qquad
        \alpha_e = \mathrm{softmax}_e (a^\top x'^{(e)} + b), \qquad
        \bar x = \sum_e \alpha_e x'^{(e)}

    with a token's ``views`` :math:`x^{(e)}`, its weights :math:`\alpha` and its context
    :math:`\bar x`. The views of a token are its keys and values, and :math:`a` is the
    query of all tokens; no token attends to another. The constant :math:`b` is the same
    for all views and changes no weight, so it is left out.

    Args:
        view_dims: size of the vectors of each view.
        dim: size to which all views are projected.

    Raises:
        ValueError: if there is no view, or a size is less than 1.

    Source: arXiv:1804.07983, section 3 (dynamic meta-embeddings). The variant with
        weights from a recurrent network over the sentence is not implemented. The mask
        is ours.

    Example:
        >>> layer = DynamicMetaEmbedding([2, 3], 5)
        >>> context, weights = layer([torch.randn(1, 4, 2), torch.randn(1, 4, 3)])
        >>> context.shape, weights.shape
        (torch.Size([1, 4, 5]), torch.Size([1, 4, 2]))
    """

    def __init__(self, view_dims: Sequence[int], dim: int) -> None:
        super().__init__()
        if not view_dims or min(*view_dims, dim) < 1:
            raise ValueError(
                "there must be a view, and all sizes must be at least 1, got view_dims "
                f"{tuple(view_dims)} and dim {dim}"
            )
        self.view_projs = nn.ModuleList(nn.Linear(size, dim) for size in view_dims)
        self.score_proj = nn.Linear(dim, 1, bias=False)  # a

    def forward(
        self, views: Sequence[Float[Tensor, "batch tokens _"]], mask: Mask | None = None
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch tokens views"]]:
        """Return ``(context, weights)``.

        Args:
            views: for each view the vectors of all tokens, in the order of
                ``view_dims``.
            mask: True where a view may be used, (batch, tokens, views); False for a
                word that it does not have, and at padding; None: everywhere. A token
                without a view gets zeros.

        Raises:
            ValueError: if the views do not fit the layer or each other, or the mask
                does not fit them.
            TypeError: if ``mask`` is not boolean.
        """
        sizes = [proj.in_features for proj in self.view_projs]
        shapes = [tuple(view.shape) for view in views]
        batch = shapes[0][:-1] if shapes else ()
        if shapes != [(*batch, size) for size in sizes]:
            raise ValueError(
                f"views must be of one batch and length and of sizes {sizes}, got "
                f"{shapes}"
            )
        projected = torch.stack(
            [proj(view) for proj, view in zip(self.view_projs, views, strict=True)],
            dim=-2,
        )
        scores = self.score_proj(projected).mT  # (batch, tokens, 1, views)
        if mask is not None:
            check_mask(mask, (*projected.shape[:2], len(sizes)))
            mask = mask[..., None, :]
        context, weights = attend(scores, projected, mask)
        return context.squeeze(-2), weights.squeeze(-2)
