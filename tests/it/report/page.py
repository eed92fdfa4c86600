"""Reads a page from standard input and prints what is wrong with it: nothing, or a line each. Standard library only."""

import html.parser, re, sys

VOID = {"meta", "link", "img", "br", "hr", "input", "base", "col", "source", "embed"}
HEADINGS = {f"h{n}": n for n in range(1, 7)}
# What would fetch or run something.
FOREIGN = re.compile(r"https?:|src=|@import|url\(|<script|<link|<iframe|<object|<embed|<base|javascript:", re.I)

class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.wrong, self.heading, self.tables, self.ids, self.labels = [], [], 0, [], [], []
        self.title = False

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.wrong += [f"from elsewhere: {name}" for name in attributes if name.startswith("on")]
        if tag == "html" and not attributes.get("lang"):
            self.wrong.append("html: no lang")
        if tag == "title":
            self.title = True
        if tag in HEADINGS:
            if HEADINGS[tag] > self.heading + 1:
                self.wrong.append(f"{tag} after h{self.heading}")
            self.heading = HEADINGS[tag]
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if "aria-labelledby" in attributes:
            self.labels.append(attributes["aria-labelledby"])
        if tag == "table":
            self.tables.append([])
        if self.tables and "table" in self.open:
            self.tables[-1].append(tag)
        if tag == "th" and attributes.get("scope") not in ("col", "row", "rowgroup"):
            self.wrong.append("th: no scope")

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.wrong.append(f"</{tag}> closes {self.open[-1:]}")
        if tag in self.open:
            while self.open.pop() != tag:
                pass

def luminance(colour):
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

def pale(text):
    """Pairs of text and ground with less contrast than WCAG 2.2, 1.4.3 (AA) asks for."""
    pairs = [(ink, ground) for ink in ("ink", "soft") for ground in ("paper", "card", "band")]
    pairs += [(word, f"{word}-bg") for word in ("kept", "risk", "broken", "unknown")]
    schemes = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", text, re.S)]
    if len(schemes) != 3:
        yield f"{len(schemes)} schemes of colours, expected those for light, dark and print"
    for colours in schemes:
        for ink, ground in pairs:
            low, high = sorted(luminance(colours.get(name, "#000000")) for name in (ink, ground))
            if (high + 0.05) / (low + 0.05) < 4.5:
                yield f"{ink} on {ground}: too little contrast"

text = sys.stdin.read()
page = Page()
page.feed(text)
page.close()
wrong = page.wrong + [f"<{tag}> is not closed" for tag in page.open]
if not text.startswith("<!DOCTYPE html>"):
    wrong.append("no doctype")
if not page.title:
    wrong.append("no title")
wrong += [f"id {one} is there twice" for one in set(page.ids) if page.ids.count(one) > 1]
wrong += [f"nothing has the id {one}" for one in page.labels if one not in page.ids]
for number, tags in enumerate(page.tables):
    if tags[1:2] != ["caption"]:
        wrong.append(f"table {number}: no caption")
    if "thead" not in tags or "tbody" not in tags:
        wrong.append(f"table {number}: no head or no body")
wrong += pale(text)
# Escaped text may hold anything; a tag may not.
markup = re.sub(r"&[a-z#0-9]+;", "", text)
wrong += [f"from elsewhere: {found.group()}" for found in FOREIGN.finditer(markup)]
print("\n".join(wrong), end="\n" if wrong else "")
