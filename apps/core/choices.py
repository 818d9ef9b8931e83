"""Choices with a colour: value, colour and label of a choice stand in one place."""

from __future__ import annotations

from typing import Self

from django.db import models


class ColouredChoices(models.TextChoices):
    """Members are written `NAME = "VALUE", "colour", "label"`; the colours are those of unfold's labels."""

    colour: str

    def __new__(cls, value: str, colour: str = "default") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.colour = colour
        return member
