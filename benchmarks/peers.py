"""The environments that systems run in: ours, and one virtual environment per peer whose pyarrow may differ."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: What `pip install` gets for each peer. Peers that live with our own pyarrow run in our environment.
REQUIREMENTS: dict[str, list[str]] = {
    "pyiceberg": [],
    "polars": [],
    "duckdb": [],
    "daft": ["daft==0.7.26", "pyiceberg==0.12.0", "numpy", "pyarrow", "sqlalchemy>=2,<3", "orjson"],
}


def python_for(system: str, root: Path) -> Path:
    """The interpreter that runs a system; its environment is made on first use.

    Raises:
        KeyError: if there is no such peer.
        subprocess.CalledProcessError: if the environment cannot be installed.
    """
    if system in ("limit", "floe") or not REQUIREMENTS[system]:
        return Path(sys.executable)
    venv = root / "build" / "peers" / system
    python = venv / "bin" / "python"
    if not (venv / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[system]], check=True)
        (venv / ".installed").touch()
    return python
