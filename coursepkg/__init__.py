"""The tested code behind the open course *How Computing Changed*."""

from importlib.metadata import version as _version

from coursepkg.checks import check
from coursepkg.session import progress, show, start

__version__ = _version("coursepkg")
__all__ = ["__version__", "check", "progress", "show", "start"]
