from __future__ import annotations

from studies.sections.addresses import without_passwords
from tests.search import fakes


def test_passwords_and_secrets_are_cut_out_of_a_study_file() -> None:
    text = """
[storage]
url = "postgresql://me:hidden1@host/db"     # postgresql+psycopg://me:hidden2@host
[spark]
conf = { "spark.authenticate.secret" = "hidden3", "spark.executor.cores" = 2 }
[other]
access_token = 'hidden4'
"""
    found = without_passwords(text)
    assert "hidden" not in found
    assert 'url = "postgresql://me:***@host/db"' in found
    assert '"spark.executor.cores" = 2' in found


def test_a_file_without_secrets_stays_as_it_is() -> None:
    text = (
        'url = "postgresql://me:${PASSWORD}@host/db"\nmaster = "spark://host:7077"\nat = "sqlite:///a.db"\n'
    )
    assert without_passwords(text) == text


def test_a_file_that_is_gone_leaves_the_rest() -> None:
    found = fakes.report_of(fakes.trials(3)).provenance
    assert (found.file, found.text, found.seconds) == ("sms-spam.toml", "", 75.0)
    assert dict(found.data)["from"] == "the built-in data set sms-spam"
