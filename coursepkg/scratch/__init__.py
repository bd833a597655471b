"""The course's mathematics in NumPy, one operation on one screen."""
