"""Tasks in which a word, or one of its features, needs weights of its own."""

import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from attention_book.attention.taxonomy.meta_embedding import DynamicMetaEmbedding
from attention_book.attention.taxonomy.multi_dimensional import SourceToToken
from attention_book.functional import attend
from attention_book.training.optimizers import make_optimizer
from attention_book.training.runtime import seed_everything

_Examples = tuple[list[Tensor], Tensor]  # inputs, and what is to be reported of them


@dataclass(frozen=True)
class LargestFeatures:
    """Report, for each feature, the largest value that any of some words has.

    Attributes:
        num_words: words of an example.
        dim: features of a word, drawn from a normal distribution.
    """

    num_words: int
    dim: int

    def draw(self, count: int) -> _Examples:
        """Draw examples from PyTorch's global generator."""
        words = torch.randn(count, self.num_words, self.dim)
        return [words], words.amax(dim=1)


class TwoViews:
    """Report the true vector of a word from two views, each of which may not know it.

    A view is a linear map of the true vector. Of three words in ten it knows nothing
    and is the same vector for all of them. Where both views would know nothing, the
    first one knows the word after all.

    Args:
        dim: size of the true vectors.
        view_dims: sizes of the two views.
        seed: of the maps, and of the vectors that say "unknown".
    """

    def __init__(
        self, dim: int = 8, view_dims: tuple[int, int] = (10, 12), *, seed: int
    ) -> None:
        draw = torch.Generator().manual_seed(operator.index(seed))
        self.dim, self.view_dims = dim, view_dims
        self._maps = [
            torch.randn(dim, size, generator=draw) / dim**0.5 for size in view_dims
        ]
        self._unknown = [torch.randn(size, generator=draw) for size in view_dims]

    def draw(self, count: int) -> _Examples:
        """Draw examples from PyTorch's global generator: the views, the truth."""
        truth = torch.randn(count, 1, self.dim)
        knows = torch.rand(count, 1, 2) > 0.3
        knows[..., 0] |= ~knows.any(dim=-1)  # one of them does
        views = [
            torch.where(knows[..., e, None], truth @ self._maps[e], self._unknown[e])
            for e in range(2)
        ]
        return views, truth

    def unknown(self, views: list[Tensor]) -> Bool[Tensor, "batch tokens views"]:
        """Return where a view does not know a word."""
        pairs = zip(views, self._unknown, strict=True)
        return torch.stack([(view == none).all(-1) for view, none in pairs], dim=-1)


class FeatureWeights(nn.Module):
    """One weight for each feature of each word: source2token.

    Args:
        dim: features of a word.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer = SourceToToken(dim)

    def forward(
        self, words: Float[Tensor, "batch words dim"]
    ) -> Float[Tensor, "batch dim"]:
        """Return one vector for each sentence."""
        return self.layer(words)[0].squeeze(1)


class WordWeights(nn.Module):
    """One weight for each word, or a few rows of such weights, and a matrix behind.

    Args:
        dim: features of a word.
        hidden_dim: units of the layer that computes the scores.
        num_rows: rows of weights; each gives a mean of the words.
    """

    def __init__(self, dim: int, hidden_dim: int, num_rows: int = 1) -> None:
        super().__init__()
        self.score = nn.Sequential(
            nn.Linear(dim, hidden_dim), nn.ELU(), nn.Linear(hidden_dim, num_rows)
        )
        self.out_proj = nn.Linear(num_rows * dim, dim)

    def forward(
        self, words: Float[Tensor, "batch words dim"]
    ) -> Float[Tensor, "batch dim"]:
        """Return one vector for each sentence."""
        context, _ = attend(self.score(words).mT, words)
        return self.out_proj(context.flatten(1))


class MeanOfWords(nn.Module):
    """The plain mean of the words, and a matrix behind.

    Args:
        dim: features of a word.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_proj = nn.Linear(dim, dim)

    def forward(
        self, words: Float[Tensor, "batch words dim"]
    ) -> Float[Tensor, "batch dim"]:
        """Return one vector for each sentence."""
        return self.out_proj(words.mean(dim=1))


class ViewWeights(nn.Module):
    """Some views of a word, weighted by the word or all alike.

    Args:
        task: whose views.
        kept: numbers of the views that it sees.
        fixed: whether all views weigh the same.
    """

    def __init__(
        self, task: TwoViews, kept: tuple[int, ...], *, fixed: bool = False
    ) -> None:
        super().__init__()
        self.kept = kept
        self.layer = DynamicMetaEmbedding(
            [task.view_dims[number] for number in kept], task.dim
        )
        if fixed:
            nn.init.zeros_(self.layer.score_proj.weight)
            self.layer.score_proj.requires_grad_(False)

    def forward(self, *views: Tensor) -> Float[Tensor, "batch tokens dim"]:
        """Return one vector for each word."""
        return self.layer([views[number] for number in self.kept])[0]


def unexplained_variance(
    make: Callable[[], nn.Module],
    task: LargestFeatures | TwoViews,
    *,
    seed: int,
    epochs: int,
    num_examples: int,
) -> tuple[nn.Module, float]:
    """Train a model on a task and measure what it leaves unexplained.

    Adam minimises the squared error in batches of 64, with a step size that falls from
    0.01 to a hundredth of it.

    Args:
        make: builds the model, whose inputs are those of the task.
        task: draws the examples.
        seed: of the model; its successor is that of the examples.
        epochs: runs through the examples.
        num_examples: to train on; a last batch that is not full is left out.

    Returns:
        The trained model, and its share of the variance of 2,000 new answers.
    """
    seed_everything(seed)
    model = make()
    torch.manual_seed(operator.index(seed) + 1)
    batch_size = min(64, num_examples)
    inputs, target = task.draw(num_examples)
    optimizer = make_optimizer("adam", model.parameters(), 1e-2)
    steps = epochs * (num_examples // batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, steps)
    for _ in range(epochs):
        for rows in torch.randperm(num_examples).split(batch_size):
            if len(rows) < batch_size:
                continue
            loss = F.mse_loss(model(*(x[rows] for x in inputs)), target[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    inputs, target = task.draw(2_000)
    with torch.no_grad():
        wrong = F.mse_loss(model(*inputs), target)
    return model, (wrong / target.var(dim=0, correction=0).mean()).item()
