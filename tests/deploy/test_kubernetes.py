"""deploy/kubernetes: the manifests are what the operator's own models take, and image and settings fit Recast."""

import os
import re
import shutil
import subprocess
import tomllib
from typing import Any

import pytest
import yaml
from kubeflow_spark_api.models import IoK8sApiCoreV1ConfigMap, SparkV1beta2ScheduledSparkApplication

from recast.jobs.names import LANES
from recast.jobs.settings import resolve
from recast.lakehouse import session
from tests.conftest import CHECKOUT
from tests.test_setup import pinned

FOLDER = CHECKOUT / "deploy" / "kubernetes"
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")
MANIFESTS = FOLDER / "recast.yaml"
CONFIG, LIST = yaml.safe_load_all(MANIFESTS.read_text("utf-8"))
NIGHTLY = {each["spec"]["template"]["arguments"][0]: each for each in LIST["items"]}
SPEC = NIGHTLY["code"]["spec"]
TEMPLATE = SPEC["template"]


def understood(model: Any, manifest: dict[str, Any]) -> Any:
    """Return what is left of a manifest once a model has read it: what it does not know is gone."""
    return model.from_dict(manifest).to_dict()


def test_the_operator_knows_every_field_of_the_manifests() -> None:
    assert understood(IoK8sApiCoreV1ConfigMap, CONFIG) == CONFIG
    assert (LIST["apiVersion"], LIST["kind"], LIST["items"]) == ("v1", "List", [*NIGHTLY.values()])
    for nightly in NIGHTLY.values():
        assert understood(SparkV1beta2ScheduledSparkApplication, nightly) == nightly


def test_a_field_that_the_operator_does_not_know_is_noticed() -> None:
    wrong = NIGHTLY["code"] | {"spec": SPEC | {"concurencyPolicy": "Forbid"}}
    assert understood(SparkV1beta2ScheduledSparkApplication, wrong) != wrong


def test_words_that_the_operator_takes_from_a_closed_list_are_on_it() -> None:
    """As the types of its API say (api/v1beta2 of kubeflow/spark-operator); its models take any string."""
    for nightly in NIGHTLY.values():
        assert (nightly["apiVersion"], nightly["kind"]) == ("sparkoperator.k8s.io/v1beta2", "ScheduledSparkApplication")
    assert SPEC["concurrencyPolicy"] in ("Allow", "Forbid", "Replace")
    assert TEMPLATE["type"] in ("Java", "Scala", "Python", "R")
    assert TEMPLATE["mode"] in ("cluster", "client")
    assert TEMPLATE["restartPolicy"]["type"] in ("Never", "OnFailure", "Always")


def test_one_run_of_a_lane_works_at_a_time_and_no_failed_one_is_repeated() -> None:
    assert SPEC["concurrencyPolicy"] == "Forbid"
    assert TEMPLATE["restartPolicy"] == {"type": "Never"}


def test_a_schedule_refreshes_one_lane_alone_and_the_lanes_are_alike() -> None:
    """In one command a lane that fails, or stops at a limit, keeps those after it from beginning."""
    assert [*NIGHTLY] == [*LANES]
    for lane, nightly in NIGHTLY.items():
        assert nightly["metadata"] == {"name": f"recast-{lane}", "namespace": CONFIG["metadata"]["namespace"]}
        assert nightly["spec"] == SPEC | {"template": TEMPLATE | {"arguments": [lane, "--json"]}}


def test_kubectl_reads_of_the_manifests_what_is_tested_here() -> None:
    """The lanes share lines by YAML's anchors and merge keys."""
    if shutil.which("kubectl") is None:
        pytest.skip("this machine has no kubectl")
    command = ["kubectl", "annotate", "--local", "-f", str(MANIFESTS), "a=b", "-o", "yaml"]
    read = yaml.safe_load_all(subprocess.run(command, text=True, capture_output=True, check=True).stdout)
    expected = [CONFIG, *NIGHTLY.values()]
    assert [*read] == [each | {"metadata": each["metadata"] | {"annotations": {"a": "b"}}} for each in expected]


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
