"""Machines and programs from the history of computing, small enough to read and to change."""
