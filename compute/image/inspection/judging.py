"""Whether a file may be taken as what its owner says it is.

    declared format, Probe ──▶ judge() ──▶ Finding
                                  ├─▶ Mismatch   it is something else
                                  └─▶ Unsafe     it is that, and refers to other files, or is a bomb

Raw says nothing of itself, so a raw disk must look like none of the formats that programs interpret. A
partition table is what raw disks have, and a hybrid ISO has one too: it is an iso where it's declared one and
a disk where it's declared raw (Launchpad 2127789).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ....common.errors import Refused
from . import plain, qcow2, vhd, vhdx, vmdk
from .probe import Finding, Probe, TooFar

Inspector = Callable[[Probe], Finding | None]

INTERPRETED: tuple[Inspector, ...] = (
    qcow2.find,
    vhd.find,
    vhdx.find,
    vmdk.find,
    plain.find_vdi,
    plain.find_qed,
)
_OWN: Mapping[str, tuple[Inspector, ...]] = {
    "qcow2": (qcow2.find,),
    "vhd": (vhd.find, vhd.find_fixed),
    "vhdx": (vhdx.find,),
    "vmdk": (vmdk.find,),
    "vdi": (plain.find_vdi,),
    "iso": (plain.find_iso,),
    "gpt": (plain.find_gpt,),
}
RAW_LIKE = frozenset(("raw", "ami", "ari", "aki", "ploop"))
FORMATS = frozenset(_OWN) | RAW_LIKE


class Mismatch(Refused):
    """The file is not of the format that was declared."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, 415)


class Unsafe(Refused):
    """The file is of the declared format, and must not be used."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence, 415)


def judge(declared: str, probe: Probe, *, virtual_size_max: int = 0) -> Finding:
    """Return what the file is; its virtual size may not be larger than the limit (0: any).

    Raises:
        Mismatch: it is not of the declared format.
        Unsafe: it refers to other files, or claims to be larger than allowed.
    """
    assert declared in FORMATS
    try:
        finding = _raw(declared, probe) if declared in RAW_LIKE else _of_own(declared, probe)
    except TooFar as problem:
        raise Unsafe(f"The image is refused: {problem}.") from problem
    if finding.dangers:
        raise Unsafe(f"The image is refused: it {', and it '.join(finding.dangers)}.")
    if virtual_size_max and finding.virtual_size > virtual_size_max:
        raise Unsafe(
            f"The image is refused: a disk of {finding.virtual_size} bytes would come of it, "
            f"and {virtual_size_max} are allowed."
        )
    return finding


def _of_own(declared: str, probe: Probe) -> Finding:
    for inspector in INTERPRETED:
        other = inspector(probe)
        if other is not None and other.format != declared:
            raise Mismatch(f"Image content does not match disk_format: it is {other.format}, not {declared}.")
    for inspector in _OWN[declared]:
        finding = inspector(probe)
        if finding is not None and finding.format == declared:
            return finding
    raise Mismatch(f"Image content does not match disk_format: it is no {declared}.")


def _raw(declared: str, probe: Probe) -> Finding:
    for inspector in INTERPRETED:
        other = inspector(probe)
        if other is not None:
            raise Mismatch(f"Image content does not match disk_format: it is {other.format}, not {declared}.")
    if plain.find_iso(probe) and not plain.find_gpt(probe):
        raise Mismatch(f"Image content does not match disk_format: it is iso, not {declared}.")
    return Finding(declared, probe.size)
