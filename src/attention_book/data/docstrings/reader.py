"""Read the docstrings of installed libraries. Runs in a process of its own."""

import contextlib
import importlib
import inspect
import pkgutil
import re
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

# Not imported: tests; modules that contain other libraries' code; modules that need a
# window system, a compiler, a profiler or other processes; obsolete copies; generated
# code (BLAS and LAPACK).
SKIPPED_PARTS = {"tests", "test", "testing", "conftest", "externals", "setup"}
SKIPPED_MODULES = {
    *("numpy.distutils", "numpy.f2py", "numpy.typing", "numpy.ctypeslib"),
    *("numpy.matlib", "scipy.datasets", "scipy.odr", "scipy.misc"),
    *("sklearn.experimental", "sklearn.utils.estimator_checks"),
    # pyplot repeats the methods of Axes and Figure, and would select a window system.
    *("matplotlib.backends", "matplotlib.pyplot", "matplotlib.pylab"),
    *("matplotlib.sphinxext", "scipy.linalg.blas", "scipy.linalg.lapack"),
}
# Only these modules of torch: importing all of it would load its compilers and the
# start-up code for many machines, and take longer than everything else together.
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
# Names that libraries generate, one for each class or each dtype.
GENERATED = re.compile(
    r"set_\w+_request$|get_metadata_routing$"  # scikit-learn's metadata routing
    r"|(BFloat16|Bool|Byte|Char|Complex\w+|Double|Float|Half|Int|Long|Short|Q\w+)"
    r"(Tensor|Storage)$"  # torch's types for each dtype
)


class RawDocstring(NamedTuple):
    """A docstring as the library has it.

    Attributes:
        name: qualified name, such as "numpy.linalg.solve".
        kind: "function", "class", "method" (properties included), or "object" for any
            other callable.
        other_names: the other names that the library gives it, without their modules
            and in alphabetical order: ("abs",) for "numpy.absolute".
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

    An object with several names is read once. A name that ends with the object's
    ``__qualname__`` is preferred, then the one with the fewest dots, then the one in
    the defining module, then the alphabetically first.

    Args:
        library: its import name.
        seen: the objects of earlier libraries, by ``id``. Those of this library are
            added; because they stay alive here, no id is used twice.

    Returns:
        The docstrings ordered by name, and the modules that could not be imported.

    Raises:
        ImportError: if the library cannot be imported, or whatever else the import
            raises.
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
        except Exception:  # an optional part that is not available here
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
                yield name  # it fails again in _modules, which records it
        else:
            yield name


def _is_public(name: str) -> bool:
    return not name.startswith("_") and not GENERATED.match(name)


def _belongs(value: Any, name: str, module: types.ModuleType) -> bool:
    """Whether a value belongs to a module's interface, and is not merely used there.

    In a package, every object of the library does; in a plain module, the objects that
    it defines or lists in ``__all__``.
    """
    if isinstance(value, types.ModuleType) or not callable(value):
        return False
    home = getattr(value, "__module__", None)
    if home is None:  # a built-in, or an object with its own docstring
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
    """Yield a value and, if it is a class, its methods and properties."""
    yield "", value
    if not inspect.isclass(value):
        return
    hidden: set[str] = set()  # names that a class overrides in its bases
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
    """Return a value's docstring unless it is inherited from its type."""
    text = None
    with contextlib.suppress(Exception):  # a descriptor may raise any exception
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
