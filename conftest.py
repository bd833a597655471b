"""Settings for all tests, and for the kernels in which nbval runs the notebooks."""

import os

# The stored outputs were made without progress bars (see coursepkg.session.progress).
os.environ["COURSEPKG_QUIET"] = "1"

# Tests and kernels run side by side, one for each core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
