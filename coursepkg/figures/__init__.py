"""The figures that chapters draw, in one style for the whole course."""

from coursepkg.figures.style import COLOURS, use_course_style

__all__ = ["COLOURS", "use_course_style"]
