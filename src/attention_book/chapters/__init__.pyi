from .exercises import (
    verdict,
)
from .partial import (
    end_of_partial_run,
)
from .report import (
    glue,
    report_run,
)
from .results import (
    answers_table,
    bins_text,
    graded_table,
    recorded_bins,
    recorded_curve,
    recorded_results,
    recorded_samples,
    samples_table,
)
from .settings import (
    choose_settings,
)
from .source import (
    show_source,
)
from .systems import (
    report_pair_system,
    report_scores,
    report_system,
    scores_table,
    systems_table,
)
from .tables import (
    Table,
    bins_table,
    seeds_table,
    words_table,
)

__all__ = [
    "Table",
    "answers_table",
    "bins_table",
    "bins_text",
    "choose_settings",
    "end_of_partial_run",
    "glue",
    "graded_table",
    "recorded_bins",
    "recorded_curve",
    "recorded_results",
    "recorded_samples",
    "report_pair_system",
    "report_run",
    "report_scores",
    "report_system",
    "samples_table",
    "scores_table",
    "seeds_table",
    "show_source",
    "systems_table",
    "verdict",
    "words_table",
]
