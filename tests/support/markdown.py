"""What stands in a Markdown page: links, headings, code."""

from __future__ import annotations

import re
from collections import Counter

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_LINKED = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def links(text: str) -> list[str]:
    """Where each link and picture of a page leads, in order."""
    return _LINK.findall(_CODE.sub("", _FENCED.sub("", text)))


def snippets(text: str) -> list[str]:
    """What stands between backticks in the sentences and tables of a page; line breaks inside count as blanks."""
    prose = _FENCED.sub("", text)
    return _CODE.findall(re.sub(r"(?<=\S)\n(?=[^\s|#-])", " ", prose))


def blocks(text: str, language: str) -> list[str]:
    """The fenced code in one language, in order."""
    return [code for name, code in _FENCED.findall(text) if name == language]


def anchors(text: str) -> set[str]:
    """Where links to a page's headings lead, as GitHub names them: a repeated one gets a number."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCED.sub("", text)):
        words = _LINKED.sub(r"\1", heading).replace("`", "").lower()
        anchor = re.sub(r"[^\w -]", "", words).strip().replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found
