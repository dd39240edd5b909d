TEMPLATE = '''
# Title

```bash
make
```
'''


def page() -> str:
    return TEMPLATE
