//! Templates and what Postfix's own mac_expand() makes of them.

use super::*;

fn value(variable: Variable) -> Cow<'static, str> {
    Cow::Borrowed(match variable {
        Variable::RblCode => "554",
        Variable::ClientName => "a b",
        Variable::ClientPort => "10",
        Variable::Sender => "$client_name",
        Variable::RblReason => "x\tyé\u{1}",
        _ => "",
    })
}

#[test]
fn templates_expand_as_in_postfix() {
    let cases = [
        ("$rbl_code x", "554 x"),
        ("${rbl_code}", "554"),
        ("$(rbl_code)", "554"),
        ("$$x", "$x"),
        ("${client_name?yes}", "yes"),
        ("${helo_name?yes}", ""),
        ("${helo_name:no}", "no"),
        ("${client_name:no}", ""),
        ("${client_name?{yes}:{no}}", "yes"),
        ("${helo_name?{yes}:{no}}", "no"),
        ("${helo_name?{yes}}", ""),
        ("${client_name?{ yes }:{ no }}", " yes "),
        ("${helo_name? { yes } : { no } }", " no "),
        ("${client_name ? yes}", " yes"),
        ("${helo_name ?yes:no}", ""),
        ("${client_name?yes:no}", "yes:no"),
        ("${helo_name?yes:no}", ""),
        ("${helo_name?{yes}:no}", "no"),
        ("${helo_name: no}", " no"),
        ("${client_name:{no}}", ""),
        ("${helo_name:{no}}", "no"),
        ("${helo_name:no$rbl_code}", "no554"),
        ("${helo_name:no${rbl_code}}", "no554"),
        ("${{$client_port} == {10} ? {x} : {y}}", "x"),
        ("${{$client_port}=={10}?{x}:{y}}", "x"),
        ("${{$client_port} > {9} ? {x} : {y}}", "x"),
        ("${{$client_port} > {9} ? x : y}", " x : y"),
        ("${{a} < {b}}", "true"),
        ("${{b} < {a}}", ""),
        ("${{b} < {a}?x}", ""),
        ("${{b} < {a}:x}", "x"),
        ("${{b} != {a}?{x}}", "x"),
        ("${{ a } == {a}?{x}:{y}}", "y"),
        ("$sender", "$client_name"),
        ("$rbl_reason", "x\ty___"),
        ("${{$client_port} >= {010} ? {x} : {y}}", "x"),
        ("${{-1} < {1} ? {x} : {y}}", "x"),
        ("${{} == {} ? {x} : {y}}", "x"),
        ("$client_name.x", "a b.x"),
        ("$client_name-x", "a b-x"),
        ("${client_name}x", "a bx"),
        ("a${client_name?b${rbl_code?c}}", "abc"),
        ("${client_name?{a}:{b}} tail", "a tail"),
        ("${client_name?{a} :{b}}", "a"),
        ("${client_name?{a}: b}", "a"),
        ("${ client_name }", "a b"),
        ("${client_name }", "a b"),
        ("${client_name?{a}:}", "a"),
        ("${client_name?}", ""),
        ("${client_name:}", ""),
        ("${helo_name:}", ""),
        ("${client_name?{$$x}}", "$x"),
        ("${helo_name:$$x}", "$x"),
        ("${{${client_port}} <= {10} ? {x} : {y}}", "x"),
        ("${{10} < {9}?{x}:{y}}", "y"),
        ("${{1a} < {9}?{x}:{y}}", "x"),
        ("$(client_name?yes)", "yes"),
        ("${client_name?(yes)}", "(yes)"),
        ("$(client_name?{yes}:{no})", "yes"),
        ("${client_name?{{}}}", "{}"),
        ("${{00} == {0}?{x}}", "x"),
        ("${{99999999999} > {8}?{x}}", "x"),
    ];
    for (template, want) in cases {
        let expansion = Expansion::parse(template).unwrap_or_else(|wrong| panic!("{template}: {wrong:?}"));
        assert_eq!(expansion.expand(&value), want, "{template}");
    }
}

#[test]
fn faulty_templates_are_shown_with_their_place() {
    let cases = [
        ("$", 0, 1, "`$` without a name (write `$$` for a dollar)"),
        ("${}", 0, 3, "`${}` without a name"),
        ("$ x", 0, 1, "`$` without a name (write `$$` for a dollar)"),
        ("${rbl_code", 0, 10, "`${` is not closed"),
        ("$(rbl_code", 0, 10, "`$(` is not closed"),
        ("${rbl_code)", 0, 11, "`${` is not closed"),
        ("${client_name?{yes}no}", 19, 2, "`:` is missing (write `${name?{text}:{else}}`)"),
        ("${helo_name: {no} x}", 18, 1, "nothing may stand behind the braces"),
        (
            "${{a} = {a}?{x}}",
            6,
            1,
            "a comparison is missing (write `==`, `!=`, `<`, `<=`, `>=` or `>` behind the braces)",
        ),
        (
            "${{a} ! {a}?{x}}",
            6,
            1,
            "a comparison is missing (write `==`, `!=`, `<`, `<=`, `>=` or `>` behind the braces)",
        ),
        ("${{a} == a?{x}}", 9, 1, "what is compared stands in braces (write `{text}`)"),
        ("${client-name}", 8, 1, "`-` cannot stand in a name"),
        ("${client_name!x}", 13, 1, "`!` cannot stand in a name"),
        ("${helo_name?{a}:{b}c}", 19, 1, "nothing may stand behind the braces"),
        ("${{a} == {b}", 0, 12, "`${` is not closed"),
        ("${rbl_reson}", 2, 9, "unknown variable `rbl_reson` (did you mean `rbl_reason`?)"),
        ("${rbl_domian?x}", 2, 10, "unknown variable `rbl_domian` (did you mean `rbl_domain`?)"),
        (
            "$qqqqqqqqqqqqqq",
            1,
            14,
            "unknown variable `qqqqqqqqqqqqqq` (`mailward restrictions reject_rbl_client` lists them)",
        ),
        ("é$rbl_tex", 3, 7, "unknown variable `rbl_tex` (did you mean `rbl_txt`?)"),
        ("${?x}", 0, 2, "`${` without a name"),
        ("${{a} == {b} x}", 13, 1, "`?` or `:` is missing"),
        ("${helo_name?{${bro}", 0, 19, "`${` is not closed"),
        ("${helo_name?$}", 12, 1, "`$` without a name (write `$$` for a dollar)"),
    ];
    for (template, at, length, message) in cases {
        let wrong = Expansion::parse(template).unwrap_err();
        let help = wrong.help.map(|help| format!(" ({help})")).unwrap_or_default();
        assert_eq!(
            (wrong.at, wrong.length, wrong.message + &help),
            (at, length, message.to_owned()),
            "{template}"
        );
    }
}

#[test]
fn nesting_and_length_are_bounded() {
    let deep = "${client_name?".repeat(100) + &"}".repeat(100);
    assert_eq!(Expansion::parse(&deep).unwrap_err().message, "references are nested too deep");
    let long = Expansion::parse(&"$client_name".repeat(10_000)).unwrap().expand(&value);
    assert!(long.len() < LIMIT + 10, "{}", long.len());
}
