"""BCNN and ABCNN: their settings."""

from dataclasses import dataclass

from attention_book.functional import check_counts

VARIANTS = ("BCNN", "ABCNN-1", "ABCNN-2", "ABCNN-3")


@dataclass(frozen=True, kw_only=True)
class ABCNNConfig:
    """Sizes and parts of an :class:`ABCNN`; the defaults are the paper's for WikiQA.

    Attributes:
        embed_dim: size of a word vector (the paper: 300).
        variant: "BCNN" (no attention), "ABCNN-1" (before the convolution), "ABCNN-2"
            (after it) or "ABCNN-3" (both).
        num_filters: filters of each convolution.
        width: width of the filters and of the pooling, in words.
        num_blocks: number of blocks, each a convolution and its pooling.
        max_tokens: longest sentence, in words; attention before the convolution has a
            learned vector for each position.
        shared_maps: whether both sentences use the same learned vectors.
        map_values: what attention before the convolution averages: "positions", the
            paper's learned vectors, or "words", those of the other sentence.
        map_softmax: whether its weights are normalised; the paper's are not.
        extra_features: number of further features of each pair, such as word counts,
            that the last layer reads; 0: none.
        l2: weight of the penalty on all parameters.

    Raises:
        ValueError: if a setting is out of its range.
    """

    embed_dim: int
    variant: str = "BCNN"
    num_filters: int = 50
    width: int = 4
    num_blocks: int = 1
    max_tokens: int = 40
    shared_maps: bool = False
    map_values: str = "positions"
    map_softmax: bool = False
    extra_features: int = 0
    l2: float = 3e-4

    def __post_init__(self) -> None:
        for name in ("embed_dim", "num_filters", "width", "num_blocks", "max_tokens"):
            check_counts(**{name: getattr(self, name)})
        for name in ("extra_features", "l2"):
            if getattr(self, name) < 0:
                raise ValueError(
                    f"{name} must not be negative, got {getattr(self, name)}"
                )
        if self.variant not in VARIANTS:
            raise ValueError(
                f"variant must be one of {', '.join(VARIANTS)}, got {self.variant!r}"
            )
        if self.map_values not in ("positions", "words"):
            raise ValueError(
                f'map_values must be "positions" or "words", got {self.map_values!r}'
            )
