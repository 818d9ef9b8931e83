from django.urls import include, path
from oauth2_provider.views import RevokeTokenView

from apps.accounts import languages, openid_views, second_factor_views, views
from apps.accounts import oauth_views as oauth

#: Of what django-oauth-toolkit has, only what is used: nobody registers clients here but in the admin.
OAUTH = [
    path("authorize/", oauth.AuthorizationView.as_view(), name="authorize"),
    path("token/", oauth.TokenView.as_view(), name="token"),
    path("revoke/", RevokeTokenView.as_view(), name="revoke-token"),
]

urlpatterns = [
    path("login/second-factor/", second_factor_views.step, name="second-factor"),
    path("login/openid/", openid_views.leave, name="openid"),
    path("login/openid/back/", openid_views.come_back, name="openid-back"),
    path("account/second-factor/", second_factor_views.own, name="own-second-factor"),
    path("login/<str:token>/", views.login_link, name="login-link"),
    path("language/", languages.choose, name="language"),
    path("oauth/", include((OAUTH, "oauth2_provider"))),
]
