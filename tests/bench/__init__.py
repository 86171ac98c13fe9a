"""Ratios of speed, measured in one run on one machine: `python -m tests.bench`. Nothing here is a timed test."""
