#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What Unicode says of texts and characters, by Python's unicodedata and Perl's tables, for test_unicode.c.

    T text NFC fold_case fold_accents       all in hexadecimal UTF-8
    C first last classes                    code points of one kind; classes out of L (letter), M (mark), D (digit),
                                            W (a letter that is a word by itself), I (invisible)

Characters that Python does not know are left out of the texts: a newer Unicode may fold them.
"""
import random
import subprocess
import sys
import unicodedata

RANDOM_TEXTS = 20000
# Where letters, marks and compatibility forms stand close together.
BLOCKS = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x345, 0x346), (0x370, 0x530), (0x531, 0x588), (0x590, 0x700),
          (0x900, 0xE60), (0x1100, 0x1200), (0x13A0, 0x1400), (0x1AB0, 0x1B00), (0x1C80, 0x1CC0), (0x1DC0, 0x2000),
          (0x2100, 0x2190), (0x2460, 0x2500), (0x3040, 0x3100), (0x3131, 0x3400), (0xAB70, 0xABC0), (0xAC00, 0xAC80),
          (0xF900, 0xFB50), (0xFB50, 0xFE00), (0xFF00, 0xFFF0), (0x10400, 0x10450), (0x110B0, 0x110C0),
          (0x1D160, 0x1D170), (0x1D400, 0x1D800), (0x1E900, 0x1E944), (0x1F100, 0x1F200), (0x2F800, 0x2FA20)]


def normalize(form, text):
    return unicodedata.normalize(form, text)


def without_marks(text):
    return "".join(c for c in text if unicodedata.category(c)[0] != "M")


def fold_case(text):
    return normalize("NFC", normalize("NFD", text).casefold())


def fold_accents(text):
    return without_marks(normalize("NFKD", without_marks(normalize("NFKD", text)).casefold()))


def known(code_point):
    return unicodedata.category(chr(code_point)) not in ("Cn", "Cs")


def texts():
    # Planes 3 to 13 hold nothing but Han without case; of plane 2, the compatibility forms are all there.
    for c in [*range(1, 0x20000), *range(0x2F7F0, 0x2FA30), *range(0xE0000, 0xE0200)]:
        if known(c):
            yield chr(c)
    dice = random.Random(14)
    for _ in range(RANDOM_TEXTS):
        picked = []
        while len(picked) < dice.randint(2, 12):
            c = dice.randrange(*dice.choice(BLOCKS))
            if known(c):
                picked.append(chr(c))
        yield "".join(picked)


def by_perl(condition):
    """Perl knows more properties; one byte, 0 or 1, for each code point."""
    program = ("for my $c (0 .. 0x10FFFF) { my $s = $c >= 0xD800 && $c < 0xE000 ? '' : chr($c); "
               f"print {condition} ? 1 : 0 }}")
    return subprocess.run(["perl", "-e", program], check=True, stdout=subprocess.PIPE).stdout


def all_classes():
    words = by_perl(r"$s =~ /\p{L}/ && $s !~ /[\p{WB=ALetter}\p{WB=Hebrew_Letter}\p{WB=Katakana}]/")
    invisible = by_perl(r"$s =~ /\p{Default_Ignorable_Code_Point}/")
    for c in range(0x110000):
        category = unicodedata.category(chr(c))
        yield ((category[0] if category[0] in "LM" else "") + ("D" if category == "Nd" else "") +
               ("W" if words[c] == ord("1") else "") + ("I" if invisible[c] == ord("1") else ""))


def main():
    out = sys.stdout
    for text in texts():
        out.write("\t".join(["T"] + [t.encode().hex() for t in (text, normalize("NFC", text), fold_case(text),
                                                                fold_accents(text))]) + "\n")
    first, current = 0, None
    for c, classes in enumerate([*all_classes(), None]):
        if classes != current and c > 0:
            out.write(f"C\t{first}\t{c - 1}\t{current}\n")
            first = c
        current = classes


if __name__ == "__main__":
    main()
