"""The pages' scripts are all under the type check and the linter, whose versions are exact."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((ROOT / "src").rglob("*.js"))
# What switches a check off for a line or a file; the rules that are off stand in biome.jsonc.
SWITCHED_OFF = re.compile(r"@ts-(?:nocheck|ignore|expect-error)|biome-ignore")


def test_there_are_scripts():
    assert len(SCRIPTS) > 30


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_type_checked_as_a_whole(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("// @ts-check\n")
    assert not SWITCHED_OFF.search(text)


def settings(name):
    """A JSON file whose comments stand on lines of their own."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))


def test_the_checks_see_every_script_and_are_strict():
    assert "src/**/*.js" in settings("tsconfig.json")["include"]
    options = settings("tsconfig.json")["compilerOptions"]
    assert options["checkJs"]
    assert options["strict"]
    assert "exclude" not in settings("tsconfig.json")
    assert "src/**/*.js" in settings("biome.jsonc")["files"]["includes"]


def test_every_script_of_a_page_has_its_place_among_the_types():
    """What a script adds to DR is declared, so that the others see its type."""
    types = [ROOT / "types" / name for name in ("page.d.ts", "static.d.ts")]
    # "own?" is in one of the pages only.
    declared = "".join(path.read_text(encoding="utf-8") for path in types).replace("?:", ":")
    added = {
        name for path in SCRIPTS for name in re.findall(r"^DR\.(\w+) =", path.read_text(), re.M)
    }
    assert len(added) > 30
    assert {name for name in added if f"\n  {name}: typeof " not in declared} == set()


def test_the_packages_of_npm_are_pinned_and_not_published():
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    assert package["private"] is True
    assert set(package) == {"private", "description", "license", "devDependencies"}
    versions = package["devDependencies"].values()
    assert [v for v in versions if not re.fullmatch(r"\d+\.\d+\.\d+", v)] == []


def test_no_lock_file_and_no_installed_package_is_kept():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/node_modules/" in ignored
    if (ROOT / ".git").exists():
        listed = ["git", "ls-files", "node_modules", "package-lock.json"]
        done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout == ""
