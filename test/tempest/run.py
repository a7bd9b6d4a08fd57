"""OpenStack's Tempest against a cloud of our own: what `make tempest` does.

    all-in-one with every service ──▶ tempest run, service by service ──▶ one table

    run.py [SERVICE|REGEX …]: of these services only, or tests whose names match

Tempest is the unmodified package. Exit code 0 where nothing failed but what known.toml names with its reason;
those tests run as well, and are printed. The logs' folder is printed too; the cloud is gone afterwards.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from clusters import ROOT, free_port_block
from tempest_cloud import standing
from tempest_conf import tempest_conf
from tempest_outcome import Outcome, chosen_in, is_clean, known_in, outcome_of, report

VENV = ROOT / ".venv-tempest"
KNOWN = Path(__file__).parent / "known.toml"
WORKERS = os.environ.get("TEMPEST_WORKERS", "2")
SERVICES = {
    "identity": r"^tempest\.api\.identity\.",
    "image": r"^tempest\.api\.image\.",
    "volume": r"^tempest\.api\.volume\.",
    "compute": r"^tempest\.api\.compute\.",
    "network": r"^tempest\.api\.network\.",
    "object_storage": r"^tempest\.(api\.object_storage\.|scenario\.test_object_storage_)",
}
"""What the tests of each are called."""
PORTS = 100
DISCOVERY = """
[DEFAULT]
test_path={tempest}/test_discover
top_dir={tempest}
group_regex=([^\\.]*\\.)*
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder in which Tempest can be run."""

    folder: Path

    def prepare(self, conf: str) -> None:
        """Write what Tempest reads."""
        (self.folder / "tempest.conf").write_text(conf)
        find = "import os, tempest; print(os.path.dirname(tempest.__file__))"
        tempest = self._printed(str(VENV / "bin" / "python"), "-c", find).strip()
        (self.folder / ".stestr.conf").write_text(DISCOVERY.format(tempest=tempest))
        self._printed("stestr", "init")

    def outcome(self, name: str, pattern: str) -> Outcome:
        """Run the tests that match; the log is called by the name."""
        log = self.folder / f"{name}.log"
        words = ["tempest", "run", "--config-file", str(self.folder / "tempest.conf"), "--regex", pattern]
        chosen = chosen_in(self._printed(*words, "--list-tests"))
        with log.open("w") as output:
            command = [*words, "--concurrency", WORKERS]
            subprocess.run(
                command, cwd=self.folder, env=self._environment, stdout=output, stderr=output, check=False
            )
        return outcome_of(chosen, log.read_text(errors="replace"))

    def _printed(self, *words: str) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self._environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}"}


def main(arguments: list[str]) -> int:
    """Run it all; return the exit code."""
    suites = {name: SERVICES.get(name, name) for name in arguments} or SERVICES
    known = known_in(KNOWN.read_text())
    workspace = Workspace(Path(tempfile.mkdtemp(prefix="apus-tempest-")))
    print(f"logs: {workspace.folder}", flush=True)
    outcomes = {}
    with (
        tempfile.TemporaryDirectory(prefix="apus-tempest-cloud-") as home,
        standing(Path(home), free_port_block(PORTS)) as grounds,
    ):
        workspace.prepare(tempest_conf(grounds, workspace.folder))
        for number, (name, pattern) in enumerate(suites.items(), 1):
            outcome = workspace.outcome(name if name in SERVICES else f"chosen-{number}", pattern)
            outcomes[name] = outcome
            print(f"{name}: {len(outcome.passed)} passed, {len(outcome.failed)} failed", flush=True)
    print(report(outcomes, known))
    return 0 if is_clean(outcomes, known) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
