"""What only notebooks and pages need.

What every chapter uses can be imported from here.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
