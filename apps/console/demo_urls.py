"""The addresses of the demo shop, below /demo/."""

from __future__ import annotations

from django.urls import path

from apps.console import demo, demo_api, demo_outlet, demo_trade

app_name = "demo"

urlpatterns = [
    path("", demo.book_list, name="list"),
    path("books/<str:isbn>/", demo.book, name="book"),
    path("api/books", demo_api.book_list, name="api-list"),
    path("api/books/<str:isbn>", demo_api.book, name="api-book"),
    path("trade/", demo_trade.prices, name="trade"),
    path("trade/login/", demo_trade.login, name="trade-login"),
    path("outlet/", demo_outlet.shelf, name="outlet"),
    path("outlet/<int:number>/", demo_outlet.copy, name="outlet-copy"),
]
