"""What clients ask on their own account: titles, tags, summaries, follow-ups, search queries, compaction.

Known by how it begins, for people write about titles and summaries too. A chore taken for a question costs a
search, a question taken for a chore its memory; so what is in doubt is a question.
"""

from __future__ import annotations

import re

BEGINNING = 4000  # characters; Open WebUI puts the conversation below its guidelines
# Vibe says these anywhere in a message, beside tools.
VIBE = ("CONTEXT CHECKPOINT COMPACTION", "<compaction_summary>", "<previous_user_messages>")

TALK = r"(?:conversation|chat(?: history)?|session|dialog(?:ue)?|thread)s?"
THIS = rf"(?:this|the|our|an?)(?: (?:following|above|previous|entire|whole|coding|partial|chat))* {TALK}"
# What may come after "the session", but not in "the session.py" or "the session store".
END = (
    r"(?=\s*(?:$|[.?!](?:\s|$)|[:\n(]|,\s*(?:using|omitting|without|in|that|based|no|with)\b"
    r"|(?:that (?:starts|begins)|which|based|so far|above|below|using|in under|in at most|between|about)\b))"
)
MAKE = r"(?:generate|write|create|suggest|produce|provide|give(?: me)?|make|come up with|extract|reply with)"
NAME = r"(?:titles?|names?|tags|summar(?:y|ies))"
FOR = r"(?:\s*\([^)\n]*\))?,? (?:for|of|to|that [^.\n]{0,40}|(?:summari[sz]|describ|captur|categori[sz])ing)"
LONG = r"(?:detailed|concise|brief|comprehensive|short)"

MESSAGES = (
    # Open WebUI; its prompt around a question to documents begins alike.
    r"### Task:\s++(?!respond to the user query).*<chat_history>",
    r"### Task:\s++(?:generate|suggest|create|analyze)\b[^\n]*\b(?:title|tags|follow-up|chat history)\b",
    r"### Task:\s++you are an autocompletion system",
    r"create a concise, 3-5 word phrase|your task is to reflect the speaker's likely facial expression",
    r"you have been provided with a set of responses from various models",
    r"(?:Query: )?History:\n(?-i:USER|ASSISTANT|SYSTEM): ",
    # Vibe and LobeChat, with the conversation as a text.
    r"(?-i:user: )[^\n].*\n(?-i:assistant: )",
    r"<chat_history>.*</chat_history>\s*please summarize\b",
    # Zed, LibreChat, Continue, opencode, Claude Code.
    rf"(?:please )?(?:based on [^,\n]{{0,40}}, )?{MAKE}\b[^.\n]{{0,60}}\b{NAME}{FOR} {THIS}{END}",
    rf"given the following.{{0,40}}?\bplease reply with a title for {THIS}\b",
    rf"analy[sz]e {THIS} and provide:?\s",
    rf"(?:your task is to )?(?:create|write|provide) a {LONG}\b[^.\n]{{0,40}}"
    rf"\b(?:summary of|prompt for continuing) {THIS}{END}",
    rf"(?:please )?(?:\*?briefly\*? )?summari[sz]e {THIS}{END}",
    r"(?:please )?analy[sz]e if this message indicates a new\b",
    r"given the following conversation and a follow[ -]?up\b",
    r"classify (?:the|this)(?: following)? (?:user(?:'s)? )?(?:message|query|question|request|input|intent)"
    r"(?=\s*(?:$|[.:\n]|(?:as|into|by)\b))",
    # opencode and Claude Code, to go on after a summary.
    r"continue if you have next steps\b|this session is being continued from a previous conversation",
    # Cline and Roo, whose tools answer as the user.
    r"\[ERROR\] You did not use a tool",
    r"\[(?:(?=\w+_)\w++|\w++(?= for '))(?: for '[^\n]*')?\] Result:",
    # Vibe 2, to a subagent.
    r"Scratchpad directory: \S",
)
YOU_ARE = r"(?:you(?:'re| are)|act as) an?\b[^.\n]{0,80}\b"
INSTRUCTIONS = (
    rf"{YOU_ARE}(?:title (?:generator|writer)|titler|classifier)\b",
    rf"{YOU_ARE}{TALK}[^.\n]{{0,20}}\b(?:summari[sz]|titles?\b)",
    rf"{YOU_ARE}(?:summari[sz]\w+|titles?) (?:for |of )?(?:\w+[ -]){{0,2}}{TALK}\b",
    r"you(?: will)? (?:generate|write|create)\b[^.\n]{0,40}\btitles?\b",
    rf"{MAKE}\b[^.\n]{{0,60}}\btitle\b",
    r"(?:\*?briefly\*? )?summari[sz]e this\b[^.\n]{0,20}\b(?:conversation|chat|session)",
    r"analy[sz]e if this message indicates a new\b|extract any file paths that this command reads\b",
    r"[^.\n]{0,60}\b(?:generates?|writing) [^.\n]{0,40}\b(?:commit messages?|git commits?)\b",
)
MESSAGE, INSTRUCTION = (re.compile("|".join(some), re.I | re.S) for some in (MESSAGES, INSTRUCTIONS))


def is_chore(text: str) -> bool:
    """Whether a user's message was written by the client, or is a model's or a tool's."""
    return any(mark in text for mark in VIBE) or MESSAGE.match(text.lstrip()[:BEGINNING]) is not None


def instructed(text: str) -> bool:
    """Whether instructions make a request a chore, whatever its messages say."""
    return INSTRUCTION.match(text.lstrip()[:BEGINNING]) is not None
