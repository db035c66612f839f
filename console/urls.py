"""The addresses of the console. Filters are in the query string, so every view can be shared."""

from django.urls import path

from console.views import home, session

app_name = "console"
urlpatterns = [
    path("", home.show, name="home"),
    path("login/", session.LogIn.as_view(), name="login"),
    path("logout/", session.LogOut.as_view(), name="logout"),
]
