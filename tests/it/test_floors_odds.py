"""Floors where two things happen at once: reloads while somebody waits, spares
that are born dead, a supervisor that stands still or dies at the wrong instant.
"""

from svdtest import floor, on_floor, wait_for

def test_no_process_is_doubted_because_its_intermediate_ends(fleet):
    f = fleet(floor() + "[worker:w]\nbackoff_delay = 0\nbackoff_limit = 1ms\n"
              f"{on_floor('sleep', 5)}\nnumprocs = 8\n")
    wait_for(lambda: sum(w["generation"] for w in f.workers().values()) > 1500,
             20)
    assert "none of its own" not in f.log()
