"""Which tests of `make cluster` take turns in one process: a scheduler of pytest-xdist.

Its own groups, by the mark ``xdist_group``, have no effect with pytest 9.2: they are a part of the
name of a test, which can no longer be changed.
"""

import pytest

GROUPS = {
    "test_many_fits.py": "ray",  # one machine of Ray's at a time
    "test_ray_train.py": "ray",
    "test_schedulers.py": "ports",  # they are given by the number of the test's process
}


def group_of(nodeid):
    """The group of the file of a test, or the test alone."""
    return GROUPS.get(nodeid.partition("::")[0].rpartition("/")[2], nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Send the tests of a group to one process, where ``--dist loadgroup`` was given."""
    if config.getoption("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    return Groups(config, log)
