"""What the pages tell is what the contracts say, every link leads somewhere, and a site is whole or not written."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from mbp.contracts import load_contracts
from mbp.contracts.hook_policy import load_hooks
from mbp.core.errors import MbpError
from mbp.release.documents.command_lines import objection_to_mention
from mbp.release.website import roles as role_file
from mbp.release.website.diagram import diagram, relationships
from mbp.release.website.pages import DBT, pages
from mbp.release.website.roles import load_roles
from mbp.release.website.write_site import MARK, write_site
from mbp.runs.dbt_process import environment


class Read(HTMLParser):
    """Ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "a":
            self.links.append(str(given.get("href")))


@pytest.fixture(scope="module")
def read(site: Path) -> dict[str, Read]:
    found = {
        path.relative_to(site).as_posix(): Read(path.read_text())
        for path in site.rglob("*.html")
        if path.name != DBT
    }
    assert len(found) > 40
    return found


def test_every_link_leads_to_a_place_that_is_there(site: Path, read: dict[str, Read]) -> None:
    models = (site / DBT).read_text()
    seen = 0
    for name, page in read.items():
        assert len(page.ids) == len(set(page.ids)), name
        for link in page.links:
            if link.startswith("https://"):
                continue
            path, _, part = unquote(link).partition("#")
            target = ((site / name).parent / path).resolve() if path else site / name
            assert target.is_file(), f"{name}: {link}"
            if target.name == DBT and part:
                assert f'"{part.removeprefix("!/model/")}"' in models, f"{name}: {link}"
            elif part and not name.startswith("docs/"):
                assert part in read[target.relative_to(site.resolve()).as_posix()].ids, (
                    f"{name}: {link}"
                )
            seen += 1
    assert seen > 1000


def test_each_column_leads_to_its_rules_and_each_rule_back(
    project_root: Path, site: Path, read: dict[str, Read]
) -> None:
    linked = 0
    for contract in load_contracts(project_root):
        page = read[f"{contract.dataset}.html"]
        text = (site / f"{contract.dataset}.html").read_text()
        for rule in contract.rules:
            row = re.search(rf'<tr id="rule-{rule.id}">.*?</tr>', text, re.DOTALL)
            assert row, rule.id
            for column in rule.columns:
                if "." in column:
                    continue
                assert f'href="#column-{column}"' in row[0]
                own = re.search(rf'<tr id="column-{column}">.*?</tr>', text, re.DOTALL)
                assert own
                assert f'href="#rule-{rule.id}"' in own[0]
                linked += 1
        assert f"dbt.html#!/model/model.mbp.{contract.dataset}" in page.links
    assert linked > 80


def test_words_kpis_and_metrics_are_all_there(project_root: Path, read: dict[str, Read]) -> None:
    kpis = load_hooks(project_root).sheet.kpis
    ids = read["kpis.html"].ids
    assert {f"kpi-{name}" for name in kpis} == {one for one in ids if one.startswith("kpi-")}
    glossary = (project_root / "contracts/a87/glossary.yaml").read_text()
    words = [one for one in read["glossary.html"].ids if one.startswith("term-")]
    assert len(words) == glossary.count("- term:")
    metrics = (project_root / "contracts/a87/business_metrics.yaml").read_text()
    assert sum(one.startswith("metric-") for one in ids) == len(
        re.findall(r"^  - id:", metrics, re.MULTILINE)
    )


def test_each_role_has_a_way_of_commands_that_exist(read: dict[str, Read]) -> None:
    roles = load_roles()
    assert {one.id for one in roles} == {"analyst", "data_engineer", "on_call", "release_owner"}
    for role in roles:
        assert f"{role.id}.html" in read
        commands = [step.command for step in role.steps if step.command]
        assert commands
        for command in commands:
            assert objection_to_mention(command.split()[1:]) is None, command


def test_a_role_that_is_led_nowhere_is_refused(
    project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled = tmp_path / "roles.yaml"
    spoiled.write_text(role_file.FILE.read_text().replace("docs/gate.md", "docs/gone.md"))
    monkeypatch.setattr(role_file, "FILE", spoiled)
    with pytest.raises(MbpError, match=r"docs/gone\.md, which is not there"):
        pages(project_root)


def test_the_diagram_draws_every_reference_the_same_way_each_time(project_root: Path) -> None:
    contracts = load_contracts(project_root)
    drawn = diagram(contracts)
    assert drawn == diagram(list(reversed(contracts)))
    found = relationships(contracts)
    references = [column for one in contracts for column in one.columns if column.reference]
    assert len(found) == len(references) > 0
    assert drawn.count('class="diagram-ring"') == len(found)
    assert drawn.count('class="diagram-text"') == sum(len(one.columns) for one in contracts)
    # A market has many quotes, and at most one resolution.
    many = {one.dataset: one.many for one in found}
    assert (many["mbp_quotes"], many["mbp_resolutions"]) == (True, False)


def test_a_circle_of_references_is_drawn_too(project_root: Path) -> None:
    quotes, markets = (
        next(one for one in load_contracts(project_root) if one.dataset == name)
        for name in ("mbp_quotes", "mbp_markets")
    )
    reference = next(column.reference for column in quotes.columns if column.reference)
    back = replace(reference, dataset="mbp_quotes", column="quote_id")
    columns = (replace(markets.columns[0], reference=back), *markets.columns[1:])
    assert "<svg" in diagram([quotes, replace(markets, columns=columns)])


def test_a_text_cannot_become_markup(project_root: Path) -> None:
    (one, *_) = load_contracts(project_root)
    hostile = replace(one, columns=(replace(one.columns[0], physical_type="<script>x</script>"),))
    assert "<script>" not in diagram([hostile])


def test_the_overview_of_dbt_leads_into_the_site(site: Path, dbt_target: Path) -> None:
    within, beside = (site / DBT).read_text(), (dbt_target / "static_index.html").read_text()
    for page in ("index", "analyst", "on_call", "glossary", "kpis", "diagram", "mbp_quotes"):
        assert f"](site/{page}.html)" in beside
        assert f"]({page}.html)" in within
    assert "](site/" not in within


def test_a_site_is_replaced_as_a_whole(
    project_root: Path, dbt_target: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "site"
    with environment({"DBT_TARGET_PATH": str(dbt_target)}):
        write_site(project_root, folder)
        (folder / "old.html").touch()
        write_site(project_root, folder)
    assert not (folder / "old.html").exists()
    assert [one.name for one in tmp_path.iterdir()] == ["site"]


def test_a_folder_of_somebody_is_left_alone(
    project_root: Path, dbt_target: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").touch()
    with (
        environment({"DBT_TARGET_PATH": str(dbt_target)}),
        pytest.raises(MbpError, match="is no site"),
    ):
        write_site(project_root, tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]


def test_without_dbt_docs_nothing_is_written(project_root: Path, tmp_path: Path) -> None:
    with environment({"DBT_TARGET_PATH": str(tmp_path / "target")}):
        with pytest.raises(MbpError, match="make site"):
            write_site(project_root, tmp_path / "site")
        page = tmp_path / "target" / "static_index.html"
        page.parent.mkdir()
        page.write_text("<html>of another project</html>")
        with pytest.raises(MbpError, match="does not show mbp_"):
            write_site(project_root, tmp_path / "site")
    assert not (tmp_path / "site").exists()
    assert MARK not in [one.name for one in tmp_path.rglob("*")]
