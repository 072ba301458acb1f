"""What can go wrong, as the person at the keyboard needs to hear it.

RecuerdoError          one sentence that names the fault and the cure
├── BadInput           exit 2   what was given cannot be used
├── PartMissing        exit 3   a part is not there; the message names the command that supplies it
│   ├── NothingYet     exit 3   there is no memory yet
│   └── ModelFailed    exit 3   the model endpoint refused, failed or fell silent
├── StoreFailed        exit 1   the disk did not take what was written; what was there before is intact
├── Locked             exit 75  another process holds the lock; the message names it
└── Unsafe             exit 78  refused, since it would open a person's memory to strangers
"""


class RecuerdoError(Exception):
    """The base: `str(error)` is one sentence for a person, `exit_status` what a script reads."""

    exit_status = 1


class BadInput(RecuerdoError):
    """An argument, a setting or a folder that cannot be used as it is."""

    exit_status = 2


class PartMissing(RecuerdoError):
    """Something that has to be installed, downloaded or started first."""

    exit_status = 3


class NothingYet(PartMissing):
    """There is no memory yet: nothing was taken in."""


class ModelFailed(PartMissing):
    """The model endpoint did not give a whole answer."""


class StoreFailed(RecuerdoError):
    """Writing failed half-way; the old state serves on."""


class Locked(RecuerdoError):
    """Somebody else is writing the same store."""

    exit_status = 75


class Unsafe(RecuerdoError):
    """What was asked for would open a person's memory to strangers."""

    exit_status = 78
