"""What every admin page shares: the theme, cheap counting, coloured labels, read-only pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ERROR_FLAG, ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.core.choices import ColouredChoices
from apps.core.labels import label
from apps.core.qualifiers import BadQualifier, Qualifier, split

_M = TypeVar("_M", bound=Model)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    class _Themed(admin.ModelAdmin[_M]):
        """unfold has no type hints; to the type checker its ModelAdmin is Django's."""

    _ChangeList = ChangeList
    _Paginator = Paginator[Any]
else:
    from unfold.admin import ModelAdmin as _UnfoldAdmin
    from unfold.views import ChangeList as _ChangeList

    _Paginator = Paginator

    class _Themed(_UnfoldAdmin):
        def __class_getitem__(cls, _model: type[Model]) -> type:
            return cls


class BoundedPaginator(_Paginator):
    """Counts no further than `BOUND` rows: on a table of millions an exact count costs more than the page itself.

    Rows beyond the bound are reached through search and filters; the page says so.
    """

    BOUND = 10_000
    template_name = "core/pagination.html"

    @cached_property
    def _measured(self) -> int:
        if not isinstance(self.object_list, QuerySet):
            return len(self.object_list)
        return int(self.object_list.order_by()[: self.BOUND + 1].count())

    @cached_property
    def count(self) -> int:
        return min(self._measured, self.BOUND)

    @property
    def is_bounded(self) -> bool:
        """Whether there are more rows than it counts."""
        return self._measured > self.BOUND


class QuietChangeList(_ChangeList):
    """Says how many rows there are without filters only where that is known already."""

    #: Who looks; the template of an empty list has no other way to know.
    request: HttpRequest

    def get_results(self, request: HttpRequest) -> None:
        self.request = request
        super().get_results(request)
        if not self.query and not self.has_active_filters:
            self.full_result_count = self.result_count


#: Longer texts are not searched for: SQLite refuses the pattern, and nobody types them.
LONGEST_SEARCH = 200


class ModelAdmin(_Themed[_M]):
    """The base of every admin page."""

    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    paginator = BoundedPaginator
    list_filter_sheet = False
    warn_unsaved_form = True
    #: What the search box understands besides words: name -> condition.
    qualifiers: Mapping[str, Qualifier] = {}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return QuietChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[_M], search_term: str
    ) -> tuple[QuerySet[_M], bool]:
        if len(search_term) > LONGEST_SEARCH:
            messages.warning(request, _("Search for at most %(most)s characters.") % {"most": LONGEST_SEARCH})
            return queryset.none(), False
        if self.qualifiers and ":" in search_term:
            try:
                condition, search_term = split(search_term, self.qualifiers, request.user)
            except BadQualifier as error:
                messages.warning(request, str(error))
                return queryset.none(), False
            queryset = queryset.filter(condition)
        return self.search_words(request, queryset, search_term)

    def search_words(self, request: HttpRequest, queryset: QuerySet[_M], words: str) -> tuple[QuerySet[_M], bool]:
        """The rows that have the words, and whether one may come twice. Lists of millions have a way of their own."""
        return super().get_search_results(request, queryset, words)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        try:
            return super().changelist_view(request, extra_context)
        except OverflowError:
            # A number in the address that no column can hold: the same answer as for any other bad filter.
            return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")


class ReadOnlyAdmin(ModelAdmin[_M]):
    """Pages of rows that the platform writes and people only look at."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False


def coloured(field_name: str, choices: type[ColouredChoices], description: StrOrPromise = "") -> Callable[..., Any]:
    """A column, or read-only field, that shows a field with `ColouredChoices` as a label in the colour of its value."""

    @admin.display(description=description or gettext_lazy(field_name.replace("_", " ")), ordering=field_name)
    def column(_page: Any, instance: Model) -> str:
        choice = choices(getattr(instance, field_name))
        return label(str(choice.label), choice.colour)

    return column
