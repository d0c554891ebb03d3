"""The system libraries of the PDF renderer: are they there, and, without root, can they be unpacked privately?

system_libraries.py check                → exit 0 if Pango, HarfBuzz's subsetter, fontconfig and a font are found
system_libraries.py unpack PACKAGE…      → the Debian packages, with what they need, below var/lib/debian
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

LIBRARIES = (
    "libgobject-2.0.so.0",
    "libpango-1.0.so.0",
    "libpangoft2-1.0.so.0",
    "libharfbuzz-subset.so.0",
    "libfontconfig.so.1",
)
FOLDER = Path(__file__).resolve().parent.parent / "var" / "lib" / "debian"
FONT_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".fonts",
    FOLDER / "usr/share/fonts",
)
FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig><dir>/usr/share/fonts</dir><dir>{folder}/usr/share/fonts</dir><cachedir>{folder}/cache</cachedir></fontconfig>
"""


def missing() -> list[str]:
    """Names of what is not there."""
    absent = []
    for name in LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            absent.append(name)
    fonts = (file for folder in FONT_FOLDERS if folder.is_dir() for file in folder.rglob("*.[ot]tf"))
    return absent if next(fonts, None) else [*absent, "any font"]


def needed_packages(wanted: list[str]) -> list[str]:
    """The wanted packages and those they need that are not installed, as apt would choose them."""
    answer = subprocess.run(
        ["apt-get", "--simulate", "install", "--no-install-recommends", "--reinstall", *wanted],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [line.split()[1] for line in answer.stdout.splitlines() if line.startswith("Inst ")]


def unpack(wanted: list[str]) -> None:
    """Download and unpack below FOLDER, complete or not at all. Raises CalledProcessError where apt cannot."""
    unfinished = FOLDER.with_name("debian.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    packages = unfinished / "packages"
    packages.mkdir(parents=True)
    subprocess.run(["apt-get", "download", "-qq", *needed_packages(wanted)], cwd=packages, check=True)
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(unfinished)], check=True)
    shutil.rmtree(packages)
    (unfinished / "fonts.conf").write_text(FONTS_CONF.format(folder=FOLDER))
    shutil.rmtree(FOLDER, ignore_errors=True)
    os.replace(unfinished, FOLDER)


def main(verb: str, names: list[str]) -> int:
    if verb == "check":
        absent = missing()
        print("all there" if not absent else f"missing: {', '.join(absent)}")
        return 1 if absent else 0
    try:
        unpack(names)
    except (subprocess.CalledProcessError, FileNotFoundError) as problem:
        print(f"setup: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
