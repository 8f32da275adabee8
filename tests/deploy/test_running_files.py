"""What stands in deploy/ names metrics, settings and files that are there, and gives away no more than it must."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from palate.cli import app
from palate.errors import ParameterError
from palate.serve import measures
from palate.serve.running import GRACE_SECONDS
from palate.serve.settings import Settings, told

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
# what others count, and labels that Prometheus adds
OTHERS = {"up": set(), "node_filesystem_avail_bytes": {"mountpoint"}}
OF_PROMETHEUS = {"job", "instance", "le"}
NAME = re.compile(r"\b(palate_\w+|node_\w+|up)\b(?:\{([^}]*)\})?")
SUFFIXES = {"counter": ("_total", "_created"), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count", "_created")}


COMPOSE = ["docker", "compose", "version"]
NO_COMPOSE = shutil.which("docker") is None or subprocess.run(COMPOSE, capture_output=True).returncode != 0


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
    named = told_settings((DEPLOY / name).read_text()) - {"name"}
    assert named
    assert named <= set(Settings.model_fields)


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


def dockerfile() -> list[list[str]]:
    """Return the words of each instruction of the Dockerfile."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def of_image(instruction: str) -> list[str]:
    """Return what the last such instruction of the Dockerfile says."""
    return [words[1:] for words in dockerfile() if words[0] == instruction][-1]


def test_stages_are_copied_from_after_they_were_built() -> None:
    built: list[str] = []
    for word, *rest in dockerfile():
        if word == "FROM":
            assert rest[1:2] in ([], ["AS"])
            built.append(rest[2] if rest[1:] else "the last")
        stages = [one.partition("=")[2] for one in rest if one.startswith("--from")]
        assert word == "COPY" or not stages
        assert all(stage in built[:-1] for stage in stages)
    assert built == ["build", "the last"]


def test_the_image_starts_what_it_was_given() -> None:
    copied = {words[-1].rpartition("/")[2] for words in dockerfile() if words[0] == "COPY"}
    for instruction in ("ENTRYPOINT", "HEALTHCHECK"):
        command = json.loads("[" + " ".join(of_image(instruction)).partition("[")[2])
        assert command[0] in copied
    assert json.loads(" ".join(of_image("CMD"))) == ["serve"]
    assert " healthy " in (DEPLOY / "start").read_text()


def settings_of(environment: dict[str, str]) -> Settings:
    """Return the settings of a service with these variables; those of compose have what stands behind ``:-``."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            if name.startswith("PALATE_"):
                patch.setenv(name, re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value))
        return told()


def image_environment() -> dict[str, str]:
    return {name: value for name, _, value in (pair.partition("=") for pair in of_image("ENV"))}


def test_settings_of_image_compose_and_unit_are_taken() -> None:
    assert settings_of(image_environment()).store == "sqlite:////data/palate.db"
    environment = loaded("compose.yaml")["services"]["palate"]["environment"]
    composed = settings_of({**image_environment(), **environment})
    assert (composed.workers, composed.page, str(composed.folder)) == (2, "visitors", "/data")
    assert composed.store.startswith("postgresql+psycopg://palate@postgres/palate")
    lines = [value for name, value in unit() if name == "Environment"]
    assert settings_of(dict(one.split("=", 1) for line in lines for one in line.split())).store.endswith("/palate.db")


def test_a_setting_that_is_wrong_is_seen() -> None:
    with pytest.raises(ParameterError, match="PALATE_WORKERS"):
        settings_of({"PALATE_STORE": "sqlite:///a.db", "PALATE_WORKERS": "${PALATE_WORKERS:-none}"})


def test_compose_names_what_is_there() -> None:
    compose = loaded("compose.yaml")
    services, palate = compose["services"], compose["services"]["palate"]
    assert (DEPLOY / palate["build"]["context"] / palate["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    assert palate["user"] == " ".join(of_image("USER"))
    assert {port.rpartition(":")[2] for port in palate["ports"]} == set(of_image("EXPOSE"))
    assert image_environment()["PALATE_PORT"] in of_image("EXPOSE")
    assert {volume.rpartition(":")[2] for volume in palate["volumes"]} == set(of_image("VOLUME"))
    for service in services.values():
        assert ("image" in service) or ("build" in service)
        for name, how in service.get("depends_on", {}).items():
            assert how != {"condition": "service_healthy"} or "healthcheck" in services[name]
        assert all(one["source"] in compose["configs"] for one in service.get("configs", ()))
    (target,) = loaded("prometheus.yaml")["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target.partition(":")[0] in json.loads(palate["environment"]["PALATE_ALLOW_HOST"])


def seconds(text: str) -> int:
    return int(re.sub(r"s$", "", text))


def test_all_wait_for_requests_that_are_at_work() -> None:
    grace = loaded("compose.yaml")["services"]["palate"]["stop_grace_period"]
    assert seconds(grace) > GRACE_SECONDS
    assert seconds(dict(unit())["TimeoutStopSec"]) > GRACE_SECONDS


def unit() -> list[tuple[str, str]]:
    """Return the names and values of the systemd unit, in order."""
    lines = (DEPLOY / "palate.service").read_text().splitlines()
    return [(name, value) for name, sign, value in (line.partition("=") for line in lines if line[:1] != "#") if sign]


def test_the_unit_runs_commands_that_there_are() -> None:
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    known = {option for one in serve.params for option in one.opts}
    commands = [value.split() for name, value in unit() if name.startswith("Exec")]
    assert len(commands) == 2
    for program, name, *options in commands:
        assert (program, name) == ("/opt/palate/bin/palate", "serve")
        assert set(options) <= known
    assert dict(unit())["WorkingDirectory"] == "/var/lib/" + dict(unit())["StateDirectory"]


def test_no_line_of_the_unit_stands_twice_or_in_no_section() -> None:
    lines = [line for line in (DEPLOY / "palate.service").read_text().splitlines() if line and line[0] != "#"]
    assert [line for line in lines if line[0] == "["] == ["[Unit]", "[Service]", "[Install]"]
    assert lines[0][0] == "["
    names = [name for name, _ in unit() if name != "Environment"]
    assert len(names) == len(set(names))


@pytest.mark.skipif(NO_COMPOSE, reason="docker compose is not installed")
def test_compose_itself_takes_the_file() -> None:
    command = ["docker", "compose", "--file", DEPLOY / "compose.yaml", "--profile", "watch", "config", "--quiet"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "POSTGRES_PASSWORD": "x"}
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_and_finds_it_closed(tmp_path: Path) -> None:
    unit = tmp_path / "palate.service"
    unit.write_text((DEPLOY / "palate.service").read_text().replace("/opt/palate/bin/palate", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=25", unit]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
