from .beams import (
    Beam,
    trace_beams,
)
from .search import (
    Hypothesis,
    Step,
    beam_search,
    greedy_search,
)
from .state import (
    State,
    select_rows,
    state_device,
)
from .translation import (
    translate,
)

__all__ = [
    "Beam",
    "Hypothesis",
    "State",
    "Step",
    "beam_search",
    "greedy_search",
    "select_rows",
    "state_device",
    "trace_beams",
    "translate",
]
