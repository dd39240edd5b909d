import pytest

from recast import prompts

DOCUMENT = "# system\nBe brief.\n# user\nCode:\n{text}\n"


def test_a_frozen_prompt_never_changes():
    for name, fingerprint in prompts.frozen().items():
        assert prompts.load(name).fingerprint == fingerprint, (
            f"prompts/{name}.md was changed after tables used it. Restore it and put the new wording into a new file "
            f"with the next version number."
        )


def test_every_prompt_is_frozen_so_that_none_is_used_before_it_is_final():
    missing = {name: prompts.load(name).fingerprint for name in prompts.names() if name not in prompts.frozen()}
    assert not missing, f"add these lines to prompts/frozen.json: {missing}"


def test_a_prompt_is_known_by_its_fingerprint_and_words_that_its_file_lost_by_name_and_digits(monkeypatch):
    words = prompts.load("style_code_v1").fingerprint
    assert prompts.known()[words] == "style_code_v1"
    monkeypatch.setattr(prompts, "frozen", lambda: {"style_code_v1": "0123456789abcdef"})
    assert prompts.known()[words] == "style_code_v1"
    assert prompts.known()["0123456789abcdef"] == "style_code_v1 (01234567)"


def test_the_recipe_has_its_three_prompts():
    assert {"style_code_v1", "optimize_code_v1", "rewrite_math_v1"} <= set(prompts.names())


def test_an_unknown_name_is_refused_in_one_line_that_lists_those_known():
    with pytest.raises(LookupError) as refused:
        prompts.load("style_code_v0")
    assert "\n" not in str(refused.value)
    assert all(name in str(refused.value) for name in prompts.names())


def test_a_name_cannot_reach_out_of_the_folder():
    with pytest.raises(LookupError):
        prompts.load("../prompts/style_code_v1")


def test_a_file_falls_into_its_two_parts():
    prompt = prompts.parse("brief_v12", DOCUMENT)
    assert (prompt.version, prompt.system, prompt.user) == (12, "Be brief.", "Code:\n{text}")


def test_the_document_stands_in_a_python_fence_where_the_prompt_is_about_code():
    assert prompts.load("style_code_v1").user == "```python\n{text}\n```"


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("brief", DOCUMENT),
        ("brief_v0", DOCUMENT),
        ("brief_v1", "# user\n{text}\n"),
        ("brief_v1", "# system\nBe brief.\n"),
        ("brief_v1", "# system\nBe brief.\n# user\nno slot\n"),
        ("brief_v1", "# system\nBe brief.\n# user\n{text} {text}\n"),
        ("brief_v1", "# system\nBe {text}.\n# user\n{text}\n"),
    ],
)
def test_a_file_that_breaks_the_form_is_refused_in_one_line(name, document):
    with pytest.raises(ValueError, match=name) as refused:
        prompts.parse(name, document)
    assert "\n" not in str(refused.value)


def test_the_fingerprint_is_of_the_words_and_not_of_the_name():
    one, other = prompts.parse("brief_v1", DOCUMENT), prompts.parse("short_v7", DOCUMENT)
    changed = prompts.parse("brief_v1", DOCUMENT.replace("brief.", "brief!"))
    assert one.fingerprint == other.fingerprint != changed.fingerprint


def test_the_fingerprint_tells_where_one_part_ends():
    one = prompts.parse("a_v1", "# system\nA B\n# user\n{text}\n")
    other = prompts.parse("a_v1", "# system\nA\n# user\nB {text}\n")
    assert one.fingerprint != other.fingerprint


def test_the_reply_that_the_style_prompt_asks_for_is_one_we_can_read():
    instruction = prompts.load("style_code_v1").system
    assert "Rating: N/10" in instruction
    assert "## Improved code" in instruction
