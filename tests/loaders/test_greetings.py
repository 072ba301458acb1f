import pytest

from loaders.vibe.greetings import is_greeting

GREETINGS = """
hi | Hello! | hey there 👋 | Hi Vibe | good morning | Thanks! | thank you so much | ok | OK, thanks. | bye
Great, thank you! | ¡Hola! | Buenos días | muchas gracias | adiós | Bonjour | merci beaucoup | Hallo | Danke
Vielen Dank | guten Tag | Tschüss | ciao | grazie mille | Olá | obrigado | bom dia | bedankt | cześć | tack
привет | спасибо | 你好 | ありがとう | thx :) | see you later
"""
MORE = """
hi, why does make fail? | ok go | thanks, now run it | hello.py | yes | no | 👋 | the | day | good | good tag
hola.txt no compila | print hello | Thanks. Is the discount a fraction?
"""


def texts(listed):
    return [text.strip() for line in listed.strip().splitlines() for text in line.split(" | ")]


@pytest.mark.parametrize("text", texts(GREETINGS))
def test_greetings_thanks_and_farewells(text):
    assert is_greeting(text)


@pytest.mark.parametrize("text", ["", "hi " * 50, *texts(MORE)])
def test_what_says_more_is_kept(text):
    assert not is_greeting(text)
