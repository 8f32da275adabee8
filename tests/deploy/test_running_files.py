"""What stands in deploy/ names metrics, settings and files that are there, and gives away no more than it must."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from palate.serve import measures
from palate.serve.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# what others count, and labels that Prometheus adds
OTHERS = {"up": set(), "node_filesystem_avail_bytes": {"mountpoint"}}
OF_PROMETHEUS = {"job", "instance", "le"}
NAME = re.compile(r"\b(palate_\w+|node_\w+|up)\b(?:\{([^}]*)\})?")
SUFFIXES = {"counter": ("_total", "_created"), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count", "_created")}


def known() -> dict[str, set[str]]:
    """Return each name that `/metrics` has, with its labels."""
    found = {}
    for metric in vars(measures).values():
        if hasattr(metric, "_labelnames"):
            (family,) = metric.describe()
            for suffix in SUFFIXES[family.type]:
                found[family.name + suffix] = set(metric._labelnames)
    return found | OTHERS


def panel_queries() -> Iterator[str]:
    board = json.loads((DEPLOY / "grafana.json").read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]
    yield from (one["expr"] for one in board["annotations"]["list"])


def alerts() -> list[dict[str, Any]]:
    return [rule for group in loaded("alerts.yaml")["groups"] for rule in group["rules"]]


def loaded(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def faults(query: str) -> list[str]:
    """Return what a query asks for that nobody counts."""
    named = NAME.findall(query)
    assert named, query
    wrong = [name for name, _ in named if name not in known()]
    for name, labels in named:
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))
        wrong += [f"{name}: {label}" for label in asked - known().get(name, asked) - OF_PROMETHEUS]
    grouped = re.findall(r"by \(([\w, ]+)\)", query)
    of_all = set().union(*(known().get(name, set()) for name, _ in named)) | OF_PROMETHEUS
    return wrong + [word for group in grouped for word in re.split(r", ?", group) if word not in of_all]


@pytest.mark.parametrize(
    "query",
    ["rate(palate_requests[5m])", 'palate_lists_total{route="x"}', "sum by (kind) (palate_lists_total)"],
)
def test_a_query_that_asks_for_nothing_is_seen(query: str) -> None:
    assert faults(query)


def test_every_query_of_the_dashboard_and_the_alerts_names_what_is_counted() -> None:
    queries = [*panel_queries(), *(rule["expr"] for rule in alerts())]
    assert len(queries) > 25
    assert [fault for query in queries for fault in faults(query)] == []


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(panel_queries())
    assert [name for name in known() if name.endswith("_total") and name not in shown] == []


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads((DEPLOY / "grafana.json").read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_alert_stands_in_the_documents() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    assert [rule["alert"] for rule in alerts() if f"`{rule['alert']}`" not in text] == []


def told_settings(text: str) -> set[str]:
    return {name.lower() for name in re.findall(r"\bPALATE_([A-Z_]+)", text)}


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", "palate.service", "start"])
def test_only_settings_that_exist_are_told(name: str) -> None:
    told = told_settings((DEPLOY / name).read_text()) - {"name"}
    assert told
    assert told <= set(Settings.model_fields)


def test_no_container_has_more_than_it_needs() -> None:
    services = loaded("compose.yaml")["services"]
    palate = services["palate"]
    assert palate["read_only"] is True
    assert palate["cap_drop"] == ["ALL"]
    assert palate["user"] == "10001:10001"
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert "privileged" not in service, name
    assert "ports" not in services["postgres"]


def test_passwords_are_asked_for_and_stand_in_no_file() -> None:
    for service, names in {"palate": ["PGPASSWORD"], "postgres": ["POSTGRES_PASSWORD"]}.items():
        environment = loaded("compose.yaml")["services"][service]["environment"]
        assert all(environment[name].startswith("${POSTGRES_PASSWORD:?") for name in names)


def test_what_containers_mount_is_there() -> None:
    compose = loaded("compose.yaml")
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in compose["volumes"]
    for text in compose["configs"].values():
        assert yaml.safe_load(text["content"])["apiVersion"] == 1
    assert loaded("prometheus.yaml")["rule_files"] == ["alerts.yaml"]


def test_the_image_is_not_root_and_says_how_it_is() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert lines.index("USER 10001:10001") > max(n for n, line in enumerate(lines) if line.startswith("RUN"))
    assert any(line.startswith("HEALTHCHECK") for line in lines)
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for line in lines:
        if line.startswith("COPY") and "--from" not in line:
            sources = [word for word in line.split()[1:-1] if not word.startswith("--")]
            assert all(f"!{source}" in sent for source in sources), line


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    unit = tmp_path / "palate.service"
    unit.write_text((DEPLOY / "palate.service").read_text().replace("/opt/palate/bin/palate", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=25", unit]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
