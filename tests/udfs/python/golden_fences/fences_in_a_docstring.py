def render() -> str:
    """Return a page.

    Example:

    ```python
    render()
    ```

    and its output

```
<html>
```
    """
    return "<html>"
