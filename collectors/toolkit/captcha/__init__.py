"""Captchas, solved by people who are paid for it: `context.captcha.solve(RecaptchaV2(url=..., site_key=...))`."""

from collectors.captcha_solver import SolvedCaptcha
from collectors.toolkit.captcha.tasks import (
    KINDS,
    CaptchaTask,
    ImageTask,
    RecaptchaV2,
    RecaptchaV3,
    TaskProxy,
    Turnstile,
)

__all__ = [
    "KINDS",
    "CaptchaTask",
    "ImageTask",
    "RecaptchaV2",
    "RecaptchaV3",
    "SolvedCaptcha",
    "TaskProxy",
    "Turnstile",
]
