"""Findings in the shapes that people and programs read. Pure: nothing here writes anywhere."""
