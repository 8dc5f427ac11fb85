"""Read the docstrings of installed libraries; run in a process of its own."""

import contextlib
import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

# What is not imported, and why: tests; what brings code of other libraries along; what
# needs a window system, a compiler, a profiler or other processes; old copies; what
# a program wrote (BLAS and LAPACK).
SKIPPED_PARTS = {"tests", "test", "testing", "conftest", "externals", "setup"}
SKIPPED_MODULES = {
    *("numpy.distutils", "numpy.f2py", "numpy.typing", "numpy.ctypeslib"),
    *("numpy.matlib", "scipy.datasets", "scipy.odr", "scipy.misc"),
    *("sklearn.experimental", "sklearn.utils.estimator_checks"),
    # pyplot repeats the methods of Axes and Figure, and would choose a window system
    *("matplotlib.backends", "matplotlib.pyplot", "matplotlib.pylab"),
    *("matplotlib.sphinxext", "scipy.linalg.blas", "scipy.linalg.lapack"),
}
# Of torch, these alone: importing all of it would load its compilers and start-up code
# for many machines, and takes longer than all else.
TORCH_MODULES = (
    *("torch", "torch.amp", "torch.autograd", "torch.autograd.forward_ad"),
    *("torch.autograd.functional", "torch.autograd.graph", "torch.cuda"),
    *("torch.distributions", "torch.distributions.constraints", "torch.fft"),
    *("torch.distributions.kl", "torch.distributions.transforms", "torch.func"),
    *("torch.futures", "torch.fx", "torch.hub", "torch.jit", "torch.library"),
    *("torch.linalg", "torch.masked", "torch.nested", "torch.nn", "torch.nn.attention"),
    *("torch.nn.functional", "torch.nn.init", "torch.nn.parallel", "torch.nn.utils"),
    *("torch.nn.utils.parametrizations", "torch.nn.utils.parametrize"),
    *("torch.nn.utils.prune", "torch.nn.utils.rnn", "torch.nn.utils.stateless"),
    *("torch.optim", "torch.optim.lr_scheduler", "torch.optim.swa_utils"),
    *("torch.overrides", "torch.profiler", "torch.random", "torch.signal.windows"),
    *("torch.sparse", "torch.special", "torch.utils.checkpoint", "torch.utils.data"),
)
# What a library writes by itself, for each class or each kind of number.
GENERATED = re.compile(
    r"set_\w+_request$|get_metadata_routing$"  # scikit-learn's metadata routing
    r"|(BFloat16|Bool|Byte|Char|Complex\w+|Double|Float|Half|Int|Long|Short|Q\w+)"
    r"(Tensor|Storage)$"  # torch's types for each kind of number
)


class RawDocstring(NamedTuple):
    """A docstring as it stands in the library.

    Attributes:
        name: qualified name, such as "numpy.linalg.solve".
        kind: "function", "class", "method" (or property) or "object", something else
            that can be called.
        other_names: last parts of the other names that it has in its library, ordered;
            ("abs",) for "numpy.absolute".
        text: the docstring.
    """

    name: str
    kind: str
    other_names: tuple[str, ...]
    text: str


def read_library(
    library: str, seen: dict[int, Any]
) -> tuple[list[RawDocstring], list[str]]:
    """Import a library's public modules and read their docstrings.

    An object with several names is read once: under the name that it gives itself if it
    has one, then with the fewest dots, then the one in the module that defines it, then
    the first in alphabetical order.

    Args:
        library: its import name.
        seen: objects that an earlier library has, by ``id``; those of this one are
            added. It keeps them alive, so that no id is given twice.

    Returns:
        The docstrings ordered by name, and the modules that could not be imported.

    Raises:
        ImportError: and whatever else importing the library raises.
    """
    modules, failed = _modules(library)
    names: dict[int, list[str]] = {}
    objects: dict[int, Any] = {}
    methods: set[str] = set()
    for module in modules:
        for name, value in sorted(vars(module).items()):
            if not _is_public(name) or not _belongs(value, name, module):
                continue
            for part, member in _with_members(value, library):
                if id(member) not in seen:
                    full = f"{module.__name__}.{name}{part}"
                    names.setdefault(id(member), []).append(full)
                    objects[id(member)] = member
                    if part:
                        methods.add(full)
    found = []
    for key, member in objects.items():
        text = _own_docstring(member)
        if text:
            name = _canonical(names[key], member)
            kind = _kind(member, name in methods)
            others = {other.rpartition(".")[2] for other in names[key]}
            others.discard(name.rpartition(".")[2])
            found.append(RawDocstring(name, kind, tuple(sorted(others)), text))
    seen.update(objects)
    return sorted(found), failed


def _modules(library: str) -> tuple[list[types.ModuleType], list[str]]:
    root = importlib.import_module(library)
    modules, failed = [], []
    for name in TORCH_MODULES if library == "torch" else _public_modules(root):
        try:
            modules.append(importlib.import_module(name))
        except Exception:  # an optional part that this machine does not have
            failed.append(name)
    return modules, failed


def _public_modules(package: types.ModuleType) -> Iterator[str]:
    yield package.__name__
    for info in sorted(pkgutil.iter_modules(getattr(package, "__path__", ()))):
        name = f"{package.__name__}.{info.name}"
        if (
            not _is_public(info.name)
            or info.name in SKIPPED_PARTS
            or name in SKIPPED_MODULES
        ):
            continue
        if info.ispkg:
            try:
                yield from _public_modules(importlib.import_module(name))
            except Exception:
                yield name  # fails again where failures are noted
        else:
            yield name


def _is_public(name: str) -> bool:
    return not name.startswith("_") and not GENERATED.match(name)


def _belongs(value: Any, name: str, module: types.ModuleType) -> bool:
    """Whether a module documents a value, and does not just use it.

    A package documents what comes from its library; a plain module what it defines
    and what it lists in ``__all__``.
    """
    if isinstance(value, types.ModuleType) or not callable(value):
        return False
    home = getattr(value, "__module__", None)
    if home is None:  # built in, or an object with a docstring of its own
        home = getattr(type(value), "__module__", "")
        return str(home).split(".")[0] in (*_roots(module.__name__), "builtins")
    if str(home).split(".")[0] not in _roots(module.__name__):
        return False
    if (
        hasattr(module, "__path__")
        or home == module.__name__
        or inspect.isbuiltin(value)
    ):
        return True
    return name in vars(module).get("__all__", ())


def _roots(name: str) -> tuple[str, str]:
    library = name.split(".")[0]
    return library, f"_{library}"


def _with_members(value: Any, library: str) -> Iterator[tuple[str, Any]]:
    """The value; if it is a class, also its methods and properties."""
    yield "", value
    if not inspect.isclass(value):
        return
    hidden: set[str] = set()  # what a class has, its bases have no more
    for base in value.__mro__:
        if str(base.__module__).split(".")[0] not in _roots(library):
            continue
        for name, member in sorted(vars(base).items()):
            if not _is_public(name) or name in hidden:
                continue
            if isinstance(member, staticmethod | classmethod):
                member = member.__func__
            if inspect.isroutine(member) or isinstance(member, property):
                yield f".{name}", member
        hidden.update(vars(base))


def _own_docstring(value: Any) -> str:
    """Its docstring, unless that is the one of its type."""
    text = None
    with contextlib.suppress(Exception):  # a descriptor may raise anything
        text = value.__doc__
    inherited = None if inspect.isclass(value) else type(value).__doc__
    return text if isinstance(text, str) and text != inherited else ""


def _canonical(names: list[str], value: Any) -> str:
    own = getattr(value, "__qualname__", None) or getattr(value, "__name__", "")
    home = f"{getattr(value, '__module__', '')}.{own}"

    def rank(name: str) -> tuple[bool, int, bool, str]:
        return not f".{name}".endswith(f".{own}"), name.count("."), name != home, name

    return min(set(names), key=rank)


def _kind(value: Any, is_method: bool) -> str:
    if is_method:
        return "method"
    if inspect.isclass(value):
        return "class"
    is_function = inspect.isroutine(value) or type(value).__name__ == "ufunc"
    return "function" if is_function else "object"
