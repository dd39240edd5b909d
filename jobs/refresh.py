"""Brings whole lanes up to date in one application: `spark-submit jobs/refresh.py code` does what `recast refresh code` does."""

from recast.cli.main import refresh

if __name__ == "__main__":
    refresh()
