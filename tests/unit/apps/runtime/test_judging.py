"""From last words and an exit to a state and a sentence."""

from __future__ import annotations

import pytest

from apps.runtime.judging import Circumstances, judge
from apps.runtime.models import State
from apps.runtime.supervision.spec import NO_JOURNAL, ExitReport

ABOUT = Circumstances(stop_grace_s=5, time_limit_s=60)


def said(state: State, cause: str = "", **numbers: object) -> dict[str, object]:
    return {"state": str(state), "cause": cause, **numbers}


def test_success_takes_the_word_and_the_exit() -> None:
    verdict = judge(said(State.SUCCEEDED, rows_seen=3), ExitReport(code=0, cpu_s=1.5), ABOUT)
    assert (verdict.state, verdict.cause) == (State.SUCCEEDED, "")
    assert verdict.values == {"rows_seen": 3, "exit_code": 0, "signal": None, "cpu_s": 1.5}


@pytest.mark.parametrize(
    ("end", "report", "state", "cause"),
    [
        (None, ExitReport(code=0), State.FAILED, "The process exited with code 0."),
        (None, ExitReport(code=7, tail="oh no"), State.FAILED, "The process exited with code 7: oh no"),
        (
            said(State.SUCCEEDED),
            ExitReport(code=1),
            State.FAILED,
            "It said that it had succeeded, but the process exited with code 1.",
        ),
        (said(State.SUCCEEDED), ExitReport(signal=11), State.CRASHED, "The process was ended by SIGSEGV."),
        (said(State.FAILED, "No such page."), ExitReport(code=1), State.FAILED, "No such page."),
        (None, ExitReport(signal=9), State.CRASHED, "The process was ended by SIGKILL."),
        (None, ExitReport(signal=40), State.CRASHED, "The process was ended by signal 40."),
        (
            None,
            ExitReport(signal=9, reason="memory"),
            State.CRASHED,
            "It used more memory than its limit and was killed.",
        ),
        (None, ExitReport(signal=9, reason="time_limit"), State.TIMED_OUT, "The time limit of 60 s was reached."),
        (
            said(State.STOPPED, "Asked to stop (SIGTERM)."),
            ExitReport(code=143, reason="time_limit"),
            State.TIMED_OUT,
            "The time limit of 60 s was reached.",
        ),
        (
            None,
            ExitReport(signal=9, reason="stop_killed"),
            State.STOPPED,
            "Asked to stop, and killed when its 5 s of grace were over.",
        ),
        (None, ExitReport(signal=15, reason="stop"), State.STOPPED, "Asked to stop; the process was ended by SIGTERM."),
        (said(State.SUCCEEDED), ExitReport(code=0, reason="stop"), State.SUCCEEDED, ""),
    ],
)
def test_the_state_and_the_sentence(
    end: dict[str, object] | None, report: ExitReport, state: State, cause: str
) -> None:
    verdict = judge(end, report, ABOUT)
    assert (verdict.state, verdict.cause) == (state, cause)
    assert "error_category" not in verdict.values


def test_a_stop_before_the_beginning_says_so() -> None:
    about = Circumstances(stop_grace_s=5, has_begun=False)
    assert judge(None, ExitReport(reason="stop"), about).cause == "Asked to stop before it had begun."


def test_a_manager_that_exits_is_named() -> None:
    about = Circumstances(stop_grace_s=5, is_manager_exiting=True)
    verdict = judge(said(State.STOPPED, "Asked to stop (SIGTERM)."), ExitReport(code=143, reason="stop"), about)
    assert (verdict.state, verdict.cause) == (State.STOPPED, "Manager exit: Asked to stop (SIGTERM).")


@pytest.mark.parametrize(
    ("end", "report", "state", "cause"),
    [
        (None, None, State.CRASHED, "Its manager was lost."),
        (
            said(State.STOPPED, "Asked to stop (SIGTERM)."),
            ExitReport(code=143, reason="manager_lost"),
            State.CRASHED,
            "Its manager was lost. Asked to stop (SIGTERM).",
        ),
        (
            None,
            ExitReport(signal=9, reason="shim_lost"),
            State.CRASHED,
            "Its supervisor was lost, and its processes were killed.",
        ),
    ],
)
def test_what_was_no_fault_of_the_app_is_marked_so(
    end: dict[str, object] | None, report: ExitReport | None, state: State, cause: str
) -> None:
    verdict = judge(end, report, ABOUT)
    assert (verdict.state, verdict.cause, verdict.values["error_category"]) == (state, cause, "platform")


def test_a_run_that_succeeded_although_its_manager_was_lost_has_succeeded() -> None:
    assert judge(said(State.SUCCEEDED), ExitReport(code=0, reason="manager_lost"), ABOUT).state == State.SUCCEEDED


def test_processes_that_outlive_their_collector_are_reported() -> None:
    verdict = judge(said(State.SUCCEEDED), ExitReport(code=0, survivors=2), ABOUT)
    assert (verdict.state, verdict.cause) == (State.SUCCEEDED, "2 of its processes outlived it and were killed.")


def test_only_known_numbers_reach_the_row() -> None:
    end = said(State.FAILED, "No.", solved=4, app_id=7, owner="me", error_rate=None, error_category="http")
    assert judge(end, ExitReport(code=1), ABOUT).values == {
        "solved": 4, "error_category": "http", "exit_code": 1, "signal": None,
    }  # fmt: skip


@pytest.mark.parametrize("end", [None, said(State.STOPPED, "Asked to stop (SIGTERM).")])
def test_an_exclusive_run_that_was_cut_off_has_crashed_through_no_fault_of_its_app(
    end: dict[str, object] | None,
) -> None:
    verdict = judge(end, ExitReport(code=143, reason="lease"), ABOUT)
    assert (verdict.state, verdict.values["error_category"]) == (State.CRASHED, "platform")
    assert verdict.cause.startswith("Its manager was cut off from the platform, and its app is exclusive")


def test_who_could_open_no_journal_has_failed_through_no_fault_of_its_app() -> None:
    report = ExitReport(code=NO_JOURNAL, tail="The journal of the run cannot be written: No space left on device.")
    verdict = judge(None, report, ABOUT)
    assert (verdict.state, verdict.values["error_category"]) == (State.FAILED, "platform")
    assert "No space left on device" in verdict.cause
    # A source that says how it failed, and exits with the same number, has failed by itself.
    assert "error_category" not in judge(said(State.FAILED, "No price."), report, ABOUT).values
