def area(radius: float) -> float:
    """Return the area of a circle.

    ```python
    area(1)
    ```
    """
    return 3.14159 * radius**2


def main() -> None:
    """Print an area."""
    print(area(2))
