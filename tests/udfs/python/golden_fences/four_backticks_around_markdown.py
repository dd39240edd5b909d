def mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)
