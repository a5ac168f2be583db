"""Every test that asks for `target` runs against a worker, a gateway, and a gateway in the midst of a split."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from servers import Servers, Target  # noqa: E402

TARGETS = {
    "worker": lambda servers: servers.worker(),
    "gateway": lambda servers: servers.gateway("gateway", canary_percent=0),
    "canary": lambda servers: servers.gateway("canary", canary_percent=50),
}


@pytest.fixture(scope="session")
def targets(tmp_path_factory):
    """Target by name, each started when first asked for."""
    servers = Servers(tmp_path_factory.mktemp("servers"))
    started: dict[str, Target] = {}

    def target(name: str) -> Target:
        if name not in started:
            started[name] = TARGETS[name](servers)
        return started[name]

    yield target
    servers.stop()


@pytest.fixture(scope="session", params=TARGETS)
def target(request, targets) -> Target:
    return targets(request.param)


@pytest.fixture(scope="session")
def canary(targets) -> Target:
    return targets("canary")


def pytest_unconfigure(config) -> None:
    """The last line of the run."""
    stats = config.pluginmanager.get_plugin("terminalreporter").stats
    passed, failed, broken = (len(stats.get(name, [])) for name in ("passed", "failed", "error"))
    print(f"\n{passed} passed, {failed + broken} failed")
