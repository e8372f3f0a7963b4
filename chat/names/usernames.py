"""Which user names may be chosen: none that could be taken for somebody else's. Pure.

A name is kept in normal form KC and lower case, is written in one script, and a Cyrillic one
needs a letter that Latin lacks: so `аdmin` with a Cyrillic а is refused and `анна` is not.
"""

from __future__ import annotations

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from chat.names.characters import small
from chat.names.look_alikes import is_reserved

MIN_CHARACTERS = 2
MAX_CHARACTERS = 40

# Without the dotless i, the kra and the n with an apostrophe in front, which look like others.
LATIN = r"a-zß-öø-ÿ\u0100-\u0130\u0132-\u0137\u0139-\u0148\u014a-\u017e"
CYRILLIC = r"а-яёђѓєѕіїјљњћќѝўџґ"
SHAPE = r"[{letters}0-9](?:[._-]?[{letters}0-9])*"
LATIN_NAME = re.compile(SHAPE.format(letters=LATIN))
CYRILLIC_NAME = re.compile(SHAPE.format(letters=CYRILLIC))
# Cyrillic small letters that look like a Latin one; names are shown in lower case.
LOOK_LATIN = frozenset("аеёорсухіїјѕў")

CHARACTERS = _(
    "Use letters of one alphabet, Latin or Cyrillic, and digits; "
    "between them single dots, hyphens or underscores."
)

# The account of `chat.monitoring.probe`: a name that nobody can choose, so nobody has it already.
PROBE_USERNAME = "(probe)"


def normalise(username: str) -> str:
    """The canonical form of a name, at sign-up and at sign-in."""
    return small(unicodedata.normalize("NFKC", username).strip())


def check_username(username: str) -> None:
    """Checks a normalised name. Raises: ValidationError that says what is wrong."""
    if not MIN_CHARACTERS <= len(username) <= MAX_CHARACTERS:
        raise ValidationError(
            _("A user name has %(low)s to %(high)s characters."),
            code="length",
            params={"low": MIN_CHARACTERS, "high": MAX_CHARACTERS},
        )
    if is_reserved(username):
        raise ValidationError(_("This name is reserved. Choose another one."), code="reserved")
    if LATIN_NAME.fullmatch(username):
        if not any(character.isalpha() for character in username):
            raise ValidationError(_("A user name needs a letter."), code="no_letter")
        return
    if not CYRILLIC_NAME.fullmatch(username):
        raise ValidationError(CHARACTERS, code="characters")
    letters = {character for character in username if character.isalpha()}
    if letters <= LOOK_LATIN:
        raise ValidationError(
            _("In Latin letters this name would look the same. Choose another one."),
            code="look_alike",
        )


# What allauth's ACCOUNT_USERNAME_VALIDATORS points to.
validators = [check_username]
