"""Which names people may give themselves: none that misleads, by what it says or how it looks.

Another person's name is allowed, because people do share names: `chat.accounts.shown_names` then
shows the user name beside it.
"""

from __future__ import annotations

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from chat.errors import ClientError
from chat.names.labels import MAX_NAME_CHARACTERS, check_label
from chat.names.look_alikes import is_reserved, mixes_alphabets

# User names are shown like this beside shared names, so nobody may write one into their own name.
USER_NAME_WITHIN = re.compile(r"(^|\W)[@\uff20\ufe6b]")


def check_display_name(text: str, *, may_be_reserved: bool = False) -> str:
    """The name in its normal form (see `chat.names.labels`). `may_be_reserved`: for staff.

    Raises: ValidationError that says what is wrong.
    """
    try:
        name = check_label(text, "Name", MAX_NAME_CHARACTERS)
    except ClientError as refused:
        raise ValidationError(_("This name contains characters that cannot be shown.")) from refused
    if mixes_alphabets(name):
        raise ValidationError(
            _("A word of this name has letters of two alphabets that look alike. Use one of them."),
            code="mixed",
        )
    if USER_NAME_WITHIN.search(name):
        raise ValidationError(
            _("A name cannot contain a user name: leave out the @."), code="user_name"
        )
    if not may_be_reserved and is_reserved(name):
        raise ValidationError(_("This name is reserved. Choose another one."), code="reserved")
    return name
