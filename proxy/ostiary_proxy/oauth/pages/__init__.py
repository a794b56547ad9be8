"""The pages that people see: plain HTML, no script, the same in every origin."""

from ostiary_proxy.oauth.pages.page import (
    PAGE_HEADERS,
    Question,
    account,
    connect_page,
    consent,
    done,
    error,
)

__all__ = ["PAGE_HEADERS", "Question", "account", "connect_page", "consent", "done", "error"]
