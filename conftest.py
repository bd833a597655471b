"""Settings for all tests, and for the kernels in which nbval runs the notebooks."""

import os

# The stored outputs were made without progress bars (see coursepkg.session.progress).
os.environ["COURSEPKG_QUIET"] = "1"
