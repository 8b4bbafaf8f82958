"""What README prints works as printed."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from pathlib import Path

from testing.fixtures.services import SeaweedFS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return str(code)


def test_ten_lines_of_python_run_as_printed(tmp_path: Path) -> None:
    code = block("python")
    assert "/tmp/floe" in code
    absent = str(tmp_path / "absent")
    done = subprocess.run(
        [sys.executable, "-c", code.replace("/tmp/floe", absent)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "{'carrier': 'AA', 'dep_delay': 61}" in done.stdout
    assert "{'carrier': 'DL', 'dep_delay': 75}" in done.stdout
    assert "3 rows at first" in done.stdout


def test_ten_lines_of_cpp_are_those_that_the_consumer_test_builds() -> None:
    assert block("cpp") == (ROOT / "engine/tests/consumer/quickstart.cc").read_text()


def test_ten_lines_on_a_rest_catalog_run_as_printed(rest_server: str) -> None:
    page = (ROOT / "docs/rest-catalogs.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    here = re.sub(r"polaris = .*", f'polaris = {{"uri": "{rest_server}"}}', code)
    here = here.replace("flights", f"f{uuid.uuid4().hex}")
    assert rest_server in here
    done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "{'carrier': 'AA', 'dep_delay': 61}" in done.stdout
    assert "{'carrier': 'DL', 'dep_delay': 75}" in done.stdout


def test_the_storage_plugin_does_as_printed(tmp_path: Path) -> None:
    page = (ROOT / "docs/storage-plugin.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    here = code.replace("/tmp/floe", str(tmp_path / "absent"))
    (tmp_path / "absent").mkdir()
    done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[{'carrier': 'DL'}, {'carrier': 'B6'}]\n3 rows in the release\n3 rows, healthy\n"


def test_ten_lines_on_an_object_store_run_as_printed(seaweedfs: SeaweedFS, tmp_path: Path) -> None:
    page = (ROOT / "docs/object-stores.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    here = re.sub(r"s3 = .*", f"s3 = {seaweedfs.access}", code)
    here = here.replace("/tmp/lake.db", f"{tmp_path}/lake.db").replace("s3://lake/", f"s3://lake/{uuid.uuid4().hex}/")
    done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "{'carrier': 'AA', 'dep_delay': 61}" in done.stdout


def test_every_command_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE)) <= targets
