"""Functions and classes with a mistake built in, to prove that a check would find it."""

import inspect
import sys
import textwrap
from collections.abc import Callable


def broken(original: Callable, old: str, new: str) -> Callable:
    """Build a copy of a function or class in whose source one piece of text is replaced.

    The copy lives in a copy of its module's namespace, so the module itself stays as it is.
    The old text must occur exactly once in the source, docstring included.
    """
    source = textwrap.dedent(inspect.getsource(original))
    count = source.count(old)
    assert count == 1, f"{old!r} occurs {count} times in {original.__qualname__}, expected once"
    namespace = dict(vars(sys.modules[original.__module__]))
    code = compile(source.replace(old, new), f"<broken {original.__qualname__}>", "exec")
    exec(code, namespace)
    return namespace[original.__name__]
