"""The multi-perspective CNN: its settings, and the size of its comparison."""

from dataclasses import dataclass

from attention_book.functional import check_counts
from attention_book.models.mpcnn.filters import POOLINGS

LIGHT = {"poolings": ("max",), "num_dim_filters": 0}
"""Settings of the light version, ``MPCNNConfig(**LIGHT, ...)``: block A with maxima."""

COMPARISONS = ("all widths", "equal widths", "once", "one vector")
"""Ways to compare two sentences; the first one is the paper's."""


@dataclass(frozen=True, kw_only=True)
class MPCNNConfig:
    """Sizes and parts of an :class:`MPCNN`; the defaults are the paper's for SICK.

    Every part can be left out, so that an ablation shows what it contributes.

    Attributes:
        embed_dim: size of a word vector.
        num_filters: filters in each group of block A.
        num_dim_filters: filters for each dimension in a group of block B; 0: no block
            B.
        widths: widths of the filters, in words; the infinite one is
            ``whole_sentence``.
        poolings: poolings of block A.
        dim_poolings: poolings of block B.
        whole_sentence: whether the poolings of the word vectors themselves are
            compared: the filter width "infinity".
        comparison: one of :data:`COMPARISONS`. "all widths": algorithms 1 and 2 of the
            paper. "equal widths": the same, but algorithm 2 compares each width with
            itself only. "once": everything that was pooled of a sentence is one long
            vector, compared once. "one vector": the long vector is projected to
            ``vector_dim`` components first.
        vector_dim: size of that one vector; None: ``num_filters``.
        horizontal: whether algorithm 1 is part of the comparison, if that is by widths.
        vertical: whether algorithm 2 for block A is.
        attention: whether attention reweights the words first (He et al., 2016); a
            word's vector is then twice as large.
        hidden_dim: size of the hidden layer that reads the comparison.
        grades: lowest and highest whole grade of a score, such as (1, 5) for SICK;
            None: the model predicts classes.
        num_classes: number of classes, if ``grades`` is None.
        l2: weight of the penalty on all parameters, lambda.
        dropout: probability of setting a hidden unit to 0 (the paper: 0).

    Raises:
        ValueError: if a setting is out of its range, or nothing is left to compare.
    """

    embed_dim: int
    num_filters: int = 300
    num_dim_filters: int = 20
    widths: tuple[int, ...] = (1, 2, 3)
    poolings: tuple[str, ...] = POOLINGS
    dim_poolings: tuple[str, ...] = ("max", "min")
    whole_sentence: bool = True
    comparison: str = COMPARISONS[0]
    vector_dim: int | None = None
    horizontal: bool = True
    vertical: bool = True
    attention: bool = False
    hidden_dim: int = 150
    grades: tuple[int, int] | None = None
    num_classes: int = 2
    l2: float = 1e-4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.num_dim_filters < 0:
            raise ValueError(
                f"num_dim_filters must not be negative, got {self.num_dim_filters}"
            )
        for name in ("embed_dim", "num_filters", "hidden_dim", "num_classes"):
            check_counts(**{name: getattr(self, name)})
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), got {self.dropout}")
        for name in ("poolings", "dim_poolings"):
            names = getattr(self, name)
            if not names or not set(names) <= set(POOLINGS):
                raise ValueError(
                    f"{name} must be some of {', '.join(POOLINGS)}, got {names}"
                )
        if not self.widths or min(self.widths) < 1:
            raise ValueError(f"widths must be at least 1, got {self.widths}")
        if self.grades is not None and self.grades[0] >= self.grades[1]:
            raise ValueError(f"grades must be lowest and highest, got {self.grades}")
        if self.comparison not in COMPARISONS:
            raise ValueError(
                f"comparison must be one of {', '.join(COMPARISONS)}, got "
                f"{self.comparison!r}"
            )
        if self.vector_dim is not None:
            check_counts(vector_dim=self.vector_dim)
        if self.l2 < 0:
            raise ValueError(f"l2 must not be negative, got {self.l2}")
        if not self.num_features:
            raise ValueError(
                "nothing is compared: set horizontal, vertical or num_dim_filters"
            )

    @property
    def word_dim(self) -> int:
        """Size of a word's vector as the filters read it."""
        return 2 * self.embed_dim if self.attention else self.embed_dim

    @property
    def sentence_is_a_width(self) -> bool:
        """Whether pooled words and pooled filters are vectors of the same size.

        Only then can width infinity be compared with the other widths.
        """
        return self.whole_sentence and self.word_dim == self.num_filters

    @property
    def num_outputs(self) -> int:
        """Number of grades or classes."""
        if self.grades is None:
            return self.num_classes
        return self.grades[1] - self.grades[0] + 1

    @property
    def by_widths(self) -> bool:
        """Whether algorithms 1 and 2 compare the sentences."""
        return self.comparison in COMPARISONS[:2]

    @property
    def num_pooled(self) -> int:
        """Number of components of all that is pooled of one sentence."""
        filters = len(self.poolings) * len(self.widths) * self.num_filters
        words = len(self.poolings) * self.word_dim if self.whole_sentence else 0
        groups = len(self.dim_poolings) * len(self.widths)
        return filters + words + groups * self.num_dim_filters * self.word_dim

    @property
    def num_features(self) -> int:
        """Number of features in the whole comparison."""
        if self.comparison == "one vector":
            return 2 + (self.vector_dim or self.num_filters)
        if self.comparison == "once":
            return 2 + self.num_pooled
        poolings, widths = len(self.poolings), len(self.widths)
        rows = widths + self.sentence_is_a_width
        count = 0
        if self.horizontal:
            count += poolings * self.num_filters * 2
        if self.vertical:
            columns = rows**2 if self.comparison == "all widths" else rows
            count += poolings * columns * (2 + self.num_filters)
            if self.whole_sentence and not self.sentence_is_a_width:
                count += poolings * (2 + self.word_dim)
        groups = len(self.dim_poolings) * widths
        return count + groups * self.num_dim_filters * (2 + self.word_dim)
