"""What every group of settings is."""

from __future__ import annotations

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict


class Group(BaseSettings):
    """A group of settings that share a prefix."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def variable(cls, field_name: str) -> str:
        """The environment variable of a field."""
        return f"{cls.model_config['env_prefix']}{field_name}".upper()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The values come from `reading.look_up`, which knows `_FILE` and remembers origins."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)
