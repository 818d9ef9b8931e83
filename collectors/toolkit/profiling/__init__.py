"""Which function takes the time, how often, called by whom: `@fun_watch`.

watching    the decorator, for each kind of function; its cost per call is the point       watching.py
context     where we are: marks for the current function, chains, the way into a thread    context.py
aggregates  what came together of one function under one caller                            aggregates.py
sizes       how much a call has to do, from its arguments                                  sizes.py
sketch      the distribution of many values in little memory; sketches add up              sketch.py
tracker     everything of a process, and its increments for the journal                    tracking.py
flushing    the increments into the journal, every few seconds and at the end              flushing.py
"""

from collectors.toolkit.profiling.aggregates import Increment
from collectors.toolkit.profiling.context import call_chain, carry, mark_failed, mark_size, mark_solved
from collectors.toolkit.profiling.flushing import Flusher
from collectors.toolkit.profiling.sketch import RELATIVE_ERROR, Sketch
from collectors.toolkit.profiling.tracking import Tracker, tracker
from collectors.toolkit.profiling.watching import fun_watch

__all__ = [
    "RELATIVE_ERROR",
    "Flusher",
    "Increment",
    "Sketch",
    "Tracker",
    "call_chain",
    "carry",
    "fun_watch",
    "mark_failed",
    "mark_size",
    "mark_solved",
    "tracker",
]
