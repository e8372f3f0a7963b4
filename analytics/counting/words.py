"""Which words of a message are counted, and under which digest until they are shown.

A word has 3 to 24 letters, in lower case, with ё as е; each counts once per message. Anything that
could be a secret or a person is left out: web and mail addresses, mentions, code, and everything
with a digit or an underscore in it.
"""

from __future__ import annotations

import functools
import hashlib
import re
import unicodedata

from django.conf import settings

SHORTEST, LONGEST = 3, 24
_NOT_WORDS = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\b[a-z][a-z0-9+.-]*://\S+|\bwww\.\S+|\S+@\S+|@[\w.-]+", re.DOTALL
)
_RUN = re.compile(r"\w+")

# The commonest words of each language. Three letters or more: shorter ones are no words here.
ENGLISH = """
    about above after again against ago all almost also although always and another any anybody
    anyone anything are aren around away back because been before being below between both but
    came can cannot come could couldn did didn does doesn doing don done down during each either
    else enough even ever every everybody everyone everything few for from further get gets getting
    give given goes going gonna gone got had hadn has hasn have haven having her here hers herself
    him himself his how however into isn its itself just keep know less let like made make makes
    many may maybe mean might more most much must mustn myself need neither never nobody nor not
    nothing now off often okay once one only onto other others ought our ours ourselves out over
    own perhaps please put quite rather really said same saw say says see seem seems seen shall she
    should shouldn since some somebody someone something sometimes still such sure take than thank
    thanks that the their theirs them themselves then there these they thing things think this
    those though through too toward towards try two under until upon use used very via want was
    wasn way well went were weren what whatever when where whether which while who whole whom whose
    why will with within without won would wouldn yeah yes yet you your yours yourself yourselves
"""
RUSSIAN = """
    без более больше будем будет будете будешь буду будут будь был была были было быть вам вами вас
    ваш ваша ваше ваши ведь весь вместо вот впрочем все всегда всего всей всем всеми всех всю вся
    где говорит давай даже для его ему если есть еще зачем здесь или иметь имеет иногда именно итак
    каждый как какая какие какой когда кого кому конечно которая которого которой котором которые
    который которых кроме кстати кто куда ладно либо лишь лучше между меня мне много мной могу
    могут может можем можете можно мои мой моя мое мол наверное над надо нам нами нас наш наша наше
    наши него нее ней некоторые нельзя нем нему несколько нет нибудь никак никогда никто ним ними
    них ничего ничто нужно оба общем один одна однако одно одной она они оно опять особенно отчего
    очень перед под пожалуйста пока после потом потому почему почти при про просто против пусть раз
    разве сам сама сами само самый свое свои своих свой своя сделать себе себя сегодня сейчас сказал
    сказать сколько слишком снова совсем спасибо сразу так такая также такие такое такой там твой
    твоя тебе тебя тем теперь тех тобой того тоже той только том тому тот тогда точно три туда тут
    уже хорошо хотел хотеть хотя хочу чаще чего чей чем через что чтоб чтобы чуть чье чья эта эти
    этим этих это этого этой этом этому этот эту
"""
STOP_WORDS = frozenset((ENGLISH + RUSSIAN).split())


def words(body: str) -> set[str]:
    """The words of a message, each once, in no order."""
    text = body.lower()
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if "@" in text or "`" in text or "://" in text or "www." in text:
        text = _NOT_WORDS.sub(" ", text)
    if "ё" in text:
        text = text.replace("ё", "е")
    return {
        one
        for one in _RUN.findall(text)
        if SHORTEST <= len(one) <= LONGEST and one not in STOP_WORDS and one.isalpha()
    }


@functools.cache
def _key() -> bytes:
    return hashlib.blake2b(
        settings.SECRET_KEY.encode(), digest_size=32, person=b"veche words"
    ).digest()


@functools.lru_cache(maxsize=200_000)
def digest(word: str) -> int:
    """The digest of a word. Whoever has the secret key can find out the word by trying."""
    made = hashlib.blake2b(word.encode(), digest_size=8, key=_key()).digest()
    return int.from_bytes(made, "big", signed=True)
