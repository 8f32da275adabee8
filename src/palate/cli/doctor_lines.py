"""A line of the doctor's: its state, what it is about, and what was found."""

GOOD, BAD, HINT = "ok", "fault", "hint"
DoctorLine = tuple[str, str, str]
