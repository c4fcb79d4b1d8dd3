"""Settings whose values stand in files."""

from __future__ import annotations

import pytest

from app.settings import BadSetting, load_settings

URL = "postgresql://eligo:a-secret@db/eligo"


def test_a_setting_may_stand_in_a_file(tmp_path, monkeypatch):
    (tmp_path / "url").write_text(f"{URL}\n")
    (tmp_path / "issuers").write_text('{"https://ehr.example": "https://ehr.example/keys"}')
    (tmp_path / "proxies").write_text("10.0.0.0/8,10.1.1.1")
    monkeypatch.delenv("ELIGO_DATABASE_URL", raising=False)
    monkeypatch.setenv("ELIGO_DATABASE_URL_FILE", str(tmp_path / "url"))
    monkeypatch.setenv("ELIGO_CDS_ISSUERS_FILE", str(tmp_path / "issuers"))
    monkeypatch.setenv("ELIGO_TRUSTED_PROXIES_FILE", str(tmp_path / "proxies"))

    settings = load_settings()

    assert settings.database_url == URL
    assert settings.cds_issuers == {"https://ehr.example": "https://ehr.example/keys"}
    assert settings.trusted_proxies == ("10.0.0.0/8", "10.1.1.1")


def test_a_file_that_is_not_there_is_told_by_the_name_of_its_setting(tmp_path, monkeypatch):
    monkeypatch.delenv("ELIGO_DATABASE_URL", raising=False)
    monkeypatch.setenv("ELIGO_DATABASE_URL_FILE", str(tmp_path / "none"))

    with pytest.raises(BadSetting, match=r"ELIGO_DATABASE_URL_FILE.*No such file"):
        load_settings()


def test_one_value_at_two_places_is_refused(tmp_path, monkeypatch):
    (tmp_path / "url").write_text(URL)
    monkeypatch.setenv("ELIGO_DATABASE_URL", "sqlite:///other.db")
    monkeypatch.setenv("ELIGO_DATABASE_URL_FILE", str(tmp_path / "url"))

    with pytest.raises(BadSetting, match="only one") as refused:
        load_settings()
    assert "a-secret" not in str(refused.value)


def test_a_bad_value_in_a_file_is_refused_without_being_repeated(tmp_path, monkeypatch):
    (tmp_path / "issuers").write_text("{a-secret")
    monkeypatch.setenv("ELIGO_CDS_ISSUERS_FILE", str(tmp_path / "issuers"))

    with pytest.raises(BadSetting, match="ELIGO_CDS_ISSUERS") as refused:
        load_settings()
    assert "a-secret" not in str(refused.value)
