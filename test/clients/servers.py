"""Real servers for the clients: workers and gateways in processes of their own, ended with the run."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READY_S = 30
STOP_S = 30


@dataclass(frozen=True)
class Target:
    """What a client is pointed at. A worker serves one model, so the models may have addresses of their own."""

    name: str
    #: host:port by model
    addresses: dict[str, str]
    #: The versions of churn that may answer a request without a version.
    versions: tuple[str, ...]


class Servers:
    """Starts servers and remembers them. Nothing but these is ever ended."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.running: list[subprocess.Popen] = []

    def worker(self) -> Target:
        addresses = {}
        for model in ("churn", "digits"):
            port = free_port()
            flags = ["--models", "models", "--model", model, "--version", "1.0.0", "--port", str(port)]
            self._start(f"worker-{model}", ["worker/main.ts", *flags], port)
            addresses[model] = f"127.0.0.1:{port}"
        return Target("worker", addresses, ("1.0.0",))

    def gateway(self, name: str, canary_percent: int) -> Target:
        """A gateway with its own workers; with a percentage, churn 1.1.0 is a canary beside 1.0.0."""
        data, admin, metrics = free_port(), free_port(), free_port()
        churn = {"initial": "1.0.0", "policy": "none", "runtime": "process"}
        if canary_percent > 0:
            churn |= {"version": "1.1.0", "weight": canary_percent}
        state = self.folder / name
        config = {
            "listen": {"data": f"127.0.0.1:{data}", "admin": f"127.0.0.1:{admin}", "metrics": f"127.0.0.1:{metrics}"},
            "store": f"sqlite:{state / 'coalmine.db'}",
            "modelsFolder": str(ROOT / "models"),
            "models": {"churn": churn, "digits": {"initial": "1.0.0", "runtime": "process"}},
        }
        file = state / "config" / "gateway.yaml"
        file.parent.mkdir(parents=True)
        # JSON is YAML.
        file.write_text(json.dumps(config))
        self._start(name, ["gateway/main.ts", "--config", str(file)], data)
        versions = ("1.0.0", "1.1.0") if canary_percent > 0 else ("1.0.0",)
        for model, version in [*(("churn", version) for version in versions), ("digits", "1.0.0")]:
            self._wait(f"http://127.0.0.1:{data}/v2/models/{model}/versions/{version}/ready", name)
        address = f"127.0.0.1:{data}"
        return Target(name, {"churn": address, "digits": address}, versions)

    def stop(self) -> None:
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in reversed(self.running):
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, name: str, arguments: list[str], port: int) -> None:
        log = open(self.folder / f"{name}.log", "wb")
        # Not the terminal's group: Ctrl-C ends the tests, and they end the servers.
        process = subprocess.Popen(
            ["node", *arguments], cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
        )
        log.close()
        self.running.append(process)
        self._wait(f"http://127.0.0.1:{port}/v2/health/ready", name)

    def _wait(self, url: str, name: str) -> None:
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            if self.running[-1].poll() is not None:
                break
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        log = (self.folder / f"{name}.log").read_text(errors="replace")
        raise RuntimeError(f"{name} is not ready at {url}:\n{log[-4000:]}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
