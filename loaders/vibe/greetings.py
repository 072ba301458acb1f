"""Messages that only greet or thank: nothing that anybody will ask about later."""

import re
import unicodedata
from itertools import pairwise

# Any of these makes a greeting of a message …
_GREET = """
hi hello hey hiya howdy yo thanks thank thx ty cheers ok okay cool great nice perfect bye goodbye
hola buenas gracias vale perfecto genial adiós chao saludos
bonjour bonsoir salut merci parfait · hallo moin servus danke super tschüss · ciao buongiorno buonasera salve
grazie perfetto arrivederci · olá oi obrigado obrigada tchau perfeito · hoi bedankt dankjewel doei
cześć dzięki dziękuję · hej tack tak hei takk kiitos · привет здравствуйте спасибо пока
你好 谢谢 再见 こんにちは ありがとう
"""
_GREET_TOGETHER = """
good morning, good evening, good afternoon, good night, good day, see you, buenos días, buenas tardes,
buenas noches, hasta luego, muy bien, guten tag, guten morgen, guten abend, vielen dank, auf wiedersehen,
au revoir, bom dia, boa tarde, boa noite, dank je, dzień dobry, god dag
"""
# … which may hold these beside it, and nothing else.
_BESIDE = """
there vibe you u so much very a lot all again for the now everyone team friend later
muchas muchísimas mil muy · beaucoup bien et à toi vous bonne journée · dir sehr · mille molte tante · muito
wel большое amigo
"""


def is_greeting(text: str) -> bool:
    """Whether the whole text is a greeting, thanks or a farewell, whatever its punctuation and emoji."""
    if len(text) > 100:
        return False
    words = _words(text)
    pairs = {f"{first} {second}" for first, second in pairwise(words)} & _TOGETHER
    paired = {word for pair in pairs for word in pair.split()}
    greets = bool(pairs) or not _SINGLE.isdisjoint(words)
    return greets and all(word in _SINGLE or word in _FILLERS or word in paired for word in words)


def _words(text: str) -> list[str]:
    """The words in lower case, without accents, so that "días" and "dias" are the same."""
    spread = unicodedata.normalize("NFD", text.casefold().replace("’", "'"))
    return re.findall(r"[\w']+", "".join(sign for sign in spread if not unicodedata.combining(sign)))


_SINGLE = frozenset(_words(_GREET))
_FILLERS = frozenset(_words(_BESIDE))
_TOGETHER = frozenset(" ".join(_words(pair)) for pair in _GREET_TOGETHER.split(","))
