"""The settings of a chapter's run, checked before anything is computed."""

from types import SimpleNamespace
from typing import Any

from attention_book.training.runtime import check_seed, default_device

GIVEN = ("preset", "seed", "device", "shortened")


class Settings(SimpleNamespace):
    """A chapter's settings by name: ``settings.batch_size``.

    A namespace rather than a dataclass, because each chapter has its own names.

    Attributes:
        preset: "quick" or "full".
        seed: for ``seed_everything``.
        device: the :class:`torch.device` to compute on.
        epochs: runs through the data; None: the chapter decides.
        limit: only so many training examples; None: all.
        shortened: whether ``epochs`` or ``limit`` was set by hand; the chapter's claims
            are then not checked, since they are about the whole run.

    All other names are those of the preset.
    """


def choose_settings(
    *,
    preset: str,
    seed: int,
    device: str,
    epochs: int | None,
    limit: int | None,
    quick: dict[str, Any],
    full: dict[str, Any],
) -> Settings:
    """Check a chapter's parameters and choose the settings that they ask for.

    papermill passes what the user typed: text or a fraction for a number, for
    instance. Nothing is seeded here.

    Args:
        preset: "quick" or "full".
        seed: an integer from 0 to 2**32 - 1.
        device: "auto" or the name of a device, see
            :func:`~attention_book.training.runtime.default_device`.
        epochs: at least 1, in place of the preset's; None: as the preset says.
        limit: at least 1, in place of the preset's; None: as the preset says.
        quick: settings of the preset "quick", by name.
        full: settings of the preset "full", the same names.

    Returns:
        The settings of the chosen preset, and the parameters.

    Raises:
        ValueError: if a parameter has a wrong value, the device is not there, or the
            presets have other names than each other or a name that is taken.
        TypeError: if a parameter that must be an integer is none.

    Example:
        >>> given = {"seed": 0, "device": "cpu", "epochs": 2, "limit": None}
        >>> quick, full = {"epochs": 5, "dim": 8}, {"epochs": 9, "dim": 64}
        >>> settings = choose_settings(
        ...     preset="full", quick=quick, full=full, **given
        ... )
        >>> settings.epochs, settings.dim, settings.shortened
        (2, 64, True)
    """
    if preset not in ("quick", "full"):
        raise ValueError(f'preset must be "quick" or "full", got {preset!r}')
    check_seed(seed)
    set_by_hand = {}
    for name, value in ("epochs", epochs), ("limit", limit):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(
                f"{name} must be None or an integer, got {value!r} "
                f"({type(value).__name__})"
            )
        if value < 1:
            raise ValueError(f"{name} must be None or at least 1, got {value}")
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
