from .exercises import (
    verdict,
)
from .report import (
    glue,
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
    "show_source",
    "verdict",
]
