from .exercises import (
    verdict,
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

__all__ = [
    "choose_settings",
    "glue",
    "report_run",
    "show_source",
    "verdict",
]
