"""The tests that share a machine of Ray's run one after the other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.groups import GROUPS

TESTS = "import pytest\n@pytest.mark.parametrize('k', range(4))\ndef test(k): pass\n"


def test_the_files_of_the_groups_exist():
    assert all((Path(__file__).parent / name).is_file() for name in GROUPS)


@pytest.mark.cluster
def test_one_process_runs_all_tests_of_a_group(tmp_path):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    files = [tmp_path / name for name in ("test_many_fits.py", "test_ray_train.py", "test_more.py")]
    for path in files:
        path.write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup"]
        + ["-p", "tests.cluster.groups", "-c", "/dev/null", "--rootdir", str(tmp_path)]
        + list(map(str, files)),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    ran = re.findall(r"\[(gw\d)\].*PASSED (\S+)\.py::", done.stdout)
    assert len(ran) == 12, done.stdout + done.stderr
    assert len({process for process, name in ran if "test_more" not in name}) == 1
    assert {process for process, _ in ran} == {"gw0", "gw1"}
