"""What tests of the doctor say of its findings."""

from __future__ import annotations

from sysmonstm.ctl.doctor.finding import Finding, Verdict

OK, WARN, FAIL, UNSEEN = Verdict.OK, Verdict.WARN, Verdict.FAIL, Verdict.UNSEEN


def judged(found: list[Finding] | Finding, verdict: Verdict, *words: str) -> None:
    """There is one finding, as bad as that, which says so; what is amiss has something to do about it."""
    (one,) = [found] if isinstance(found, Finding) else found
    assert one.verdict is verdict, one
    said = " ".join([one.sentence, *one.fixes])
    assert [word for word in words if word not in said] == [], said
    assert one.fixes or verdict in (OK, UNSEEN), one
