"""Brings whole lanes up to date in one application: `spark-submit jobs/refresh.py code` does what `recast refresh code` does."""

from jobs.__main__ import refresh

if __name__ == "__main__":
    refresh()
