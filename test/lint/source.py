# SPDX-License-Identifier: Apache-2.0
"""Reading C for the lints: the files, and their text without comments or strings (lines keep their numbers)."""
import functools
import glob
import os
import re
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def files(*patterns):
    """Paths from the root, sorted."""
    return sorted(p for pattern in patterns for p in glob.glob(pattern, root_dir=ROOT, recursive=True))


def product_files():
    return files("include/**/*.h", "src/**/*.[ch]", "src/**/*.def", "roles/**/*.[ch]", "roles/**/*.def")


def c_files():
    return product_files() + files("test/**/*.[ch]")


@functools.lru_cache(maxsize=None)
def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def blank(match):
    return re.sub(r"[^\n]", " ", match.group())


@functools.lru_cache(maxsize=None)
def without_comments(path):
    return TOKENS.sub(lambda m: m.group() if m.group()[0] in "\"'" else blank(m), text(path))


@functools.lru_cache(maxsize=None)
def code(path):
    """Neither comments nor what stands in quotes."""
    return TOKENS.sub(blank, text(path))


def line_of(source, offset):
    return source.count("\n", 0, offset) + 1


def strings(path):
    """(line, text) of each string literal; neighbours joined as the compiler does."""
    source = without_comments(path)
    literal = r'"(?:\\.|[^"\\\n])*"'
    for m in re.finditer(literal + r"(?:\s*" + literal + ")*", source):
        if not re.search(r"#\s*include\s*$", source[:m.start()].rsplit("\n", 1)[-1]):
            yield line_of(source, m.start()), re.sub(r'"\s*"', "", m.group())[1:-1]


class Function:
    def __init__(self, path, name, first, lines, complexity):
        self.path, self.name, self.first, self.lines, self.complexity = path, name, first, lines, complexity

    def body(self):
        return "\n".join(code(self.path).split("\n")[self.first - 1:self.first - 1 + self.lines])


@functools.lru_cache(maxsize=None)
def functions(paths):
    """By pmccabe; paths is a tuple. It takes some structs for classes: their names go, its words about them too."""
    found = []
    output = subprocess.run(["pmccabe", *paths], cwd=ROOT, text=True, check=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL).stdout
    for line in output.splitlines():
        m = re.match(r"(\d+)\t\d+\t\d+\t(\d+)\t(\d+)\t(.+)\(\d+\): (\S+)", line)
        if m:
            found.append(Function(m[4], m[5].rpartition("::")[2], int(m[2]), int(m[3]), int(m[1])))
    return found
