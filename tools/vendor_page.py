"""Fetch the page's library from npm into src/palate/serve/web/static/vendor; run by whoever upgrades it.

Bare imports become relative ones: an import map would be an inline script, which the page's policy refuses.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sys
import tarfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parents[1] / "src/palate/serve/web/static/vendor"
REGISTRY = "https://registry.npmjs.org"
PACKAGES = {  # version, licence, the SHA-512 of the package, and which file becomes which
    "preact": (
        *("11.2.0", "MIT"),
        "/HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg==",
        {"dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "hooks.js"},
    ),
    "htm": (
        *("3.1.1", "Apache-2.0"),
        "983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ==",
        {"dist/htm.mjs": "htm.js"},
    ),
    "@preact/signals-core": (
        *("1.14.5", "MIT"),
        "vcRv7Ityz5JVmeiVqIluLFzT/PDS/AlhHUpw3/aUWqcVUs6bDGIPXE/6RSC4evBNWYvnniozg5Syfj33al3gkg==",
        {"dist/signals-core.mjs": "signals-core.js"},
    ),
    "@preact/signals": (
        *("2.11.4", "MIT"),
        "Rb+5RPo9gWSaHtzJeauhHxiC8KP/IF2DEPkHPEOGOnuy2wnJzRqyeLRankUCYd6ADqtxS6GnWGv6Ie343d8aYw==",
        {"dist/signals.mjs": "signals.js"},
    ),
}
IMPORTS = {
    "preact": "./preact.js",
    "preact/hooks": "./hooks.js",
    "@preact/signals-core": "./signals-core.js",
}


def fetched(name: str, version: str, digest: str) -> tarfile.TarFile:
    """Return a package of npm, checked against its digest."""
    file = f"{name.rpartition('/')[2]}-{version}.tgz"
    with urllib.request.urlopen(f"{REGISTRY}/{name}/-/{file}") as answer:
        data = answer.read()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != digest:
        sys.exit(f"{file} is not the package that was looked at: its SHA-512 is another one")
    return tarfile.open(fileobj=io.BytesIO(data))


def relative(source: str) -> str:
    """Return a module with relative imports, and without the address of its map."""
    named = re.sub(r'(from|import) ?"([^".][^"]*)"', lambda m: f'{m[1]}"{IMPORTS[m[2]]}"', source)
    return re.sub(r"\n?//# sourceMappingURL=.*", "", named).rstrip() + "\n"


def main() -> None:
    """Write the files, and the licences of all of them."""
    HERE.mkdir(parents=True, exist_ok=True)
    licences = []
    for name, (version, licence, digest, wanted) in PACKAGES.items():
        with fetched(name, version, digest) as package:
            for source, target in wanted.items():
                text = package.extractfile(f"package/{source}").read().decode()
                (HERE / target).write_text(relative(text), "utf-8")
            text = package.extractfile("package/LICENSE").read().decode().strip()
        licences.append(f"{name} {version} ({licence}): {', '.join(wanted.values())}\n\n{text}\n")
    (HERE / "LICENSES.txt").write_text(("\n" + "-" * 80 + "\n\n").join(licences), "utf-8")


if __name__ == "__main__":
    main()
