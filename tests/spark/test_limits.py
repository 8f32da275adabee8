"""A full disk, no right to write, a file in the way, too little memory: each ends in one sentence of ours."""

from __future__ import annotations

import os
import subprocess

import limit_jobs
import pytest
from engines import once
from limit_jobs import told

import palate
from palate.spark.preparing import prepare
from palate.spark.recommend import recommend_all
from palate.spark.splits import split
from palate.spark.training import train

MODEL = palate.ALS(4, n_epochs=1, random_state=0, reg=1.0, reg_biases=1.0)


@pytest.fixture(scope="module")
def trained(prepared_ratings, tmp_path_factory):
    return train(prepared_ratings, MODEL, str(tmp_path_factory.mktemp("limits") / "trained"))


@pytest.fixture
def full_disk(tmp_path):
    """A disk of its own of which one page is free."""
    place = tmp_path / "full"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small disk can only be mounted by root")
    (place / "filler").write_bytes(b"0" * (15 << 12))
    yield place
    subprocess.run(["umount", "-l", place], check=True)  # Java may still hold a file open


@pytest.fixture
def work(spark, ratings_table, prepared_ratings, trained):
    """Return what writes to a folder, by name."""
    rows = spark.createDataFrame(ratings_table.to_arrow())
    return {
        "prepare": lambda out: prepare(spark, rows, out, n_blocks=1),
        "train": lambda out: train(prepared_ratings, MODEL, out),
        "recommend_all": lambda out: recommend_all(trained, out, 3),
        "split": lambda out: split(spark, rows, "random:0.2:42", out),
        "save": lambda out: trained.save(out),
    }


JOBS = ("prepare", "train", "recommend_all", "split", "save")


@pytest.mark.long
@pytest.mark.parametrize("name", JOBS)
def test_a_full_disk(name, work, full_disk):
    code, words = told(lambda: work[name](str(full_disk / "out")))
    assert (code, words.startswith(f"{full_disk}/out")) == ("disk", True), words
    assert words.endswith("the disk is full; free some space, or choose another path")
    assert "\n" not in words


@pytest.mark.long
@pytest.mark.parametrize("name", JOBS)
def test_no_right_to_write(name, work, tmp_path):
    if os.geteuid():
        tmp_path.chmod(0o500)
    place = str(tmp_path / "out") if os.geteuid() else "/sys/out"  # root has all rights but there
    code, words = told(lambda: work[name](place))
    assert (code, words.startswith(place)) == ("disk", True), words
    assert words.endswith("Spark may not read or write there; give its user the right, or choose another path")


@pytest.mark.long
@pytest.mark.parametrize("name", JOBS)
def test_a_file_in_the_way(name, work, tmp_path):
    (tmp_path / "file").write_text("here")
    code, words = told(lambda: work[name](str(tmp_path / "file" / "out")))
    assert (code, words.startswith(str(tmp_path))) == ("disk", True), words
    assert words.endswith("a part of the path is a file; choose another path")


@pytest.mark.long
def test_too_little_memory():
    conf = {"spark.driver.memory": "512m", "spark.driver.maxResultSize": "1m", "spark.executor.pyspark.memory": "16g"}
    found = once("local[2]", limit_jobs.without_memory, conf=conf)
    expected = {
        "worker": "lists (writing): a Python worker ran out of memory; take more blocks (n_blocks=), or give",
        "results": "model (collecting): more would come to the driver than spark.driver.maxResultSize allows; give it",
        "heap": "lists (writing): Java's memory ran out; take more blocks (n_blocks=), or give executors more",
    }
    for name, words in expected.items():
        assert found[name][0] == "failed", found[name]
        assert found[name][1].startswith(words), found[name]
