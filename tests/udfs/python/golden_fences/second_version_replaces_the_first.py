def mean(values: list[float]) -> float:
    """Return the mean."""
    if not values:
        return 0.0
    return sum(values) / len(values)
