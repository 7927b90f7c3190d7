"""Every form in which AWS CLI output comes, read as a stream of elements."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sg_compliance.errors import InputError
from sg_compliance.local.documents import ENTRIES, GROUPS, INTERFACES, PREFIX_LISTS, RULES, JsonFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE, TWO, THREE = ({"GroupId": f"sg-{number}", "GroupName": "web", "IpPermissions": []} for number in (1, 2, 3))
KEYS = (GROUPS, RULES, PREFIX_LISTS, ENTRIES, INTERFACES)


@pytest.fixture
def file_of(tmp_path: Path) -> Callable[[str | bytes], JsonFile]:
    def written(content: str | bytes) -> JsonFile:
        path = tmp_path / "groups.json"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return JsonFile(path)

    return written


def pretty(value: object) -> str:
    return json.dumps(value, indent=4) + "\n"


def lines(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def page(*groups: object) -> dict[str, Any]:
    return {GROUPS: list(groups)}


FORMS = {
    "one pretty document": pretty(page(ONE, TWO, THREE)),
    "one compact document": json.dumps(page(ONE, TWO, THREE)),
    "one compact document with a newline": lines(page(ONE, TWO, THREE)),
    "pretty documents, one after the other": pretty(page(ONE)) + pretty(page(TWO, THREE)),
    "a compact document before a pretty one": lines(page(ONE)) + pretty(page(TWO, THREE)),
    "compact documents before a pretty one": lines(page(ONE), page(), page(TWO)) + pretty(page(THREE)),
    "groups after objects that say nothing": pretty({})
    + pretty({"Next": [{"x": 1}]})
    + pretty(ONE)
    + pretty(page(TWO, THREE)),
    "a pretty document before a compact one": pretty(page(ONE)) + lines(page(TWO, THREE)),
    "documents without anything between them": json.dumps(page(ONE)) + json.dumps(page(TWO, THREE)),
    "an array of groups": json.dumps([ONE, TWO, THREE]),
    "a pretty array of groups": pretty([ONE, TWO, THREE]),
    "an array of documents": pretty([page(ONE), page(TWO, THREE)]),
    "several arrays of groups": lines([ONE], [TWO, THREE]),
    "JSON Lines of groups": lines(ONE, TWO, THREE),
    "JSON Lines of documents": lines(page(ONE), page(TWO, THREE)),
    "JSON Lines of groups and documents": lines(ONE, page(TWO), THREE),
    "JSON Lines with blank lines": "\n" + lines(ONE) + "\n  \n" + lines(TWO, THREE) + "\n",
    "JSON Lines that end without a newline": lines(ONE, TWO, THREE).rstrip("\n"),
    "JSON Lines from Windows": lines(ONE, TWO, THREE).replace("\n", "\r\n"),
    "one group after the other, pretty": pretty(ONE) + pretty(TWO) + pretty(THREE),
    "groups in an object of which other keys come first": pretty({"Next": ONE, **page(ONE, TWO, THREE)}),
    "other lists before and after": pretty({RULES: [{"GroupId": "no"}], **page(ONE, TWO, THREE), INTERFACES: []}),
}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
@pytest.mark.parametrize("form", FORMS)
def test_groups_are_found_in_every_form(form: str, mark: bytes, file_of: Callable[[str | bytes], JsonFile]) -> None:
    assert list(file_of(mark + FORMS[form].encode()).elements(GROUPS)) == [ONE, TWO, THREE]


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"Reservations": [{"Instances": [page(ONE)]}]}),
        json.dumps({"deeper": page(ONE)}),
        json.dumps({GROUPS: None}),
        json.dumps({GROUPS: ONE}),
        json.dumps({"GroupSet": [ONE]}),
        json.dumps({"Tags": [{"Key": "x", "GroupId": "sg-1"}]}),
        json.dumps("SecurityGroups"),
        json.dumps([[page(ONE)]]),
        "3",
    ],
)
def test_what_is_not_at_the_top_of_a_document_is_no_group(
    content: str, file_of: Callable[[str | bytes], JsonFile]
) -> None:
    file = file_of(content)
    assert list(file.elements(GROUPS)) == []
    assert not file.has_list(GROUPS)


def test_an_empty_list_is_a_list(file_of: Callable[[str | bytes], JsonFile]) -> None:
    for content in (page(), [page()]):
        for text in (json.dumps(content), pretty(content)):
            file = file_of(text)
            assert list(file.elements(GROUPS)) == []
            assert file.has_list(GROUPS)
            assert not file.has_list(RULES)


def test_elements_that_are_no_objects_are_handed_out_as_they_are(file_of: Callable[[str | bytes], JsonFile]) -> None:
    for text in (json.dumps, pretty):
        assert list(file_of(text(page(ONE, None, 7, "x", [ONE]))).elements(GROUPS)) == [ONE, None, 7, "x", [ONE]]


def test_a_bare_element_belongs_to_the_list_that_its_most_telling_id_names(
    file_of: Callable[[str | bytes], JsonFile],
) -> None:
    rule = {"PrefixListId": "pl-1", "GroupId": "sg-1", "SecurityGroupRuleId": "sgr-1"}
    interface = {"Groups": [ONE], "NetworkInterfaceId": "eni-1"}
    prefix_list = {"PrefixListId": "pl-1", "PrefixListName": "office"}
    for content in (
        lines(ONE, rule, interface, prefix_list),
        "".join(map(pretty, (ONE, rule, interface, prefix_list))),
        pretty([ONE, rule, interface, prefix_list]),
    ):
        file = file_of(content)
        found = {key: list(file.elements(key)) for key in KEYS}
        assert found == {
            GROUPS: [ONE],
            RULES: [rule],
            INTERFACES: [interface],
            PREFIX_LISTS: [prefix_list],
            ENTRIES: [],
        }


def test_a_key_is_found_wherever_it_stands(file_of: Callable[[str | bytes], JsonFile]) -> None:
    for ahead in (0, 1, (1 << 18) - 20, (1 << 18) - 8, 1 << 18, 3 << 18):
        file = file_of(" " * ahead + json.dumps(page(ONE)))
        assert file.mentions(GROUPS), ahead
        assert file.mentions("IpPermissions"), ahead
        assert not file.mentions(INTERFACES), ahead
    assert not file_of("SecurityGroups").mentions(GROUPS)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe",
        b"{",
        b"x",
        b'{"SecurityGroups": [}',
        b'{"SecurityGroups": ["\xff"]}',
        b"[1, 2",
        b"",
        b" \n\n",
        b"{} x",
    ],
)
def test_what_is_no_json_is_an_input_error_with_the_name_and_one_line(
    content: bytes, file_of: Callable[[str | bytes], JsonFile]
) -> None:
    with pytest.raises(InputError, match=r"groups\.json: not the JSON that was expected: [^\n]+$") as caught:
        list(file_of(content).elements(GROUPS))
    assert "describe-security-groups" in caught.value.hint
    assert "b'" not in str(caught.value)


def test_a_broken_line_is_named_by_its_number(file_of: Callable[[str | bytes], JsonFile]) -> None:
    found: list[Any] = []
    with pytest.raises(InputError, match="line 3 on: "):
        found.extend(file_of(lines(ONE) + "\n" + '{"GroupId": oops}\n' + lines(TWO)).elements(GROUPS))


def test_nesting_that_no_parser_follows_is_an_input_error(file_of: Callable[[str | bytes], JsonFile]) -> None:
    deep = "[" * 3000
    with pytest.raises(InputError):
        list(file_of(f'{{"SecurityGroups": [{{"GroupId": {deep}\n').elements(GROUPS))


def test_a_number_that_no_parser_holds_is_an_input_error(file_of: Callable[[str | bytes], JsonFile]) -> None:
    with pytest.raises(InputError):
        list(file_of(f'{{"SecurityGroups": [{{"GroupId": {"9" * 5000}}}]}}').elements(GROUPS))


def test_a_file_that_is_not_there_or_is_a_folder_is_an_input_error(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            list(JsonFile(path).elements(GROUPS))
        with pytest.raises(InputError, match="cannot be read"):
            JsonFile(path).mentions(GROUPS)


def whole(elements: list[Any]) -> bool:
    return elements == [ONE, TWO, THREE][: len(elements)]


@pytest.mark.parametrize("form", FORMS)
def test_cut_at_every_byte_a_file_gives_what_stands_before_and_no_other_error(
    form: str, file_of: Callable[[str | bytes], JsonFile]
) -> None:
    content = FORMS[form].encode()
    for length in range(len(content)):
        file = file_of(content[:length])
        found: list[Any] = []
        try:
            found.extend(file.elements(GROUPS))
            complete = True
        except InputError:
            complete = False
        assert whole(found), length
        rest = content[length:].strip()
        if complete and rest and content[:length].strip():
            assert not rest.startswith((b"]", b"}", b",")), f"a break at {length} that nobody heard of"


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(sorted(FORMS)), data=st.data())
def test_a_damaged_file_gives_elements_or_an_input_error(form: str, data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(FORMS[form].encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(
            st.one_of(
                st.binary(max_size=4), st.sampled_from([b"{", b"}", b"[", b"]", b'"', b"\\", b",", b"\n", b"null"])
            )
        )
        content = content or bytearray(b" ")
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    for key in KEYS:
        try:
            list(JsonFile(path).elements(key))
        except InputError as error:
            assert "damaged.json" in str(error)  # noqa: PT017 - either outcome is right, no other is
