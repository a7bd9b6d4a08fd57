"""What all processes of one cluster must agree on: swift.conf, read once at start.

    swift.conf (or apus.conf) ──▶ ClusterConf: hash salt, storage policies, limits, cluster secret

A stock swift.conf is read unchanged; `[apus] cluster_secret` is ours and optional.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .config import parse, read_ini
from .constraints import Constraints
from .errors import Refused
from .hashing import HashSalt
from .policies import Policies

DEFAULT_DIRECTORY = "/etc/swift"
_FILE_NAMES = ("apus.conf", "swift.conf")


@dataclass(frozen=True, slots=True)
class ClusterConf:
    """The cluster-wide facts; `secret` is empty where storage servers trust their network."""

    salt: HashSalt
    policies: Policies
    constraints: Constraints
    secret: str
    path: Path

    @classmethod
    def load(cls, directory: str | Path = DEFAULT_DIRECTORY) -> ClusterConf:
        """Read the cluster's file in `directory`; raise Refused naming file and remedy."""
        folder = Path(directory)
        path = next((folder / name for name in _FILE_NAMES if (folder / name).exists()), None)
        if path is None:
            raise Refused(
                f"neither {' nor '.join(_FILE_NAMES)} in {folder}: set swift_dir to the right folder"
            )
        return cls.from_sections(read_ini(path), path)

    @classmethod
    def from_sections(cls, sections: Mapping[str, Mapping[str, str]], path: Path) -> ClusterConf:
        """Judge the sections of the file at `path`."""
        hashing = sections.get("swift-hash", {})
        try:
            salt = HashSalt(
                hashing.get("swift_hash_path_prefix", "").encode(),
                hashing.get("swift_hash_path_suffix", "").encode(),
            )
        except ValueError as problem:
            raise Refused(f"{path} [swift-hash]: {problem}") from problem
        return cls(
            salt=salt,
            policies=Policies.from_sections(sections),
            constraints=parse(Constraints, sections.get("swift-constraints", {})),
            secret=sections.get("apus", {}).get("cluster_secret", ""),
            path=path,
        )
