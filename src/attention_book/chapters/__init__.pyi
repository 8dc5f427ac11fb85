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
from .settings import (
    choose_settings,
)
from .source import (
    show_source,
)
from .systems import (
    report_pair_system,
    report_system,
    systems_table,
)
from .tables import (
    seeds_table,
)

__all__ = [
    "choose_settings",
    "end_of_partial_run",
    "glue",
    "report_pair_system",
    "report_run",
    "report_system",
    "seeds_table",
    "show_source",
    "systems_table",
    "verdict",
]
