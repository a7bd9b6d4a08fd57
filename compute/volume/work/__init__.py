"""What jobs consist of: steps that may each be done twice, and what a failure leaves behind.

WORK["create volume"] = Work(steps=(…), failed=…)      run by jobs.Jobs, asked for by the controllers
"""

from __future__ import annotations

from collections.abc import Mapping

from ..jobs import Work
from ..office import Office
from .copies import COPY_WORK
from .dropping import DROPPING_WORK
from .foreign import FOREIGN_WORK
from .volumes import VOLUME_WORK

WORK: Mapping[str, Work[Office]] = {**VOLUME_WORK, **COPY_WORK, **FOREIGN_WORK, **DROPPING_WORK}
