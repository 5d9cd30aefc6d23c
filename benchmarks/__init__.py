"""Measurements, each a ratio to a floor taken in the same run: machines differ, ratios travel."""
