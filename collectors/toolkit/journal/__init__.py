"""What a run says, in append-only files: written by one process, read by any, repaired after anything.

frame     one line: CRC, a space, a JSON object, a newline                          framing.py
writer    one file, one process, any thread; never raises, never waits              writer.py
reader    exactly the complete frames, whatever happened to the file                reader.py
redactor  what is secret never reaches the disk                                     redaction.py
"""

from collectors.toolkit.journal.framing import Frame, Said, decode, split
from collectors.toolkit.journal.reader import Damage, Reading, bodies, read_frames
from collectors.toolkit.journal.redaction import Redactor
from collectors.toolkit.journal.writer import Journal

__all__ = [
    "Damage",
    "Frame",
    "Journal",
    "Reading",
    "Redactor",
    "Said",
    "bodies",
    "decode",
    "read_frames",
    "split",
]
