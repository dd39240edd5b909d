"""deploy/kubernetes: the manifests are what the operator's own models take, and image and settings fit Recast."""

import os
import re
import tomllib
from typing import Any

import pytest
import yaml
from kubeflow_spark_api.models import IoK8sApiCoreV1ConfigMap, SparkV1beta2ScheduledSparkApplication

from recast.jobs.settings import resolve
from recast.lakehouse import session
from tests.conftest import CHECKOUT
from tests.test_setup import pinned

FOLDER = CHECKOUT / "deploy" / "kubernetes"
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")
CONFIG, NIGHTLY = yaml.safe_load_all((FOLDER / "recast.yaml").read_text("utf-8"))
TEMPLATE = NIGHTLY["spec"]["template"]


def understood(model: Any, manifest: dict[str, Any]) -> Any:
    """Return what is left of a manifest once a model has read it: what it does not know is gone."""
    return model.from_dict(manifest).to_dict()


def test_the_operator_knows_every_field_of_the_manifests() -> None:
    assert understood(IoK8sApiCoreV1ConfigMap, CONFIG) == CONFIG
    assert understood(SparkV1beta2ScheduledSparkApplication, NIGHTLY) == NIGHTLY


def test_a_field_that_the_operator_does_not_know_is_noticed() -> None:
    wrong = NIGHTLY | {"spec": NIGHTLY["spec"] | {"concurencyPolicy": "Forbid"}}
    assert understood(SparkV1beta2ScheduledSparkApplication, wrong) != wrong


def test_words_that_the_operator_takes_from_a_closed_list_are_on_it() -> None:
    """As the types of its API say (api/v1beta2 of kubeflow/spark-operator); its models take any string."""
    assert (NIGHTLY["apiVersion"], NIGHTLY["kind"]) == ("sparkoperator.k8s.io/v1beta2", "ScheduledSparkApplication")
    assert NIGHTLY["spec"]["concurrencyPolicy"] in ("Allow", "Forbid", "Replace")
    assert TEMPLATE["type"] in ("Java", "Scala", "Python", "R")
    assert TEMPLATE["mode"] in ("cluster", "client")
    assert TEMPLATE["restartPolicy"]["type"] in ("Never", "OnFailure", "Always")


def test_one_run_works_at_a_time_and_no_failed_one_is_repeated() -> None:
    assert NIGHTLY["spec"]["concurrencyPolicy"] == "Forbid"
    assert TEMPLATE["restartPolicy"] == {"type": "Never"}


def test_the_settings_are_recasts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("RECAST_")]:
        monkeypatch.delenv(name)
    for name, value in CONFIG["data"].items():
        monkeypatch.setenv(name, value)
    settings = resolve()
    assert settings.lake == CONFIG["data"]["RECAST_LAKE"]
    assert settings.max_hours == 6


def test_driver_and_executors_get_settings_and_keys_by_the_names_of_the_manifests() -> None:
    name = CONFIG["metadata"]["name"]
    assert TEMPLATE["driver"]["envFrom"] == [{"configMapRef": {"name": name}}, {"secretRef": {"name": name}}]
    assert TEMPLATE["executor"]["envFrom"] == [{"secretRef": {"name": name}}]


def test_the_program_is_where_the_image_has_it_and_the_image_where_the_manifest_says() -> None:
    program = TEMPLATE["mainApplicationFile"].removeprefix("local:///opt/recast/")
    assert (CHECKOUT / "recast" / program).is_file()
    assert "ln -s /usr/local/lib/python3.11/site-packages/recast /opt/recast" in DOCKERFILE
    assert f"-t {TEMPLATE['image']} -" in DOCKERFILE


def test_versions_are_those_that_are_pinned() -> None:
    assert TEMPLATE["sparkVersion"] == pinned("pyspark")
    (base,) = re.findall(r"^FROM spark:(\d+\.\d+)\.\d+-scala2\.13-java17-ubuntu ", DOCKERFILE, re.MULTILINE)
    assert base == session.SPARK
    assert session.EXCLUDED in DOCKERFILE
    oldest = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]["python_version"]
    assert f"FROM python:{oldest}-slim-bookworm" in DOCKERFILE
