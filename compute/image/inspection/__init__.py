"""What a file really is, whatever its owner says: pure, bounded looks into image files.

    Probe(size, read) ──▶ judge(declared, probe) ──▶ Finding(format, virtual size), or Unsafe / Mismatch

An image is data from strangers that hypervisors will interpret. So the format that was declared must be
found, and a file that refers to anything outside of itself is refused (CVE-2024-32498 and its like).
"""

from .judging import FORMATS, Mismatch, Unsafe, judge
from .probe import Finding, Probe, TooFar

__all__ = ["FORMATS", "Finding", "Mismatch", "Probe", "TooFar", "Unsafe", "judge"]
