from .alignment import (
    Link,
    alignment_error_rate,
    argmax_links,
)
from .correlation import (
    Agreement,
    agreement,
)
from .cost import (
    crossing,
    fair_clock,
    kept_bytes,
    multiplications,
    peak_bytes,
    seconds_in_turns,
)
from .edits import (
    Edits,
    count_edits,
    total_edits,
)
from .heads import (
    Weights,
    keys_at,
    last_marked,
    mean_distance,
    mean_entropy,
    share_of_weight,
)
from .intervals import (
    BinScore,
    bootstrap_interval,
    proportion_interval,
    score_by_bin,
    student_interval,
)
from .metrics import (
    Bleu,
    corpus_bleu,
    exact_match,
    token_accuracy,
)
from .ranking import (
    Ranking,
    rank,
)
from .scores import (
    score_all,
)

__all__ = [
    "Agreement",
    "BinScore",
    "Bleu",
    "Edits",
    "Link",
    "Ranking",
    "Weights",
    "agreement",
    "alignment_error_rate",
    "argmax_links",
    "bootstrap_interval",
    "corpus_bleu",
    "count_edits",
    "crossing",
    "exact_match",
    "fair_clock",
    "kept_bytes",
    "keys_at",
    "last_marked",
    "mean_distance",
    "mean_entropy",
    "multiplications",
    "peak_bytes",
    "proportion_interval",
    "rank",
    "score_all",
    "score_by_bin",
    "seconds_in_turns",
    "share_of_weight",
    "student_interval",
    "token_accuracy",
    "total_edits",
]
