"""`eligo import`: every form, many at once, from a register, and again after it broke off."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from app.api import examples

if TYPE_CHECKING:
    from collections.abc import Iterator


class Answer(NamedTuple):
    """What the register answers once."""

    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


class Register(NamedTuple):
    """A register on loopback: its address, what it was asked, and what it answers to each number, in order."""

    url: str
    asked: list[str]
    answers: dict[str, list[Answer]]


@contextmanager
def registering(**answers: list[Answer]) -> Iterator[Register]:
    """A real HTTP server that answers with what was recorded; the last answer to a number is given again."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            waiting = answers.get(self.path.rpartition("/")[2], [Answer(404)])
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            self.send_response(answer.status)
            body = answer.body.encode()
            for name, value in (*answer.headers, ("Content-Length", str(len(body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Register(f"http://127.0.0.1:{server.server_address[1]}/api/v2", asked, answers)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def study(number: str, age: int = 18) -> str:
    told = json.loads(json.dumps(examples.STUDY))
    told["protocolSection"]["identificationModule"]["nctId"] = number
    told["protocolSection"]["eligibilityModule"]["minimumAge"] = f"{age} Years"
    return json.dumps(told)


def ids(stdout: str) -> list[str]:
    return [line.split()[0] for line in stdout.splitlines() if " version " in line]


def test_every_form_is_told_by_what_is_in_the_file(eligo, tmp_path):
    number = "NCT0000000"
    (tmp_path / "1.xml").write_text(examples.STUDY_XML.replace("NCT00000000", f"{number}1"))
    (tmp_path / "2.json").write_text(json.dumps({**examples.CRITERIA_LIST, "nct_id": f"{number}2"}))
    (tmp_path / "3.json").write_text(json.dumps({**examples.RESEARCH_STUDY, "identifier": [{"value": f"{number}3"}]}))
    (tmp_path / "4.json").write_text(study(f"{number}4"))
    (tmp_path / "5.csv").write_text(examples.ROW.replace("NCT00000000", f"{number}5"))
    (tmp_path / "6.txt").write_text(examples.PAGE.replace("NCT00000000", f"{number}6"))
    # The same under a name that says nothing.
    (tmp_path / "7").write_text(examples.STUDY_XML.replace("NCT00000000", f"{number}7"))
    (tmp_path / "8").write_text(study(f"{number}8"))
    (tmp_path / "9").write_text(examples.ROW.replace("NCT00000000", f"{number}9"))

    done = eligo("import", ".", "7", "8", "9")

    assert sorted(ids(done.stdout)) == [f"{number}{each}" for each in range(1, 10)]
    assert done.stdout.splitlines()[-1] == "9 new, 0 as before, 0 refused."


def test_many_trials_of_one_file_are_imported_one_by_one_and_a_broken_one_stops_none(eligo, tmp_path):
    (tmp_path / "lines.ndjson").write_text(f"{study('NCT00000001')}\n{{broken\n\n{study('NCT00000002')}\n")
    (tmp_path / "array.json").write_text(f"[{study('NCT00000003')}, {{}}, {study('NCT00000004')}]")
    (tmp_path / "search.json").write_text(f'{{"studies": [{study("NCT00000005")}], "nextPageToken": "x"}}')
    header, row = examples.ROW.split("\n", 1)
    (tmp_path / "table.csv").write_text(
        f"{header}\n{row.replace('NCT00000000', 'NCT00000006')}{header}\n{row.replace('NCT00000000', 'NCT00000007')}"
    )

    done = eligo("import", ".", code=1)

    assert sorted(ids(done.stdout)) == [f"NCT0000000{each}" for each in range(1, 8)]
    assert done.stdout.splitlines()[-1] == "7 new, 0 as before, 2 refused."
    assert "lines.ndjson, line 2:" in done.stderr
    assert "array.json, trial 2:" in done.stderr


def test_what_a_file_is_called_is_its_number_where_its_text_has_none(eligo, tmp_path):
    (tmp_path / "NCT00000001.txt").write_text(examples.CRITERIA)
    (tmp_path / "notes.txt").write_text(examples.CRITERIA.replace("75", "76"))

    names = ids(eligo("import", ".").stdout)

    assert names[0] == "NCT00000001"
    assert names[1].startswith("trial-")


def test_each_trial_is_told_with_what_was_understood(eligo, tmp_path):
    text = examples.PAGE.replace("Pregnant or breastfeeding women", "Frobnication of the gizmo")
    (tmp_path / "page.txt").write_text(text)

    plain = eligo("import", "page.txt").stdout.splitlines()
    told = json.loads(eligo("import", "--json", "page.txt").stdout)

    assert plain == [
        "NCT00000000 version 1 (new): 3 criteria: 2 computable, 1 unread.",
        "3 criteria: 2 computable, 1 unread.",
        "1 new, 0 as before, 0 refused.",
    ]
    assert (told["id"], told["version"], told["isNew"]) == ("NCT00000000", 1, False)
    assert told["criteria"] == {"computable": 2, "partial": 0, "judgement": 0, "note": 0, "unread": 1}


def test_numbers_are_fetched_from_the_register_that_the_settings_name(eligo):
    with registering(NCT00000001=[Answer(200, study("NCT00000001"))]) as register:
        first = eligo("import", "nct00000001", "NCT00000002", code=1, ELIGO_REGISTRY_URL=f"{register.url}/")
        again = eligo("import", "NCT00000001", ELIGO_REGISTRY_URL=register.url)

    assert register.asked == [f"/api/v2/studies/NCT0000000{each}" for each in (1, 2, 1)]
    assert ids(first.stdout) == ["NCT00000001"]
    assert "The register has no study NCT00000002." in first.stderr
    assert first.stdout.splitlines()[-1] == "1 new, 0 as before, 1 refused."
    assert again.stdout.splitlines()[-1] == "0 new, 1 as before, 0 refused."


def test_a_number_that_the_register_has_given_up_is_told_with_the_one_it_has_now(eligo):
    with registering(NCT00000002=[Answer(200, study("NCT00000001"))]) as register:
        done = eligo("import", "NCT00000002", ELIGO_REGISTRY_URL=register.url)

    assert ids(done.stdout) == ["NCT00000001"]
    assert "The register knows NCT00000002 as NCT00000001." in done.stderr


def test_a_trial_is_taken_from_standard_input(eligo):
    assert ids(eligo("import", "-", stdin=study("NCT00000001")).stdout) == ["NCT00000001"]


@pytest.mark.parametrize("busy", [429, 503])
def test_a_busy_register_is_asked_again_when_it_says(eligo, busy):
    later = Answer(busy, "", (("Retry-After", "0"),))
    with registering(NCT00000001=[later, later, Answer(200, study("NCT00000001"))]) as register:
        done = eligo("import", "NCT00000001", ELIGO_REGISTRY_URL=register.url)

    assert len(register.asked) == 3
    assert ids(done.stdout) == ["NCT00000001"]


def test_a_register_that_stays_away_or_answers_nonsense_is_told(eligo):
    never = Answer(503, "", (("Retry-After", "0"),))
    page = Answer(200, "<html>", (("Content-Type", "text/html"),))
    with registering(
        NCT00000001=[never], NCT00000002=[page], NCT00000003=[Answer(403)], NCT00000004=[Answer(200, "{}")]
    ) as register:
        done = eligo(
            "import",
            "NCT00000001",
            "NCT00000002",
            "NCT00000003",
            "NCT00000004",
            code=1,
            ELIGO_REGISTRY_URL=register.url,
        )

    assert len(register.asked) == 5 + 3
    for told in ("answered 503", "text/html, not JSON", "answered 403", "protocolSection", "ELIGO_REGISTRY_URL"):
        assert told in done.stderr
    assert done.stdout == "0 new, 0 as before, 4 refused.\n"


def test_an_import_that_broke_off_goes_on_where_it_stopped(eligo, tmp_path):
    (tmp_path / "a.json").write_text(study("NCT00000001"))
    (tmp_path / "b.json").write_text("{}")
    with registering(NCT00000003=[Answer(200, study("NCT00000003"))]) as register:
        arguments = ("import", "--journal", "done.log", "a.json", "b.json", "NCT00000003")
        eligo(*arguments, code=1, ELIGO_REGISTRY_URL=register.url)
        (tmp_path / "b.json").write_text(study("NCT00000002"))
        second = eligo(*arguments, ELIGO_REGISTRY_URL=register.url)
        (tmp_path / "a.json").write_text(study("NCT00000001", age=21))
        third = eligo(*arguments, ELIGO_REGISTRY_URL=register.url)

    assert ids(second.stdout) == ["NCT00000002"]
    assert second.stdout.splitlines()[-1] == "1 new, 0 as before, 0 refused, 2 done in an earlier run."
    assert "NCT00000001 version 2 (next version)" in third.stdout
    assert len(register.asked) == 1


def test_a_file_that_is_no_journal_is_left_alone(eligo, tmp_path):
    (tmp_path / "page.txt").write_text(examples.PAGE)

    assert "journal" in eligo("import", "--journal", "page.txt", "page.txt", code=1).stderr
    assert (tmp_path / "page.txt").read_text() == examples.PAGE


def test_the_registrations_of_the_reference_material_are_all_imported_and_twice_changes_nothing(eligo, shared):
    folder = str(shared / "data" / "trials")

    first = eligo("import", folder).stdout.splitlines()
    again = eligo("import", folder).stdout.splitlines()

    # 39 studies, 3 in XML, 6 lists, 7 texts, 20 rows of a table; and one of the studies again as FHIR, which is another
    # version of it each time.
    assert first[-1] == "76 new, 0 as before, 0 refused."
    assert again[-1] == "2 new, 74 as before, 0 refused."
