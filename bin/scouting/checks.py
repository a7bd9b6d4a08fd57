"""What can be asked of storage servers, and how the answers of all of them are told.

    Check(title, path, tell) + {host: answer} ──▶ tell() ──▶ Findings(lines for people, data for programs)

Pure: who uses it has asked the hosts, and hands in what only this machine knows (its rings' checksums, its
time) as `Home`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .figures import NO_DATA, Summary, bytes_text, elapsed, histogram, summarise

Answers = Mapping[str, Any]
ALL = ("account", "container", "object")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """What the machine that asks knows, and what its operator wants."""

    kind: str
    now: float = 0.0
    rings: Mapping[str, str | None] = field(default_factory=dict)
    conf: str | None = None
    top: int = 0
    lowest: int = 0
    human_readable: bool = False
    jitter: float = 0.0


@dataclass(slots=True)
class Findings:
    """The outcome of one check."""

    lines: list[str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One question to every host of some kinds; `kinds` says who can answer it."""

    option: str
    title: str
    path: str
    tell: Callable[[Answers, Home], Findings]
    kinds: tuple[str, ...] = ALL


def _summaries(named: Iterable[tuple[str, Iterable[Any]]]) -> Findings:
    findings = Findings()
    for name, values in named:
        _add(findings, name, summarise(name, values))
    return findings


def _add(findings: Findings, name: str, summary: Summary | None) -> None:
    findings.lines.append(summary.line() if summary else f"[{name}] - {NO_DATA}")
    findings.data[name] = summary.as_json() if summary else None


def _field(answers: Answers, *names: str) -> list[Any]:
    """Return the first of these fields that each answer has."""
    return [
        next((answer[name] for name in names if answer.get(name) is not None), None)
        for answer in answers.values()
    ]


def pending(answers: Answers, home: Home) -> Findings:
    """Tell how many container updates wait."""
    del home
    return _summaries([("async_pending", _field(answers, "async_pending"))])


def replication(answers: Answers, home: Home) -> Findings:
    """Tell how long passes take, and who finished the longest ago."""
    stats = [answer.get("replication_stats") or {} for answer in answers.values()]
    findings = _summaries(
        [
            ("replication_failure", [each.get("failure") for each in stats]),
            ("replication_success", [each.get("success") for each in stats]),
            ("replication_time", _field(answers, "replication_time", "object_replication_time")),
            ("replication_attempted", [each.get("attempted") for each in stats]),
        ]
    )
    last = dict(zip(answers, _field(answers, "replication_last", "object_replication_last"), strict=True))
    findings.lines += _oldest_and_newest(last, home.now)
    findings.data["last"] = last
    return findings


def _oldest_and_newest(last: Mapping[str, float | None], now: float) -> Iterator[str]:
    known = {host: moment for host, moment in last.items() if moment is not None}
    if not known:
        return
    host, moment = min(known.items(), key=lambda each: each[1])
    if not moment:
        yield f"Oldest completion was NEVER by {host}."
    else:
        yield f"Oldest completion was {clock(moment)} ({elapsed(now - moment)} ago) by {host}."
    host, moment = max(known.items(), key=lambda each: each[1])
    yield f"Most recent completion was {clock(moment)} ({elapsed(now - moment)} ago) by {host}."


def reconstruction(answers: Answers, home: Home) -> Findings:
    """Tell how long reconstructors take, and who finished the longest ago."""
    findings = _summaries([("object_reconstruction_time", _field(answers, "object_reconstruction_time"))])
    _tell_last(findings, answers, "object_reconstruction_last", home)
    return findings


def sharding(answers: Answers, home: Home) -> Findings:
    """Tell what sharders did in their last pass."""
    stats = [answer.get("sharding_stats") or {} for answer in answers.values()]
    findings = _summaries(
        [
            ("sharding_time", _field(answers, "sharding_time")),
            *((name, [each.get(name) for each in stats]) for name in ("attempted", "failure", "success")),
        ]
    )
    _tell_last(findings, answers, "sharding_last", home)
    return findings


def _tell_last(findings: Findings, answers: Answers, name: str, home: Home) -> None:
    last = dict(zip(answers, _field(answers, name), strict=True))
    findings.lines += _oldest_and_newest(last, home.now)
    findings.data["last"] = last


def copies(answers: Answers, home: Home) -> Findings:
    """Tell of the newest survey that any host keeps: how many objects lack copies."""
    newest: Mapping[str, Any] = max(
        answers.values(), key=lambda answer: answer.get("survey_last") or 0, default={}
    )
    moment = newest.get("survey_last")
    if not moment:
        return Findings([NO_DATA])
    findings = Findings([f"The last survey ended {clock(moment)} ({elapsed(home.now - moment)} ago)."])
    for index, found in sorted(newest["survey_policies"].items()):
        bound = "" if found["exact"] else ", at least: some devices did not answer"
        findings.lines.append(
            f"[policy {index}] {found['objects_below']} of {found['objects']} objects lack copies, "
            f"{found['objects_without_copy']} have none{bound}"
        )
    findings.data = {"last": moment, "policies": newest["survey_policies"]}
    return findings


def auditor(answers: Answers, home: Home) -> Findings:
    """Tell what auditors found; those of objects have two modes, and figures for each device."""
    if home.kind != "object":
        names = [
            f"{home.kind}_{name}" for name in ("auditor_pass_completed", "audits_failed", "audits_passed")
        ]
        return _summaries((name, _field(answers, name)) for name in names)
    return _summaries(
        (
            f"{mode}_{name}_last_path",
            [_deep_sum(answer.get(f"object_auditor_stats_{mode}"), name) for answer in answers.values()],
        )
        for mode, names in (
            ("ALL", ("audit_time", "bytes_processed", "passes", "errors", "quarantined")),
            ("ZBF", ("audit_time", "bytes_processed", "errors", "quarantined")),
        )
        for name in names
    )


def _deep_sum(figures: Any, name: str) -> float | None:
    """Return the sum of a figure over all devices of a host, however deep it lies."""
    if not isinstance(figures, Mapping):
        return None
    own = figures.get(name)
    below = [_deep_sum(value, name) for value in figures.values() if isinstance(value, Mapping)]
    known = [each for each in (own, *below) if isinstance(each, int | float)]
    return sum(known) if known else None


def updater(answers: Answers, home: Home) -> Findings:
    """Tell how long the last sweep took."""
    return _summaries([("updater_last_sweep", _field(answers, f"{home.kind}_updater_sweep"))])


def expirer(answers: Answers, home: Home) -> Findings:
    """Tell how long the last pass took and how many objects it removed."""
    del home
    return _summaries(
        (name, _field(answers, name)) for name in ("object_expiration_pass", "expired_last_pass")
    )


def unmounted(answers: Answers, home: Home) -> Findings:
    """Name the devices that are not mounted or fail."""
    del home
    findings = Findings()
    for host, devices in answers.items():
        for entry in devices:
            missing = isinstance(entry["mounted"], bool)
            what = "Not mounted" if missing else "Device errors"
            findings.lines.append(f"{what}: {entry['device']} on {host}")
            findings.data.setdefault("unmounted" if missing else "errors", []).append([host, entry["device"]])
    return findings


def load(answers: Answers, home: Home) -> Findings:
    """Tell the load averages."""
    del home
    return _summaries((f"{span}_load_avg", _field(answers, span)) for span in ("1m", "5m", "15m"))


def quarantined(answers: Answers, home: Home) -> Findings:
    """Tell how much is in quarantine, and of which policies."""
    del home
    named = [(f"quarantined_{kind}", _field(answers, kind)) for kind in ("objects", "accounts", "containers")]
    policies = sorted({index for answer in answers.values() for index in answer.get("policies", {})})
    for index in policies:
        each = [answer.get("policies", {}).get(index, {}).get("objects") for answer in answers.values()]
        named.append((f"quarantined_objects_{index}", each))
    return _summaries(named)


def sockets(answers: Answers, home: Home) -> Findings:
    """Tell the kernel's counts of sockets."""
    del home
    names = ("tcp_in_use", "tcp_mem_allocated_bytes", "tcp6_in_use", "time_wait", "orphan")
    return _summaries((name, _field(answers, name)) for name in names)


def drive_audit(answers: Answers, home: Home) -> Findings:
    """Tell how many errors the kernel reported of drives."""
    del home
    return _summaries([("drive_audit_errors", _field(answers, "drive_audit_errors"))])


def disk_usage(answers: Answers, home: Home) -> Findings:
    """Tell how full the devices are, and which are the fullest and emptiest."""
    findings = Findings()
    used: dict[tuple[str, str], float] = {}
    total = free = 0
    for host, devices in answers.items():
        for entry in devices:
            if entry["mounted"] is True and entry["size"]:
                used[host, entry["device"]] = 100.0 * entry["used"] / entry["size"]
                total += entry["used"] + entry["avail"]
                free += entry["avail"]
            elif not isinstance(entry["mounted"], bool):
                findings.lines.append(f"-> {host}/{entry['device']}: Error: {entry['mounted']}")
    if not used:
        findings.lines.append(NO_DATA)
        return findings
    show = bytes_text if home.human_readable else str
    findings.lines += ["Distribution Graph:", *histogram(used.values())]
    low, high = (round(each, 2) for each in (min(used.values()), max(used.values())))
    average = 100.0 * (total - free) / total
    findings.lines += [
        f"Disk usage: space used: {show(total - free)} of {show(total)}",
        f"Disk usage: space free: {show(free)} of {show(total)}",
        f"Disk usage: lowest: {low}%, highest: {high}%, avg: {average}%",
    ]
    findings.data = {"used": total - free, "free": free, "total": total}
    findings.data["devices"] = {f"{host}/{device}": percent for (host, device), percent in used.items()}
    ranked = sorted(used.items(), key=lambda each: each[1])
    for title, entries in (
        (f"TOP {home.top}", ranked[::-1][: home.top]),
        (f"LOWEST {home.lowest}", ranked[: home.lowest]),
    ):
        if entries:
            findings.lines.append(title)
            findings.lines += [f"{percent:.02f}%  {host:<15} {device}" for (host, device), percent in entries]
    return findings


def ring_checksums(answers: Answers, home: Home) -> Findings:
    """Tell who has other rings than this machine."""
    return _matched(
        {
            host: [
                f"!! {host} ({name.split('/')[-1]} => {checksum}) doesn't match on disk md5sum"
                for name, checksum in answer.items()
                if name.split("/")[-1].startswith(home.kind)
                and checksum != home.rings.get(name.split("/")[-1])
            ]
            for host, answer in answers.items()
        }
    )


def conf_checksum(answers: Answers, home: Home) -> Findings:
    """Tell who has another swift.conf than this machine."""
    return _matched(
        {
            host: []
            if home.conf in answer.values()
            else [f"!! {host} ({next(iter(answer.values()), None)}) doesn't match on disk md5sum"]
            for host, answer in answers.items()
        }
    )


def clocks(answers: Answers, home: Home) -> Findings:
    """Tell whose clock is off; an answer here is (asked, their time, heard)."""
    return _matched(
        {
            host: _clock_problem(host, asked, theirs, heard, home.jitter)
            for host, (asked, theirs, heard) in answers.items()
        }
    )


def _clock_problem(host: str, asked: float, theirs: float, heard: float, jitter: float) -> list[str]:
    if asked - jitter <= theirs <= heard + jitter:
        return []
    times = f"{host} current time is {clock(heard)}, but remote is {clock(theirs)}"
    return [f"!! {times}, differs by {abs(heard - theirs):.4f} sec"]


def servers(answers: Answers, home: Home) -> Findings:
    """Tell who is no server of the kind that the ring says; an answer here is the Server header."""
    return _matched(
        {
            host: []
            if str(header).split("/")[0] == f"{home.kind}-server"
            else [f"Invalid: {host} is {header}"]
            for host, header in answers.items()
        }
    )


def versions(answers: Answers, home: Home) -> Findings:
    """Tell which versions run."""
    del home
    found = sorted({str(answer["version"]) for answer in answers.values()})
    if not found:
        return Findings([NO_DATA])
    verdict = "matched" if len(found) == 1 else "not matched"
    return Findings([f"Versions {verdict} ({', '.join(found)})."], {"versions": found})


def _matched(problems: Mapping[str, list[str]]) -> Findings:
    good = sum(1 for lines in problems.values() if not lines)
    told = [line for lines in problems.values() for line in lines]
    findings = Findings([*told, f"{good}/{len(problems)} hosts matched."])
    findings.data = {"matched": good, "problems": told}
    return findings


def clock(moment: float) -> str:
    """Return a moment as people read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))


CHECKS = (
    Check("async_check", "Checking async pendings", "async", pending, ("object",)),
    Check("auditor", "Checking auditor stats", "auditor/{kind}", auditor),
    Check("updater", "Checking updater times", "updater/{kind}", updater, ("container", "object")),
    Check("expirer", "Checking on expirers", "expirer/{kind}", expirer, ("object",)),
    Check(
        "reconstruction", "Checking on reconstructors", "reconstruction/{kind}", reconstruction, ("object",)
    ),
    Check("sharding", "Checking on sharders", "sharding", sharding, ("container",)),
    Check("copies", "Checking copies of objects", "survey", copies, ("object",)),
    Check("replication", "Checking on replication", "replication/{kind}", replication),
    Check("unmounted", "Getting unmounted drives", "unmounted", unmounted),
    Check("loadstats", "Checking load averages", "load", load),
    Check("diskusage", "Checking disk usage now", "diskusage", disk_usage),
    Check("md5", "Checking ring md5sums", "ringmd5", ring_checksums),
    Check("md5", "Checking swift.conf md5sum", "swiftconfmd5", conf_checksum),
    Check("quarantined", "Checking quarantine", "quarantined", quarantined),
    Check("sockstat", "Checking socket usage", "sockstat", sockets),
    Check("validate_servers", "Validating server type", "", servers),
    Check("driveaudit", "Checking drive-audit errors", "driveaudit", drive_audit),
    Check("time", "Checking time-sync", "time", clocks),
    Check("swift_versions", "Checking versions", "version", versions),
)
"""Every check, in the order in which `--all` makes them."""
