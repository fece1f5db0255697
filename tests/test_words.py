"Pages and messages are written in short sentences, and tutorials are short."

import pytest

import words

TEXT = """# A heading that counts for nothing

Two words. Fastai's `x = 1. Y`, see [a link](page.ipynb), e.g. here, has ten words! $$a. B$$

| a table | nothing |
|---|---|
- An item of five words
- Another. It has
  a line more

```
no words. At all
```
"""


def test_sentences_are_found():
    assert words.sentences(TEXT) == [
        "Two words.",
        "Fastai's `code`, see a link, e.g. here, has ten words!",
        "An item of five words",
        "Another.",
        "It has a line more",
    ]
    assert [words.words(s) for s in words.sentences(TEXT)] == [2, 10, 5, 1, 5]


def test_a_long_sentence_is_found(tmp_path):
    page = tmp_path / "start.md"
    page.write_text("Short one. " * 40 + "Word " + "word " * 35 + "end.\n")
    assert [line.split(":")[0] for line in words.too_much(page)] == ["37 words"]
    page.write_text("word " * 20 + "end.\n")
    assert words.too_much(page) == ["21.0 words a sentence (at most 16)"]
    page.write_text("Four words in this. " * 400)
    assert words.too_much(page) == ["1600 words (a tutorial has at most 1200)"]


def test_a_long_message_is_found(tmp_path):
    module = tmp_path / "module.py"
    module.write_text("def f(x):\n    raise ValueError(f'" + "word " * 35 + "{x} and more')\n")
    assert [line.split(":")[0] for line in words.long_strings(module)] == ["38 words"]
    module.write_text("def f(x):\n    raise ValueError(f'" + "Four words in this. " * 35 + "{x} and more')\n")
    assert words.long_strings(module) == []


@pytest.mark.parametrize("path", words.pages(), ids=lambda path: path.name)
def test_pages_have_short_sentences(path):
    assert words.too_much(path) == []


@pytest.mark.parametrize("path", words.modules(), ids=lambda path: path.name)
def test_messages_have_short_sentences(path):
    assert words.long_strings(path) == []
