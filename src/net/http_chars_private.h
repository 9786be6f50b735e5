/* SPDX-License-Identifier: Apache-2.0 */
/* Classes of bytes in HTTP, one table look-up each. test_http_parser compares the table with the
 * RFCs' words. */
#ifndef NET_HTTP_CHARS_PRIVATE_H
#define NET_HTTP_CHARS_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

enum http_char_class {
	HTTP_CHAR_FIELD =
		1, /* may stand in a line of a head: HTAB, SP, visible ASCII, 0x80 to 0xff */
	HTTP_CHAR_TOKEN = 2,  /* tchar (RFC 9110 section 5.6.2) */
	HTTP_CHAR_TARGET = 4, /* visible ASCII but " # < > and backslash; browsers send [ ] { } | ^
				 ` as they are */
	HTTP_CHAR_DIGIT = 8,
	HTTP_CHAR_HEX = 16,
	HTTP_CHAR_HOST = 32,	 /* letters, digits, - . _ ~ */
	HTTP_CHAR_IPV6 = 64,	 /* hex digits, : and . */
	HTTP_CHAR_VISIBLE = 128, /* 0x21 to 0x7e */
};

extern const uint8_t http_chars[256];

static inline bool http_char_is(char c, unsigned class)
{
	return (http_chars[(unsigned char)c] & class) != 0;
}

/* Of a byte of class HTTP_CHAR_HEX. */
static inline unsigned http_hex_value(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

#endif
