# SPDX-License-Identifier: MIT
"""An oracle for pages: what the standard library's parser sees in them."""

from html.parser import HTMLParser

VOID = frozenset({"meta", "img", "br", "hr", "link", "input", "wbr"})
SELF_CLOSING = frozenset({"path", "line", "circle"})
CELLS = frozenset({"td", "th"})
HEADINGS = {f"h{level}": level for level in range(1, 7)}


class Page(HTMLParser):
    """Elements, addresses, headings and nesting faults of a page."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.faults = [], [], []
        self.headings, self.text, self.ids = [], [], []
        self.feed(text)
        self.close()
        self.faults += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes), tuple(self.open)))
        if tag in HEADINGS:
            self.headings.append(HEADINGS[tag])
        if "id" in dict(attributes):
            self.ids.append(dict(attributes)["id"])
        if tag == "p" and "p" in self.open:
            self.faults.append("<p> inside <p>")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        if tag not in SELF_CLOSING:
            self.faults.append(f"<{tag}/>")
        self.tags.append((tag, dict(attributes), tuple(self.open)))

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self.open[-1:]} at {self.getpos()}")
        else:
            self.open.pop()
        if tag in CELLS:
            self.text.append(" ")

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text.append(data)

    @property
    def words(self):
        return " ".join("".join(self.text).split())

    def all(self, tag):
        return [attributes for name, attributes, _ in self.tags if name == tag]
