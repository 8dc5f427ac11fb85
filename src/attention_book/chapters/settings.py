"""The settings of a chapter's run, checked before anything is computed."""

from pprint import pformat
from types import SimpleNamespace
from typing import Any

from attention_book.chapters.exercises import require_asserts
from attention_book.training.runtime import (
    check_seed,
    default_device,
    plain_integer,
)

GIVEN = ("preset", "seed", "device", "shortened")


class Settings(SimpleNamespace):
    """A chapter's settings by name: ``settings.batch_size``.

    A namespace rather than a dataclass, because each chapter has its own names.

    Attributes:
        preset: "quick" or "full".
        seed: for ``seed_everything``.
        device: the :class:`torch.device` to compute on.
        epochs: runs through the data; None: the chapter decides.
        limit: largest number of training examples; None: no limit.
        shortened: whether ``epochs`` or ``limit`` was set by hand. The chapter's claims
            are about the whole run, so they are not checked then.

    All other names are those of the preset.
    """

    def _repr_markdown_(self) -> str:
        """Show the settings on the page, folded, where a cell ends with them."""
        lines = []
        for name, value in vars(self).items():
            start = f"{name} = "
            shown = str(value) if name == "device" else value
            text = pformat(shown, width=80 - len(start), sort_dicts=False)
            lines.append(start + text.replace("\n", "\n" + " " * len(start)))
        return (
            "<details><summary>Settings of this run</summary>\n\n"
            "```python\n" + "\n".join(lines) + "\n```\n\n</details>"
        )


def choose_settings(
    *,
    preset: str,
    seed: int,
    device: str,
    epochs: int | None,
    limit: int | None,
    quick: dict[str, Any],
    full: dict[str, Any],
    least_limit: int = 1,
) -> Settings:
    """Check a chapter's parameters and choose its settings.

    papermill passes on whatever the user typed, for instance text or a fraction in
    place of an integer. Nothing is seeded here.

    Args:
        preset: "quick" or "full".
        seed: an integer from 0 to 2**32 - 1.
        device: "auto" or the name of a device, see
            :func:`~attention_book.training.runtime.default_device`.
        epochs: at least 1, replaces the preset's; None: the preset's.
        limit: at least ``least_limit``, replaces the preset's; None: the preset's.
        quick: settings of the preset "quick", by name.
        full: settings of the preset "full", with the same names.
        least_limit: smallest ``limit`` with which the chapter can run.

    Returns:
        The settings of the chosen preset, and the parameters.

    Raises:
        ValueError: if a parameter has a wrong value, the device is not available, or
            the presets have different names or the name of a parameter.
        TypeError: if a parameter that must be an integer is not one.
        RuntimeError: if Python skips ``assert``, so that no claim would be checked.

    Example:
        >>> given = {"seed": 0, "device": "cpu", "epochs": 2, "limit": None}
        >>> quick, full = {"epochs": 5, "dim": 8}, {"epochs": 9, "dim": 64}
        >>> settings = choose_settings(
        ...     preset="full", quick=quick, full=full, **given
        ... )
        >>> settings.epochs, settings.dim, settings.shortened
        (2, 64, True)
    """
    require_asserts()
    if preset not in ("quick", "full"):
        raise ValueError(f'preset must be "quick" or "full", got {preset!r}')
    seed = check_seed(seed)
    set_by_hand = {}
    for name, value, least in ("epochs", epochs, 1), ("limit", limit, least_limit):
        if value is None:
            continue
        value = plain_integer(value, f"{name} must be None or an integer")
        if value < least:
            raise ValueError(f"{name} must be None or at least {least}, got {value}")
        set_by_hand[name] = value
    if alone := quick.keys() ^ full.keys():
        raise ValueError(
            f"quick and full must have the same names, only one of them has "
            f"{', '.join(sorted(alone))}"
        )
    if taken := quick.keys() & GIVEN:
        raise ValueError(
            f"a preset must not set {', '.join(sorted(taken))}: a parameter does"
        )
    entries = {
        "epochs": None,
        "limit": None,
        **(quick if preset == "quick" else full),
        **set_by_hand,
    }
    return Settings(
        preset=preset,
        seed=seed,
        device=default_device(device),
        shortened=bool(set_by_hand),
        **entries,
    )
