# SPDX-License-Identifier: Apache-2.0
"""Lints about how the C reads: format, banned functions, headers alone, sizes, how a file opens."""
import concurrent.futures
import os
import re
import shlex
import statistics
import subprocess

import source

BANNED = {
    "strcpy": "struct str or buf_add", "strcat": "buf_add", "strncpy": "memcpy with a length",
    "strncat": "buf_add", "stpcpy": "buf_add", "sprintf": "snprintf or buf_printf", "vsprintf": "vsnprintf",
    "strtok": "str_split", "strtok_r": "str_split", "atoi": "str_to_i64", "atol": "str_to_i64",
    "atoll": "str_to_i64", "atof": "strtod with its end checked", "gets": "fgets", "alloca": "the arena",
    "setjmp": "nothing: fibers switch stacks", "longjmp": "nothing: fibers switch stacks",
    "sigsetjmp": "nothing", "siglongjmp": "nothing", "localtime": "base/time", "localtime_r": "base/tz",
    "ctime": "base/time", "ctime_r": "base/time", "asctime": "base/time", "gmtime": "base/time",
    "mktime": "base/time", "rand": "getrandom", "srand": "getrandom", "random": "getrandom",
    "system": "nothing", "popen": "nothing", "tmpnam": "mkstemp", "mktemp": "mkstemp",
    "yajl_tree_parse": "base/json", "curl_version": "nothing: it takes milliseconds",
    "PQexec": "db_run_wait (it blocks the loop)", "PQexecParams": "db_run_wait (it blocks the loop)",
}
# Tests may run programs and compare with libc; they and the session for migrations talk to PostgreSQL outside the loop.
ALLOWED = {"system": ("test/",), "strtok_r": ("test/",), "localtime_r": ("test/",), "popen": ("test/",), "PQexec": ("test/", "src/net/db_session"),
           "PQexecParams": ("test/", "src/net/db_session")}
BODY_MEDIAN, BODY_P95, BODY_MAX, COMPLEXITY_MAX = 15, 60, 100, 15
FILE_MAX, HEADER_MAX, HEADER_STOP, MAIN_MAX = 600, 120, 150, 150


def banned():
    problems = []
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(BANNED) + r")\s*\(")
    paths = [p for p in source.c_files() if p.endswith((".c", ".h"))]
    for path in paths:
        for m in pattern.finditer(source.code(path)):
            if path.startswith(ALLOWED.get(m[1], ())):
                continue
            problems.append(f"{path}:{source.line_of(source.code(path), m.start())}: {m[1]} is banned; "
                            f"use {BANNED[m[1]]}")
    for f in source.functions(tuple(p for p in source.product_files() if p.endswith(".c"))):
        body = f.body()
        if re.search(r"\bgoto\b", body) and re.search(r"\bCLEANUP\s*\(", body):
            problems.append(f"{f.path}:{f.first}: {f.name} mixes goto and CLEANUP")
    return problems, f"{len(BANNED)} names, {len(paths)} files"


def opening():
    """Each file starts with its licence and says what it is for; no line waits for later."""
    problems = []
    for path in source.c_files():
        lines = source.text(path).splitlines()
        if not lines or "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
            problems.append(f"{path}:1: no SPDX line")
        if path.endswith(".c") and (len(lines) < 2 or not lines[1].startswith("/*")):
            problems.append(f"{path}:2: does not say what the file is for")
        for number, line in enumerate(lines, 1):
            if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
                problems.append(f"{path}:{number}: {line.strip()[:80]}")
    return problems, f"{len(source.c_files())} files"


def pkg_cflags():
    output = subprocess.run(["pkg-config", "--cflags", "libevent_core", "yajl", "libpq", "libcurl", "libcrypto"],
                            text=True, check=True, stdout=subprocess.PIPE).stdout
    return shlex.split(output)


def headers():
    """Every header compiles alone."""
    paths = [p for p in source.product_files() if p.endswith(".h")]
    flags = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-I.",
             *pkg_cflags(), "-x", "c", "-"]

    def compile_alone(path):
        # A header handed to gcc as the main file would complain about that instead.
        return subprocess.run(flags, cwd=source.ROOT, text=True, input=f'#include "{path}"\n',
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(compile_alone, paths))
    return [f"{p}: {r.stdout.strip()}" for p, r in zip(paths, results) if r.returncode], f"{len(paths)} headers"


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0


def sizes():
    problems = []
    paths = source.product_files()
    functions = source.functions(tuple(p for p in paths if p.endswith(".c")))
    for f in functions:
        if f.lines > BODY_MAX:
            problems.append(f"{f.path}:{f.first}: {f.name} has {f.lines} lines, at most {BODY_MAX}")
        if f.complexity > COMPLEXITY_MAX:
            problems.append(f"{f.path}:{f.first}: {f.name} has complexity {f.complexity}, at most {COMPLEXITY_MAX}")
    lines = [f.lines for f in functions]
    median, p95 = (statistics.median(lines) if lines else 0), percentile(lines, 0.95)
    if median > BODY_MEDIAN or p95 > BODY_P95:
        problems.append(f"functions have median {median} and p95 {p95} lines, at most {BODY_MEDIAN} and {BODY_P95}")
    length = {p: source.text(p).count("\n") for p in paths}
    for path, n in length.items():
        limit = MAIN_MAX if path == "src/main.c" else HEADER_STOP if path.endswith(".h") else FILE_MAX
        if n > limit:
            problems.append(f"{path}: {n} lines, at most {limit}")
    c_lengths = [n for p, n in length.items() if p.endswith(".c")]
    long_headers = [p for p, n in length.items() if p.endswith(".h") and n > HEADER_MAX]
    tests = sum(source.text(p).count("\n") for p in source.files("test/**/*.[ch]", "test/**/*.py"))
    note = (f"{len(functions)} functions: median {median:g}, p95 {p95}, max {max(lines, default=0)} lines, "
            f"complexity max {max((f.complexity for f in functions), default=0)}; {len(c_lengths)} files: median "
            f"{statistics.median(c_lengths) if c_lengths else 0:g}, max {max(c_lengths, default=0)}; "
            f"tests {tests} lines to {sum(length.values())}")
    if long_headers:
        note += f"; headers over {HEADER_MAX}: {' '.join(long_headers)}"
    return problems, note


def layout():
    paths = [p for p in source.c_files() if p.endswith((".c", ".h"))]
    result = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *paths], cwd=source.ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    lines = re.findall(r"^(\S+?):(\d+):\d+: error", result.stdout, re.M)
    by_file = {}
    for path, line in lines:
        by_file.setdefault(path, []).append(line)
    problems = [f"{p}: {len(n)} places, first at line {n[0]}; run make format" for p, n in by_file.items()]
    return problems, f"{len(paths)} files"


LINTS = {"format": layout, "banned": banned, "opening": opening, "headers": headers, "sizes": sizes}
