from django.urls import path

from apps.accounts import views

urlpatterns = [path("login/<str:token>/", views.login_link, name="login-link")]
