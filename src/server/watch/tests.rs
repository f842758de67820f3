//! Which question belongs to which list, what a reload keeps, and when tests are due.

use super::*;
use crate::{lookup::dnsxl_health::EVERY, origin::Origin};
use std::time::Duration;

fn watch(lists: &[(&str, ListKind)], before: Option<&Watch>) -> Watch {
    let uses = lists.iter().map(|(zone, kind)| ListUse {
        zone: Domain::for_query(zone).unwrap(),
        kind: *kind,
        allows: false,
        origin: Origin::new("test.toml", 1, 1),
    });
    let fresh = Watch::new(Arc::default());
    before.unwrap_or(&fresh).follow(uses.collect(), &[])
}

#[test]
fn a_question_belongs_to_the_innermost_list_of_its_kind() {
    use ListKind::{Address, Name};
    let watch = watch(
        &[("example", Name), ("both.example", Address), ("both.example", Name), ("ip.test", Address)],
        None,
    );
    let nibbles = ["0"; 32].join(".");
    let cases = [
        ("4.3.2.1.both.example", "both.example Address"),
        ("a.test.both.example", "both.example Name"),
        ("3.2.1.both.example", "both.example Name"),
        ("4.3.2.256.both.example", "both.example Name"),
        ("4.3.2.1.example", "example Name"),
        ("a.test.example", "example Name"),
        ("4.3.2.1.ip.test", "ip.test Address"),
        ("a.example.ip.test", ""),
        ("4.3.2.1.noip.test", ""),
        ("both.example", "example Name"),
        ("ip.test", ""),
        (&format!("{nibbles}.ip.test"), "ip.test Address"),
        (&format!("g.{}.ip.test", &nibbles[2..]), ""),
    ];
    for (name, want) in cases {
        let domain = Domain::for_query(name).unwrap();
        for lookup in [Lookup::A(domain.clone()), Lookup::Txt(domain.clone())] {
            let found = watch.list_of(&lookup).map(|found| &found.list);
            let shown = found.map_or_else(String::new, |list| format!("{} {:?}", list.zone, list.kind));
            assert_eq!(shown, want, "{lookup}");
        }
        assert!(watch.list_of(&Lookup::Mx(domain)).is_none(), "{name}");
    }
}

#[test]
fn only_the_lists_of_the_policy_are_kept() {
    let mut watch = watch(&[("keep.example", ListKind::Address)], None);
    let kept = watch.lists[0].known.clone();
    for n in 0..1_000 {
        let zone = format!("list{n}.example");
        let lists = [(zone.as_str(), ListKind::Name), ("keep.example", ListKind::Address)];
        watch = self::watch(&lists, Some(&watch));
    }
    assert_eq!(watch.lists.len(), 2);
    assert!(watch.lists.iter().any(|watched| Arc::ptr_eq(&watched.known, &kept)));
    let twice = [("a.example", ListKind::Name), ("a.example", ListKind::Name)];
    assert_eq!(self::watch(&twice, None).lists.len(), 1);
}

#[test]
fn tests_are_planned_around_their_time_and_sooner_only_once_a_minute() {
    let known = Known::new();
    let mut planned = known.lock();
    planned.health.tested(None);
    let now = Instant::now();
    planned.tested = Some(now);
    planned.plan();
    let minute = Duration::from_secs(60);
    assert!(planned.due >= now + EVERY * 9 / 10 && planned.due <= now + EVERY * 11 / 10 + minute);
    assert!(planned.hasten());
    assert_eq!(planned.due, now + CONFIRM);
    assert!(!planned.hasten());
}
