"""The platform: the loop that runs stages, the plan, Spark and Delta. It knows nothing of code or mathematics."""

__version__ = "0.1.0"
"""Recast's version. setup.py reads it here, for where Recast runs from a zip or a checkout nothing is installed."""
