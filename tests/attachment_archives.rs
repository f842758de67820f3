//! Names inside attachments: archives, TNEF, messages and signatures, as their bytes are written here by hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail in its helpers too")]

mod support;

use mailward::attachment::{
    Walker, Watch,
    budget::Budget,
    facts::{Facts, Reason, Unreadable},
    rules::{NameRules, Treatment},
};
use std::sync::Arc;
use support::hostile::encoded;

/// One member of a ZIP file.
#[derive(Clone, Default)]
struct Member<'a> {
    local: &'a [u8],
    /// The name in the central directory, if it differs.
    central: Option<&'a [u8]>,
    /// The name in the Unicode path field.
    unicode: Option<&'a [u8]>,
    content: Vec<u8>,
    deflated: bool,
    encrypted: bool,
}

fn member(name: &str) -> Member<'_> {
    Member { local: name.as_bytes(), content: b"MZ".to_vec(), ..Member::default() }
}

fn zip(members: &[Member<'_>]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let offset = file.len() as u32;
        let content = if member.deflated {
            miniz_oxide::deflate::compress_to_vec(&member.content, 6)
        } else {
            member.content.clone()
        };
        let flags = u16::from(member.encrypted).to_le_bytes();
        let method = (if member.deflated { 8_u16 } else { 0 }).to_le_bytes();
        let sizes =
            [(content.len() as u32).to_le_bytes(), (member.content.len() as u32).to_le_bytes()].concat();
        let fixed = [&[20, 0], &flags[..], &method, &[0; 8], &sizes].concat();
        let extra = member.unicode.map_or(Vec::new(), |name| {
            [&0x7075_u16.to_le_bytes()[..], &(name.len() as u16 + 5).to_le_bytes(), &[1, 0, 0, 0, 0], name]
                .concat()
        });
        let central = member.central.unwrap_or(member.local);
        let length = |bytes: &[u8]| (bytes.len() as u16).to_le_bytes();
        file.extend(
            [b"PK\x03\x04", &fixed[..], &length(member.local), &[0, 0], member.local, &content].concat(),
        );
        let lengths = [length(central), length(&extra)].concat();
        let rest = [&[0; 10][..], &offset.to_le_bytes()].concat();
        directory.extend([b"PK\x01\x02\x14\x03", &fixed[..], &lengths, &rest, central, &extra].concat());
    }
    let (count, size) = ((members.len() as u16).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    let at = (file.len() as u32).to_le_bytes();
    file.extend(directory);
    file.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &size, &at, &[0, 0]].concat());
    file
}

fn gzip(name: Option<&str>, content: &[u8]) -> Vec<u8> {
    let name = name.map_or(Vec::new(), |name| [name.as_bytes(), b"\0"].concat());
    let flags = if name.is_empty() { 0 } else { 8 };
    let deflated = miniz_oxide::deflate::compress_to_vec(content, 6);
    [b"\x1F\x8B\x08", &[flags][..], &[0; 6], &name, &deflated, &[0; 8]].concat()
}

fn tar(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    for (name, kind, content) in members {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        block[148..156].copy_from_slice(b"        ");
        block[156] = *kind;
        block[257..263].copy_from_slice(b"ustar\0");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        file.extend(block);
        file.extend(*content);
        file.resize(file.len().next_multiple_of(512), 0);
    }
    file.extend([0; 1_024]);
    file
}

fn rar4(name: &[u8], flags: u16, main_flags: u16) -> Vec<u8> {
    let main = [&[0, 0, 0x73][..], &main_flags.to_le_bytes(), &[13, 0], &[0; 6]].concat();
    let size = (32 + name.len() as u16).to_le_bytes();
    let file = [
        &[0, 0, 0x74][..],
        &(0x8000 | flags).to_le_bytes(),
        &size,
        &3_u32.to_le_bytes(),
        &[0; 4 + 1 + 4 + 4],
        &[29, 0x30],
        &(name.len() as u16).to_le_bytes(),
        &[0; 4],
        name,
        b"abc",
    ];
    [b"Rar!\x1A\x07\0", &main[..], &file.concat(), &[0, 0, 0x7B, 0, 0x40, 7, 0]].concat()
}

fn rar5(name: &str, encrypted: bool) -> Vec<u8> {
    let block = |header: Vec<u8>| [&[0; 4][..], &[header.len() as u8], &header].concat();
    let extra = if encrypted { vec![3, 1, 0, 0] } else { Vec::new() };
    let flags = if encrypted { 3 } else { 2 };
    let mut file = vec![2, flags];
    if encrypted {
        file.push(extra.len() as u8);
    }
    file.extend([3, 0, 2, 0, 0, 0, name.len() as u8]);
    file.extend(name.as_bytes());
    file.extend(extra);
    [b"Rar!\x1A\x07\x01\0", &block(vec![1, 0, 0])[..], &block(file), b"abc", &block(vec![5, 0, 0])].concat()
}

fn tnef(title: &str, long: Option<&str>) -> Vec<u8> {
    let attribute = |id: u32, value: &[u8]| {
        [&[2][..], &id.to_le_bytes(), &(value.len() as u32).to_le_bytes(), value, &[0, 0]].concat()
    };
    let mut file = b"\x78\x9F\x3E\x22\x01\0".to_vec();
    file.extend(attribute(0x0001_8010, &[title.as_bytes(), b"\0"].concat()));
    if let Some(long) = long {
        let name: Vec<u8> = long.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let length = (name.len() as u32).to_le_bytes();
        let value = [
            &2_u32.to_le_bytes()[..],
            &[3, 0, 5, 0x37, 1, 0, 0, 0],
            b"\x1F\0\x07\x37\x01\0\0\0",
            &length,
            &name,
        ];
        file.extend(attribute(0x0006_9005, &value.concat()));
    }
    file
}

fn message(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhi\r\n--b\r\nContent-Type: application/octet-stream; \
         name=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    );
    [head.as_bytes(), &encoded(content), b"--b--\r\n"].concat()
}

fn walk(name: &str, content: &[u8], archives: Treatment) -> Facts {
    let banned = ["exe", "js"].into_iter().collect();
    let rules = NameRules { banned, archives, ..NameRules::default() };
    let watch = Arc::new(Watch { rules: vec![Arc::new(rules)], ..Watch::default() });
    let message = message(name, content);
    let facts = [65_535, 1, 13].map(|size| {
        let mut walker = Walker::new(watch.clone(), Budget::new(64 << 20));
        for chunk in message.chunks(size) {
            walker.raw(chunk);
        }
        walker.finish()
    });
    let [whole, by_one, by_13] = facts;
    assert!(whole == by_one && whole == by_13, "{name}: {whole:?}\n{by_one:?}\n{by_13:?}");
    whole
}

#[test]
fn a_banned_name_inside_an_archive_is_found() {
    let bad = || member("x/y/a.exe");
    let good = || member("readme.txt");
    let big = Member { content: b"some text ".repeat(20_000), deflated: true, ..member("big.txt") };
    let deflated = |name, content: Vec<u8>| Member { content, deflated: true, ..member(name) };
    let inner = zip(&[good(), bad()]);
    let tarred = tar(&[("d/", b'5', b""), ("readme", b'0', b"hi"), ("a.exe", b'0', b"MZ")]);
    let long = tar(&[("././@LongLink", b'L', b"dir/a.exe\0"), ("dir/a", b'0', b"MZ")]);
    let pax = tar(&[("PaxHeader", b'x', b"18 path=dir/a.exe\n"), ("dir/a", b'0', b"MZ")]);
    let wide = b"a\0\x00\x15a.ex\x00e";
    for (what, name, content) in [
        ("a ZIP file", "docs.zip", zip(&[good(), bad()])),
        ("behind a large member", "docs.zip", zip(&[big.clone(), bad()])),
        ("two thousand members", "docs.zip", zip(&[vec![good(); 2_000], vec![bad()]].concat())),
        ("encrypted", "docs.zip", zip(&[Member { encrypted: true, ..bad() }])),
        ("locally only", "docs.zip", zip(&[Member { central: Some(b"a.txt"), ..bad() }])),
        ("centrally only", "docs.zip", zip(&[Member { central: Some(b"a.exe"), ..good() }])),
        ("in the Unicode path", "docs.zip", zip(&[Member { unicode: Some(b"a.exe"), ..good() }])),
        ("renamed", "report.dat", zip(&[bad()])),
        ("behind a PDF", "report.pdf", [b"%PDF-1.4\n".repeat(100), zip(&[bad()])].concat()),
        ("far behind a PDF", "report.pdf", [b"%PDF-1.4\n%".repeat(50_001), zip(&[bad()])].concat()),
        (
            "behind something, called a ZIP",
            "a.zip",
            [b"x".repeat(70_000), zip(&[bad()]), vec![0; 99_000]].concat(),
        ),
        ("with bytes behind", "docs.zip", [zip(&[bad()]), vec![7; 5_000]].concat()),
        ("with a false end", "docs.zip", [zip(&[bad()]), zip(&[])].concat()),
        ("cut", "docs.zip", zip(&[good(), bad()])[..90].to_vec()),
        ("a ZIP in a ZIP", "docs.zip", zip(&[deflated("inner.zip", inner.clone())])),
        (
            "a stored ZIP in a ZIP",
            "docs.zip",
            zip(&[Member { content: inner.clone(), ..member("inner.zip") }]),
        ),
        ("a renamed ZIP in a ZIP", "docs.zip", zip(&[good(), big, deflated("inner.dat", inner.clone())])),
        (
            "a ZIP in a ZIP in a ZIP",
            "docs.zip",
            zip(&[deflated("b.zip", zip(&[deflated("c.zip", inner.clone())]))]),
        ),
        ("a tar in a ZIP", "docs.zip", zip(&[deflated("b.tar", tarred.clone())])),
        ("a stored tar in a ZIP", "docs.zip", zip(&[Member { content: tarred.clone(), ..member("b.tar") }])),
        ("a tar.gz in a ZIP", "docs.zip", zip(&[deflated("b.tgz", gzip(None, &tarred))])),
        ("a tar", "docs.tar", tarred.clone()),
        ("a tar.gz", "docs.tar.gz", gzip(None, &tarred)),
        ("a ZIP in a tar.gz", "docs.tgz", gzip(None, &tar(&[("b.zip", b'0', &inner)]))),
        ("two gzip members", "a.gz", [gzip(None, b"hello"), gzip(Some("a.exe"), b"MZ")].concat()),
        ("a long name in a tar", "docs.tar", long),
        ("a pax name in a tar", "docs.tar", pax),
        ("a gzip's own name", "a.gz", gzip(Some("a.exe"), b"MZ")),
        ("a gzip by its name", "a.exe.gz", gzip(None, b"MZ")),
        ("a bzip2 by its name", "a.exe.bz2", b"BZh91AY&SY".to_vec()),
        ("RAR 4", "a.rar", rar4(b"a.exe", 0, 0)),
        ("RAR 4, encrypted", "a.rar", rar4(b"a.exe", 4, 0)),
        ("RAR 4, Unicode", "a.rar", rar4(wide, 0x200, 0)),
        ("RAR 5", "a.rar", rar5("x/a.exe", false)),
        ("RAR 5, encrypted", "a.rar", rar5("a.exe", true)),
        ("TNEF", "winmail.dat", tnef("a.exe", None)),
        ("TNEF, long name", "winmail.dat", tnef("SETUP~1.TXT", Some("setup tool.exe"))),
        ("a ZIP in TNEF", "winmail.dat", [tnef("a.zip", None), zip(&[bad()])].concat()),
        ("a message", "a.eml", b"Foo: x\r\nContent-Type: a/b; name=a.exe\r\n\r\nMZ".to_vec()),
        ("a signed message", "smime.p7m", {
            let begin = b"\x30\x82\x01\x00\x06\x09\x2A\x86\x48\x86\xF7\x0D\x01\x07\x02\xA0\x82\x01\x00\x24\x80\x04\x82";
            [&begin[..], b"Content-Type: application/x; name=a.exe\r\n\r\nMZ"].concat()
        }),
    ] {
        let facts = walk(name, &content, Treatment::Ignore);
        assert!(facts.banned(0).is_some(), "{what}: {facts:?}");
    }
}

#[test]
fn an_archive_of_harmless_names_is_let_through() {
    for (what, name, content) in [
        ("a ZIP file", "example.com.zip", zip(&[member("a.txt"), member("example.com/index.html")])),
        ("a name in the middle", "setup.exe.zip", zip(&[member("readme.exe.txt")])),
        (
            "a directory",
            "a.zip",
            zip(&[Member { content: Vec::new(), ..member("a.exe/") }, member("a.exe/b.txt")]),
        ),
        (
            "a text that speaks of names",
            "a.zip",
            zip(&[Member { content: b"a.exe PK".to_vec(), ..member("a.txt") }]),
        ),
        ("a tar.gz", "a.js.tar.gz", gzip(Some("x.tar"), &tar(&[("a.js/b.txt", b'0', b"a.exe")]))),
        ("RAR 5", "a.rar", rar5("a.txt", false)),
        ("TNEF", "winmail.dat", tnef("NOTES.TXT", Some("notes.txt"))),
        ("a PDF", "a.pdf", b"%PDF-1.7 a.exe".repeat(9_000)),
    ] {
        let facts = walk(name, &content, Treatment::Reject);
        assert_eq!(facts.findings, [[]], "{what}");
    }
}

#[test]
fn what_hides_its_names_is_treated_as_archives_says() {
    let encrypted = Member { encrypted: true, ..member("a.txt") };
    let deflated = |name, content: Vec<u8>| Member { content, deflated: true, ..member(name) };
    let deep = |content| zip(&[deflated("d.zip", content)]);
    let mut iso = vec![0; 40_000];
    iso[32_769..32_774].copy_from_slice(b"CD001");
    for (name, content, want) in [
        ("a.zip", zip(&[encrypted]), Unreadable::Encrypted),
        ("a.rar", rar4(b"a.txt", 4, 0), Unreadable::Encrypted),
        ("a.rar", rar4(b"a.txt", 0, 0x80), Unreadable::EncryptedNames),
        ("a.rar", rar5("a.txt", true), Unreadable::Encrypted),
        ("a.7z", b"7z\xBC\xAF\x27\x1C\0\x04".to_vec(), Unreadable::Format("7z")),
        ("a.dat", b"MSCF\0\0\0\0".to_vec(), Unreadable::Format("cabinet")),
        ("a.txt.xz", b"\xFD7zXZ\0".to_vec(), Unreadable::Format("xz")),
        ("a.dat", iso, Unreadable::Format("ISO")),
        ("a.zip", deep(deep(deep(zip(&[member("a.txt")])))), Unreadable::Nested),
    ] {
        for (archives, banned) in [(Treatment::Mark, false), (Treatment::Reject, true)] {
            let facts = walk(name, &content, archives);
            let findings: Vec<_> =
                facts.findings[0].iter().map(|found| (found.banned, &found.reason)).collect();
            assert_eq!(findings, [(banned, &Reason::Archive(want))], "{name}");
            assert_eq!(facts.findings[0][0].written, name);
        }
        assert_eq!(walk(name, &content, Treatment::Ignore).findings, [[]], "{name}");
    }
}

#[test]
fn without_memory_for_containers_they_are_said_to_be_unreadable() {
    let rules = NameRules { archives: Treatment::Reject, ..NameRules::default() };
    let watch = Arc::new(Watch { rules: vec![Arc::new(rules)], ..Watch::default() });
    let mut walker = Walker::new(watch, Budget::new(100));
    walker.raw(&message("a.zip", &zip(&[member("a.exe")])));
    let facts = walker.finish();
    assert_eq!(facts.banned(0).unwrap().reason, Reason::Archive(Unreadable::Limit));
}

#[test]
fn where_a_gzip_member_ends_does_not_depend_on_the_pieces() {
    // The first is no container, which 512 bytes of it tell; whatever comes then is more of the same file.
    for length in [500, 511, 512, 513, 2_000, 9_000] {
        let file = [gzip(None, &vec![b'x'; length]), gzip(Some("a.exe"), b"MZ")].concat();
        let message = message("a.gz", &file);
        let pieces = |length: usize| {
            let rules = NameRules { archives: Treatment::Reject, ..NameRules::minimal() };
            let watch = Watch { rules: vec![Arc::new(rules)], keep_tree: true, ..Watch::default() };
            let mut walker = Walker::new(Arc::new(watch), Budget::new(4 << 20));
            for piece in message.chunks(length) {
                walker.raw(piece);
            }
            walker.finish()
        };
        let whole = pieces(usize::MAX);
        for piece in [1, 2, 7, 64, 1_000] {
            assert_eq!(pieces(piece), whole, "{length} bytes in pieces of {piece}");
        }
        assert_eq!(!whole.findings[0].is_empty(), length < 512, "{length}");
    }
}
