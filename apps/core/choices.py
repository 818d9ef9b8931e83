"""Choices that pages translate; value, colour and label of a choice stand in one place."""

from __future__ import annotations

from enum import property as member_property
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    _Choices = models.TextChoices
else:
    from django.db.models import TextChoices as _Choices


class Choices(_Choices):
    """Members are written `NAME = "VALUE", "label"`."""

    if not TYPE_CHECKING:

        @member_property
        def label(self) -> Any:
            """What pages say, in the language of whoever looks."""
            return gettext_lazy(self._label_)

    @property
    def word(self) -> str:
        """The label in English: for texts that are stored or answered to programs."""
        return str(self._label_)


class ColouredChoices(Choices):
    """Members are written `NAME = "VALUE", "colour", "label"`; the colours are those of unfold's labels."""

    colour: str

    def __new__(cls, value: str, colour: str = "default") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.colour = colour
        return member
