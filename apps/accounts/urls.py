from django.urls import include, path
from oauth2_provider.views import RevokeTokenView

from apps.accounts import oauth_views as oauth
from apps.accounts import views

#: Of what django-oauth-toolkit has, only what is used: nobody registers clients here but in the admin.
OAUTH = [
    path("authorize/", oauth.AuthorizationView.as_view(), name="authorize"),
    path("token/", oauth.TokenView.as_view(), name="token"),
    path("revoke/", RevokeTokenView.as_view(), name="revoke-token"),
]

urlpatterns = [
    path("login/<str:token>/", views.login_link, name="login-link"),
    path("oauth/", include((OAUTH, "oauth2_provider"))),
]
