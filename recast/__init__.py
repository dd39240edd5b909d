"""Recast: rewritten LLM pre-training data on a Spark and Delta lakehouse. docs/architecture.md is the map.

The rooms are folders of the checkout, linked here: jobs/ is `recast.jobs`.
"""

__version__ = "0.1.0"
"""Recast's version. setup.py reads it here, for where Recast runs from a zip or a checkout nothing is installed."""
