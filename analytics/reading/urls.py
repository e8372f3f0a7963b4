"""The page of the analytics."""

from __future__ import annotations

from django.urls import URLPattern, path

from analytics.reading import views

urlpatterns: list[URLPattern] = [path("", views.index, name="analytics")]
