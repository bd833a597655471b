"""All prepared wrong answers, collected from the files ``wrong_*.py`` beside this one."""

import importlib
from pathlib import Path

_FILES = sorted(Path(__file__).parent.glob("wrong_*.py"))
WRONG = {
    exercise: cases
    for path in _FILES
    if path != Path(__file__)
    for exercise, cases in importlib.import_module(f"tests.checks.{path.stem}").WRONG.items()
}
