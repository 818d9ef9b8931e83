"""What an operator decides about a site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.politeness.models import Site

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Site]
else:
    _ModelForm = forms.ModelForm


class SiteForm(_ModelForm):
    """The pause, and the requests at once."""

    class Meta:
        model = Site
        fields = Site.DECIDED

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        low_s, high_s = data.get("low_s"), data.get("high_s")
        if (low_s is None) != (high_s is None) and not self.errors:
            self.add_error("low_s" if low_s is None else "high_s", _("Give both, or neither."))
        elif low_s is not None and high_s is not None and low_s > high_s:
            self.add_error("high_s", _("The longest pause is not shorter than the least."))
        return data
