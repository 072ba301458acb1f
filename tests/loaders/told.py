"""What a tree of logs tells, in the way of the whole program: listed, read, joined, made documents."""

from loaders.vibe.logs import list_logs, read_log
from loaders.vibe.sessions import documents, joined


def kept(text):
    """A redaction that finds nothing."""
    return text, 0


def tell(root, redact=kept):
    """The documents below a root, what was left out, and every problem."""
    listing = list_logs(root)
    readings = [read_log(log) for log in listing.logs]
    problems = [
        (log.name, problem)
        for log, reading in zip(listing.logs, readings, strict=True)
        for problem in reading.problems
    ]
    sessions = joined([session for reading in readings for session in reading.sessions])
    found, left_out = documents(sessions, redact)
    return found, left_out, problems + [(row["file"], row["reason"]) for row in listing.problems]


def reasons(root):
    """What was wrong, without the names of the logs."""
    return [reason for _, reason in tell(root)[2]]


def said(root):
    """(question, answer) of each document."""
    return [question_and_answer(document) for document in tell(root)[0]]


def question_and_answer(document):
    question, _, rest = document.page_content.removeprefix("User: ").partition("\nAssistant: ")
    return question, rest.rpartition("\nActions: ")[0] or rest


def actions(document):
    return (
        document.page_content.rpartition("\nActions: ")[2] if "\nActions: " in document.page_content else ""
    )
