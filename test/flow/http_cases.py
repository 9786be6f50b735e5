# SPDX-License-Identifier: Apache-2.0
"""Requests on the wire and what each must be answered.

A case is (id, bytes, status, must_close). status is a number, or OK: the bytes are one well-formed request, which any
server on net/http_server must let through to its routes (the echo tool answers 200; chat-api may say 401 or 404, never a
status of SYNTAX). must_close: the server closes after the answer.
"""

OK = 0
SYNTAX = {400, 408, 413, 414, 417, 431, 501, 505}
CRLF = b"\r\n"
HOST = b"Host: todod.test\r\n"


def head(*lines, start=b"GET / HTTP/1.1", host=HOST):
    return start + CRLF + host + b"".join(line + CRLF for line in lines) + CRLF


def post(*lines, body=b""):
    return head(*lines, start=b"POST / HTTP/1.1") + body


def chunked(body):
    return post(b"Transfer-Encoding: chunked", body=body)


def request_line(line):
    return line + CRLF + HOST + CRLF


CASES = []


def refuse(status, **requests):
    for name, request in requests.items():
        CASES.append((name.replace("_", "-"), request, status, True))


def accept(must_close=False, **requests):
    for name, request in requests.items():
        CASES.append((name.replace("_", "-"), request, OK, must_close))


accept(
    get=head(),
    get_with_query=head(start=b"GET /a/b?c=d&e=%20f HTTP/1.1"),
    head_request=head(start=b"HEAD / HTTP/1.1"),
    options_star=head(start=b"OPTIONS * HTTP/1.1"),
    absolute_form=head(start=b"GET http://todod.test/a HTTP/1.1"),
    absolute_form_other_case=head(start=b"GET HTTP://TODOD.test/a HTTP/1.1"),
    host_with_port=head(host=b"Host: todod.test:8000\r\n"),
    host_v6=head(host=b"Host: [::1]:8000\r\n"),
    header_name_in_any_case=head(b"cOnNeCtIoN: keep-alive", host=b"hOST: a\r\n"),
    header_value_empty=head(b"X-Empty:"),
    header_value_without_space=head(b"X:y"),
    header_value_with_tabs=head(b"X: \t y \t "),
    header_value_obs_text=head(b"X: \xc3\xa9\xff"),
    header_name_underscore=head(b"x_y: z"),
    header_64=head(*[b"X: y"] * 63),
    header_line_8k=head(b"X: " + b"y" * (8192 - 3)),
    one_empty_line_before=CRLF + head(),
    path_with_escapes=head(start=b"GET /%41%c3%a9%2F HTTP/1.1"),
    content_length_0_on_get=head(b"Content-Length: 0"),
    post_without_length=post(),
    post_with_body=post(b"Content-Length: 3", body=b"abc"),
    delete_with_body=head(b"Content-Length: 2", start=b"DELETE /x HTTP/1.1") + b"{}",
    expect_continue=post(b"Expect: 100-continue", b"Content-Length: 3", body=b"abc"),
    chunked_body=chunked(b"3\r\nabc\r\n0\r\n\r\n"),
    chunked_hex_both_cases=chunked(b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"),
    chunked_8_digits=chunked(b"00000003\r\nabc\r\n00000000\r\n\r\n"),
    chunked_extension=chunked(b"3;name=value\r\nabc\r\n0;last\r\n\r\n"),
    chunked_trailer=chunked(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"),
    chunked_data_looks_like_framing=chunked(b"7\r\n0\r\n\r\n0\r\r\n0\r\n\r\n"),
    upgrade_ignored=head(b"Connection: Upgrade", b"Upgrade: h2c"),
)
accept(
    must_close=True,
    connection_close=head(b"Connection: close"),
    connection_close_in_a_list=head(b"Connection: foo, Close"),
    http_1_0=head(start=b"GET / HTTP/1.0", host=b""),
    http_1_0_with_host=head(start=b"GET / HTTP/1.0"),
    http_1_0_bad_expect_ignored=head(b"Expect: foo", start=b"GET / HTTP/1.0"),
)
accept(http_1_0_keep_alive=head(b"Connection: keep-alive", start=b"GET / HTTP/1.0"))

# Where a request ends.
refuse(
    400,
    cl_two_different=post(b"Content-Length: 3", b"Content-Length: 4", body=b"abcd"),
    cl_two_equal=post(b"Content-Length: 3", b"Content-Length: 3", body=b"abc"),
    cl_list=post(b"Content-Length: 3, 3", body=b"abc"),
    cl_list_different=post(b"Content-Length: 3,4", body=b"abc"),
    cl_plus=post(b"Content-Length: +3", body=b"abc"),
    cl_minus=post(b"Content-Length: -3", body=b"abc"),
    cl_minus_zero=post(b"Content-Length: -0"),
    cl_hex=post(b"Content-Length: 0x3", body=b"abc"),
    cl_empty=post(b"Content-Length:", body=b"abc"),
    cl_blank=post(b"Content-Length:  \t", body=b"abc"),
    cl_inner_space=post(b"Content-Length: 1 2", body=b"abc"),
    cl_trailing_junk=post(b"Content-Length: 3x", body=b"abc"),
    cl_fraction=post(b"Content-Length: 3.0", body=b"abc"),
    cl_exponent=post(b"Content-Length: 1e1", body=b"abc"),
    cl_underscore=post(b"Content-Length: 1_0", body=b"abc"),
    cl_leading_zero=post(b"Content-Length: 03", body=b"abc"),
    cl_16_digits=post(b"Content-Length: 1000000000000000"),
    cl_overflow_64=post(b"Content-Length: 18446744073709551619", body=b"abc"),
    cl_unicode_digit=post(b"Content-Length: \xd9\xa3", body=b"abc"),
    cl_quoted=post(b'Content-Length: "3"', body=b"abc"),
    cl_with_te=post(b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    te_with_cl=post(b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"),
    te_with_cl_0=post(b"Transfer-Encoding: chunked", b"Content-Length: 0", body=b"0\r\n\r\n"),
    te_twice=post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    te_twice_identity=post(b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    te_list=post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
    te_list_empty_first=post(b"Transfer-Encoding: ,chunked", body=b"0\r\n\r\n"),
    te_list_empty_last=post(b"Transfer-Encoding: chunked,", body=b"0\r\n\r\n"),
    te_chunked_twice_in_list=post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"),
    te_chunked_not_last=post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"),
    te_identity=post(b"Transfer-Encoding: identity"),
    te_gzip=post(b"Transfer-Encoding: gzip"),
    te_xchunked=post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    te_chunkedx=post(b"Transfer-Encoding: chunkedx", body=b"0\r\n\r\n"),
    te_other_case=post(b"Transfer-Encoding: Chunked", body=b"0\r\n\r\n"),
    te_parameter=post(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n"),
    te_quoted=post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"),
    te_empty=post(b"Transfer-Encoding:"),
    te_vertical_tab=post(b"Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"),
    te_space_before_colon=post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    te_folded=post(b"Transfer-Encoding:", b" chunked", body=b"0\r\n\r\n"),
    te_nul=post(b"Transfer-Encoding: chunked\x00", body=b"0\r\n\r\n"),
    te_in_http_1_0=head(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0") + b"0\r\n\r\n",
    cl_space_before_colon=post(b"Content-Length : 3", body=b"abc"),
    cl_tab_before_colon=post(b"Content-Length\t: 3", body=b"abc"),
    cl_folded=post(b"Content-Length:", b" 3", body=b"abc"),
    get_with_body=head(b"Content-Length: 3") + b"abc",
    get_chunked=head(b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    head_with_body=head(b"Content-Length: 3", start=b"HEAD / HTTP/1.1") + b"abc",
    head_chunked=head(b"Transfer-Encoding: chunked", start=b"HEAD / HTTP/1.1") + b"0\r\n\r\n",
    head_body_is_a_request=head(b"Content-Length: 37", start=b"HEAD / HTTP/1.1") + head(),
)
refuse(
    400,
    chunk_size_0x=chunked(b"0x3\r\nabc\r\n0\r\n\r\n"),
    chunk_size_plus=chunked(b"+3\r\nabc\r\n0\r\n\r\n"),
    chunk_size_minus=chunked(b"-3\r\nabc\r\n0\r\n\r\n"),
    chunk_size_9_digits=chunked(b"000000003\r\nabc\r\n0\r\n\r\n"),
    chunk_size_overflow_64=chunked(b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    chunk_size_empty=chunked(b"\r\nabc\r\n0\r\n\r\n"),
    chunk_size_space_before=chunked(b" 3\r\nabc\r\n0\r\n\r\n"),
    chunk_size_space_after=chunked(b"3 \r\nabc\r\n0\r\n\r\n"),
    chunk_size_junk=chunked(b"3 xyz\r\nabc\r\n0\r\n\r\n"),
    chunk_size_not_hex=chunked(b"g\r\nabc\r\n0\r\n\r\n"),
    chunk_size_underscore=chunked(b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n"),
    chunk_size_fraction=chunked(b"3.0\r\nabc\r\n0\r\n\r\n"),
    chunk_size_bare_lf=chunked(b"3\nabc\r\n0\r\n\r\n"),
    chunk_size_bare_cr=chunked(b"3\rabc\r\n0\r\n\r\n"),
    chunk_size_nul=chunked(b"3\x00\r\nabc\r\n0\r\n\r\n"),
    chunk_extension_empty=chunked(b"3;\r\nabc\r\n0\r\n\r\n"),
    chunk_extension_bare_lf=chunked(b"3;a\nabc\r\n0\r\n\r\n"),
    chunk_extension_control=chunked(b"3;a\x00b\r\nabc\r\n0\r\n\r\n"),
    chunk_extension_long=chunked(b"3;" + b"a" * 300 + b"\r\nabc\r\n0\r\n\r\n"),
    chunk_data_without_crlf=chunked(b"3\r\nabc0\r\n\r\n"),
    chunk_data_too_long=chunked(b"3\r\nabcd\r\n0\r\n\r\n"),
    chunk_data_bare_lf=chunked(b"3\r\nabc\n0\r\n\r\n"),
    chunk_data_cr_only=chunked(b"3\r\nabc\rX0\r\n\r\n"),
    chunk_end_bare_lf=chunked(b"0\r\n\n"),
    chunk_trailer_not_a_header=chunked(b"0\r\nGET / HTTP/1.1\r\n\r\n"),
    chunk_trailer_space_before_colon=chunked(b"0\r\nX : y\r\n\r\n"),
    chunk_trailer_folded=chunked(b"0\r\nX: y\r\n z\r\n\r\n"),
    chunk_trailer_bare_lf=chunked(b"0\r\nX: y\n\r\n"),
    chunk_trailer_nul=chunked(b"0\r\nX: \x00\r\n\r\n"),
)
refuse(431, chunk_trailers_long=chunked(b"0\r\n" + b"X: yyyyyyyyyyyy\r\n" * 600 + CRLF))

# Lines and bytes of the head.
refuse(
    400,
    bare_lf_everywhere=b"GET / HTTP/1.1\nHost: todod.test\n\n",
    bare_lf_after_request_line=b"GET / HTTP/1.1\nHost: todod.test\r\n\r\n",
    bare_lf_after_header=b"GET / HTTP/1.1\r\nHost: todod.test\nX: y\r\n\r\n",
    bare_lf_at_the_end=b"GET / HTTP/1.1\r\nHost: todod.test\r\n\n",
    bare_cr_in_value=head(b"X: a\rb"),
    bare_cr_before_crlf=head(b"X: a\r"),
    cr_lf_swapped=b"GET / HTTP/1.1\n\rHost: todod.test\n\r\n\r",
    obs_fold=head(b"X: a", b" b"),
    obs_fold_tab=head(b"X: a", b"\tb"),
    fold_before_first_header=b"GET / HTTP/1.1\r\n Host: todod.test\r\n\r\n",
    two_empty_lines_before=CRLF + CRLF + head(),
    nul_in_name=head(b"X\x00Y: a"),
    nul_in_value=head(b"X: a\x00b"),
    nul_in_target=request_line(b"GET /a\x00b HTTP/1.1"),
    nul_in_method=request_line(b"G\x00T / HTTP/1.1"),
    control_in_value=head(b"X: a\x01b"),
    escape_in_value=head(b"X: \x1b[31m"),
    del_in_value=head(b"X: \x7f"),
    backspace_in_name=head(b"X\x08: a"),
    vertical_tab_in_value=head(b"X: a\x0bb"),
    form_feed_in_request_line=request_line(b"GET\x0c/\x0cHTTP/1.1"),
    tab_in_request_line=request_line(b"GET\t/\tHTTP/1.1"),
    tls_hello=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    header_name_empty=head(b": a"),
    header_name_space=head(b"X Y: a"),
    header_name_space_before_colon=head(b"X : a"),
    header_name_leading_space=head(b"X: y", b" Host: evil.test"),
    header_name_not_ascii=head("É: a".encode()),
    header_name_bracket=head(b"X[0]: a"),
    header_name_quote=head(b'"X": a'),
    header_name_at=head(b"X@Y: a"),
    header_without_colon=head(b"nonsense"),
    host_missing=head(host=b""),
    host_twice=head(b"Host: todod.test"),
    host_twice_different=head(b"Host: evil.test"),
    host_twice_in_http_1_0=head(b"Host: todod.test", start=b"GET / HTTP/1.0"),
    host_empty=head(host=b"Host:\r\n"),
    host_list=head(host=b"Host: a, b\r\n"),
    host_with_space=head(host=b"Host: a b\r\n"),
    host_with_user=head(host=b"Host: user@todod.test\r\n"),
    host_with_path=head(host=b"Host: todod.test/x\r\n"),
    host_with_bad_port=head(host=b"Host: todod.test:80x\r\n"),
    host_with_long_port=head(host=b"Host: todod.test:123456\r\n"),
    host_only_port=head(host=b"Host: :80\r\n"),
    host_open_bracket=head(host=b"Host: [::1\r\n"),
    host_space_before_colon=head(host=b"Host : todod.test\r\n"),
    target_missing=request_line(b"GET HTTP/1.1"),
    target_empty=request_line(b"GET  HTTP/1.1"),
    target_with_space=request_line(b"GET /a b HTTP/1.1"),
    target_without_slash=request_line(b"GET a HTTP/1.1"),
    target_star_on_get=request_line(b"GET * HTTP/1.1"),
    target_fragment=request_line(b"GET /#x HTTP/1.1"),
    target_not_ascii=request_line("GET /é HTTP/1.1".encode()),
    target_quote=request_line(b'GET /" HTTP/1.1'),
    target_angle=request_line(b"GET /<x> HTTP/1.1"),
    target_backslash=request_line(b"GET \\x HTTP/1.1"),
    target_nul_escape=request_line(b"GET /a%00b HTTP/1.1"),
    target_bad_escape=request_line(b"GET /%zz HTTP/1.1"),
    target_short_escape=request_line(b"GET /% HTTP/1.1"),
    target_half_escape=request_line(b"GET /%4 HTTP/1.1"),
    absolute_other_host=head(start=b"GET http://evil.test/ HTTP/1.1"),
    absolute_other_port=head(start=b"GET http://todod.test:81/ HTTP/1.1"),
    absolute_with_user=head(start=b"GET http://user@todod.test/ HTTP/1.1"),
    absolute_https=head(start=b"GET https://todod.test/ HTTP/1.1"),
    absolute_file=head(start=b"GET file:///etc/passwd HTTP/1.1"),
    absolute_without_path=head(start=b"GET http://todod.test HTTP/1.1"),
    absolute_without_host=head(start=b"GET http:///x HTTP/1.1"),
    method_missing=request_line(b" / HTTP/1.1"),
    method_with_bracket=request_line(b"GE[T / HTTP/1.1"),
    method_with_colon=request_line(b"GET: / HTTP/1.1"),
    version_missing=request_line(b"GET /"),
    version_empty=request_line(b"GET / "),
    version_lower_case=request_line(b"GET / http/1.1"),
    version_other_protocol=request_line(b"GET / HTTQ/1.1"),
    version_icy=request_line(b"GET / ICY/1.1"),
    version_no_minor=request_line(b"GET / HTTP/1"),
    version_long_minor=request_line(b"GET / HTTP/1.12"),
    version_long_major=request_line(b"GET / HTTP/01.1"),
    version_huge=request_line(b"GET / HTTP/4294967295.255"),
    version_comma=request_line(b"GET / HTTP/1,1"),
    version_sign=request_line(b"GET / HTTP/+1.1"),
    version_trailing_space=request_line(b"GET / HTTP/1.1 "),
    version_trailing_junk=request_line(b"GET / HTTP/1.1 x"),
    version_leading_space=request_line(b"GET /  HTTP/1.1"),
    version_letters=request_line(b"GET / HTTP/x.y"),
)
refuse(
    505,
    version_2_0=request_line(b"GET / HTTP/2.0"),
    version_1_2=request_line(b"GET / HTTP/1.2"),
    version_0_9=request_line(b"GET / HTTP/0.9"),
    version_9_9=request_line(b"GET / HTTP/9.9"),
    http2_preface=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
refuse(
    501,
    method_unknown=request_line(b"FROB / HTTP/1.1"),
    method_lower_case=request_line(b"get / HTTP/1.1"),
    method_connect=request_line(b"CONNECT todod.test:443 HTTP/1.1"),
    method_long=request_line(b"A" * 1000 + b" / HTTP/1.1"),
)
refuse(
    417,
    expect_other=post(b"Expect: 200-ok", b"Content-Length: 3", body=b"abc"),
    expect_empty=post(b"Expect:", b"Content-Length: 3", body=b"abc"),
    expect_list=post(b"Expect: 100-continue, x", b"Content-Length: 3", body=b"abc"),
)
refuse(
    431,
    headers_65=head(*[b"X: y"] * 64),
    headers_4000=head(*[b"X: y"] * 4000),
    header_line_over_8k=head(b"X: " + b"y" * (8192 - 2)),
    head_over_16k=head(b"X: " + b"y" * 8000, b"Y: " + b"y" * 8000, b"Z: " + b"y" * 1000),
    head_without_end=b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 20000,
)
refuse(
    414,
    request_line_over_8k=request_line(b"GET /" + b"a" * 8190 + b" HTTP/1.1"),
    request_line_without_end=b"GET /" + b"a" * 20000,
)
refuse(
    413,
    body_over_the_cap=post(b"Content-Length: 65537"),
    body_far_over_the_cap=post(b"Content-Length: 999999999999999"),
    body_over_the_cap_with_expect=post(b"Expect: 100-continue", b"Content-Length: 10000000"),
    chunk_over_the_cap=chunked(b"10001\r\n" + b"x" * 0x10001 + b"\r\n0\r\n\r\n"),
    chunks_over_the_cap=chunked(b"8000\r\n" + b"x" * 0x8000 + b"\r\n8001\r\n" + b"x" * 0x8001 + b"\r\n0\r\n\r\n"),
    chunk_size_far_over_the_cap=chunked(b"ffffffff\r\n" + b"x" * 0x10001),
)
