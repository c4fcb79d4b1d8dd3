"""`eligo read --report`: how much of a folder was understood, what to learn next, and how long reading took."""

from __future__ import annotations

import json

from app.api import examples

GIZMO = "Frobnicated gizmos"


def put(folder, **pages: str) -> None:
    folder.mkdir()
    for number, more in pages.items():
        text = examples.PAGE.replace("NCT00000000", number)
        (folder / f"{number}.txt").write_text(f"{text}2. {more}\n")


def test_a_folder_is_read_counted_and_ranked(eligo, tmp_path):
    put(tmp_path / "trials", NCT00000001=GIZMO, NCT00000002=f"{GIZMO} | <b>", NCT00000003="Children with a widget")
    (tmp_path / "trials" / "lines.ndjson").write_text(json.dumps(examples.STUDY) + "\n{broken\n")

    done = eligo("read", "trials", "--report", "out/deep", code=1)
    found = json.loads((tmp_path / "out" / "deep" / "report.json").read_text())

    assert (found["trials"], found["lines"], found["understood"]) == (4, 15, 0.8)
    assert {name: each["lines"] for name, each in found["readings"].items()} == {
        "computable": 12,
        "partial": 0,
        "judgement": 0,
        "note": 0,
        "unread": 3,
    }
    assert found["sides"]["exclusion"]["unread"] == 3
    assert [(each["words"], each["clauses"], each["trials"]) for each in found["stoppedAt"][:1]] == [
        ("frobnicated", 2, 2)
    ]
    assert found["stoppedAt"][0]["examples"][0] == {"trial": "NCT00000001", "criterion": "E2", "text": GIZMO}
    assert [each["words"] for each in found["unknownPhrases"]] == ["frobnicated gizmos"]
    assert "widget" in [each["words"] for each in found["unknownWords"]]
    assert found["time"]["seconds"] > 0
    assert found["time"]["millisecondsPerLine"] > 0
    assert {each["id"]: each["lines"] for each in found["byTrial"]} == {
        "NCT00000001": 4,
        "NCT00000002": 4,
        "NCT00000003": 4,
        "NCT00000000": 3,
    }
    assert [each["source"] for each in found["refused"]] == ["trials/lines.ndjson, line 2"]
    assert "line 2" in done.stderr
    assert "80.0% computable or partial" in done.stdout
    assert "frobnicated" in done.stdout
    assert not (tmp_path / "data").exists()


def test_the_report_for_people_says_the_same_and_no_cell_breaks_its_tables(eligo, tmp_path):
    put(tmp_path / "trials", NCT00000001=f"{GIZMO} | <b>")

    eligo("read", "trials", "--report", "out")
    text = (tmp_path / "out" / "report.md").read_text()

    assert "4 criterion lines, **75.0% computable or partial**" in text
    assert "| computable | 3 | 75.0% |" in text
    assert "\\| &lt;b>" in text
    for table in text.split("\n\n"):
        if table.startswith("|"):
            assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1, table


def test_the_report_as_json_is_the_one_that_is_written(eligo, tmp_path):
    put(tmp_path / "trials", NCT00000001=GIZMO)

    shown = json.loads(eligo("read", "--json", "trials", "--report", "out").stdout)

    assert shown == json.loads((tmp_path / "out" / "report.json").read_text())


def test_a_report_that_cannot_be_made_or_written_is_refused(eligo, tmp_path):
    put(tmp_path / "trials", NCT00000001=GIZMO)
    (tmp_path / "file").write_text("")

    assert "cannot be written" in eligo("read", "trials", "--report", "file/below", code=1).stderr
    assert "nowhere" in eligo("read", "nowhere", "--report", "out", code=2).stderr
    assert "--report" in eligo("read", "trials/NCT00000001.txt", "trials/NCT00000001.txt", code=2).stderr


def test_what_has_no_criteria_is_counted_as_read_and_divides_by_nothing(eligo, tmp_path):
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "a.json").write_text(json.dumps({"protocolSection": {}}))

    eligo("read", "trials", "--report", "out")
    found = json.loads((tmp_path / "out" / "report.json").read_text())

    assert (found["trials"], found["lines"], found["understood"]) == (1, 0, None)
    assert found["time"]["millisecondsPerLine"] is None
    assert "None." in (tmp_path / "out" / "report.md").read_text()
