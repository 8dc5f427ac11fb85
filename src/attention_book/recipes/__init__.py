"""Data, model, training and scores joined: what chapters and benchmarks share.

The public names of all modules, imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
