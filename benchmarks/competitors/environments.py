"""Make the virtual environment of a compared tool, once, under `.benchmarks/` in the repository.

The folder ignores itself (it holds a `.gitignore` of `*`). Prowler is large: about 2.3 GB installed.
"""

import subprocess
import sys
import venv
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".benchmarks"
PINS = {"c7n": "0.9.53", "prowler": "5.46.0"}


def cache() -> Path:
    """Return the cache folder, made if missing, invisible to git."""
    CACHE.mkdir(exist_ok=True)
    (CACHE / ".gitignore").write_text("*\n", encoding="utf-8")
    return CACHE


def python_of(tool: str) -> Path:
    """Return the Python that has `tool` in its pinned version, installing it first if it is not there yet."""
    folder = cache() / f"{tool}-{PINS[tool]}-py{sys.version_info[0]}.{sys.version_info[1]}"
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        sys.stderr.write(f"installing {tool} {PINS[tool]} into {folder} (minutes)\n")
        venv.create(folder, with_pip=True, clear=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, f"{tool}=={PINS[tool]}"], check=True)
        done.touch()
    return python
