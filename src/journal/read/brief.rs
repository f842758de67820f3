//! Reading rows with as much of their records as counting needs: what each entry that had something to say said, and what
//! it asked. Everything else of a record is passed over unread, so that millions of rows are read in seconds.

use super::Reader;
use crate::{
    journal::row::{COLUMNS, Row},
    lookup::{answers::DnsAnswer, dnsxl_health::void},
    sqlite::Error,
    time::Timestamp,
};
use rusqlite::OptionalExtension;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{borrow::Cow, fmt, net::Ipv4Addr};

/// A record in brief.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Brief<'a> {
    /// The client's port.
    pub port: u16,
    /// The entries that said or asked something, in the order of evaluation.
    #[serde(borrow)]
    pub steps: Steps<'a>,
}

/// The entries that said or asked something.
#[derive(Debug, Default)]
pub struct Steps<'a>(pub Vec<BriefStep<'a>>);

/// An entry that said or asked something.
#[derive(Debug)]
pub struct BriefStep<'a> {
    /// The number of the entry.
    pub rule: i64,
    /// Whether it refused, or would have if another had not been first: under warn_if_reject, or as a deferral.
    pub refuses: bool,
    /// Whether it refused under warn_if_reject.
    pub warned: bool,
    /// What it asked.
    pub asked: Vec<Asked<'a>>,
}

/// A question, its answer in a word, and how long it took in milliseconds: 0 where the answer was known.
#[derive(Debug, Deserialize)]
pub struct Asked<'a>(
    /// The question as traces show it.
    #[serde(borrow)]
    pub Cow<'a, str>,
    /// The answer in a word.
    pub Heard,
    /// Milliseconds.
    pub u64,
);

/// What a DNS list answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Addresses: it lists.
    Listed,
    /// There is no such name: it does not list.
    Clean,
    /// An error code, or an address outside of 127.0.0.0/8.
    Void,
    /// It is set aside and was not asked.
    Aside,
    /// No answer in time.
    TimedOut,
    /// A failure of the list, or of a server on the way to it.
    Failed,
    /// No answer of a DNS list.
    Other,
}

impl Reader {
    /// The time of the newest row.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn newest(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT time FROM journal ORDER BY id DESC LIMIT 1";
        Ok(self.connection.query_row(sql, [], |row| row.get(0)).optional()?.map(Timestamp))
    }

    /// Every row from a time on, in the order of writing, with its record in brief where it has one that can be read;
    /// `see` says whether to go on.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn scan(
        &self,
        since: Timestamp,
        mut see: impl FnMut(&Row<'_>, Option<&Brief<'_>>) -> bool,
    ) -> Result<(), Error> {
        // Each page is read once: mapped, the whole file would count as this process's memory.
        self.connection.execute_batch("PRAGMA mmap_size = 0")?;
        let from = self.first_since(since)?;
        let mut statement = self
            .connection
            .prepare(&format!("SELECT {COLUMNS}, record FROM journal WHERE id >= ?1 ORDER BY id"))?;
        let mut rows = statement.query([from])?;
        while let Some(found) = rows.next()? {
            let row = Row::read(found)?;
            if row.time < since.0 {
                continue;
            }
            let text = found.get_ref("record")?.as_str_or_null().ok().flatten();
            let row = self.complete(row)?;
            let brief = text.and_then(|text| serde_json::from_str::<Brief<'_>>(text).ok());
            if !see(&row, brief.as_ref()) {
                break;
            }
        }
        Ok(())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Steps<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Steps<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("steps")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut steps = Vec::new();
                while let Some(Perhaps(step)) = seq.next_element()? {
                    steps.extend(step);
                }
                Ok(Steps(steps))
            }
        }
        deserializer.deserialize_seq(All)
    }
}

/// A step, unless it was silent.
struct Perhaps<'a>(Option<BriefStep<'a>>);

#[derive(Deserialize)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Perhaps<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Perhaps<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step")
            }

            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(Perhaps(None))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(Perhaps(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                Ok(Perhaps(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let short = || de::Error::custom("a step ends too early");
                let rule = seq.next_element()?.ok_or_else(short)?;
                let _depth: IgnoredAny = seq.next_element()?.ok_or_else(short)?;
                let Word(word) = seq.next_element()?.ok_or_else(short)?;
                let reply: Option<IgnoredAny> = seq.next_element()?.ok_or_else(short)?;
                let _reason: IgnoredAny = seq.next_element()?.ok_or_else(short)?;
                let asked = seq.next_element()?.ok_or_else(short)?;
                // It only softens what others refuse.
                let refuses = reply.is_some() && word != "defer_if_reject";
                let warned = word == "only warned";
                Ok(Perhaps(Some(BriefStep { rule, refuses, warned, asked })))
            }
        }
        deserializer.deserialize_any(One)
    }
}

impl<'de> Deserialize<'de> for Heard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Answer;
        impl<'de> Visitor<'de> for Answer {
            type Value = Heard;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an answer")
            }

            fn visit_str<E>(self, word: &str) -> Result<Heard, E> {
                Ok(match word {
                    "not_found" | "null_mx" => Heard::Clean,
                    "set_aside" => Heard::Aside,
                    "invalid" => Heard::Failed,
                    _ => Heard::Other,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Heard, A::Error> {
                let mut heard = Heard::Other;
                while let Some(Word(key)) = map.next_key()? {
                    heard = match key.as_ref() {
                        "records" => listed(&map.next_value::<Vec<Address>>()?),
                        "temporary" => {
                            let Word(why) = map.next_value()?;
                            // The servers say why; the resolver's own words are about time.
                            if matches!(why.as_ref(), "SERVFAIL" | "REFUSED") {
                                Heard::Failed
                            } else {
                                Heard::TimedOut
                            }
                        }
                        "failed" => map.next_value::<IgnoredAny>().map(|_| Heard::Failed)?,
                        _ => map.next_value::<IgnoredAny>().map(|_| Heard::Other)?,
                    };
                }
                Ok(heard)
            }
        }
        deserializer.deserialize_any(Answer)
    }
}

fn listed(addresses: &[Address]) -> Heard {
    let addresses: Vec<Ipv4Addr> = addresses.iter().filter_map(|Address(address)| *address).collect();
    if addresses.is_empty() {
        return Heard::Other;
    }
    if void(&DnsAnswer::Records(addresses.into())).is_some() { Heard::Void } else { Heard::Listed }
}

/// An IPv4 address, or a record of another kind.
struct Address(Option<Ipv4Addr>);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Address;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_str<E>(self, text: &str) -> Result<Address, E> {
                Ok(Address(text.parse().ok()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Address, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Address(None))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_far_as_counting_needs_it() {
        let text = r#"{"port":40000,"server":["a","b","c"],"steps":[7,"8-12",
            [13,0,"only warned","554 5.7.1 no",null,[["A 1.2.0.192.bl.example",{"records":["127.0.0.2"]},12]]],
            [14,0,"defer_if_reject","450 4.7.1 no",null,[]],
            [15,1,"dunno",null,"why \"not\"",[["A 1.2.0.192.x","not_found",0],["A y",{"temporary":"SERVFAIL"},5],
                ["A z",{"temporary":"timeout"},9],["A v",{"records":["127.255.255.254"]},1],["A w","set_aside",0],
                ["MX m",{"records":[{"preference":10,"exchange":"x"}]},2],["greylist a, <b>, <c>",{"waits":{"left":1}},0]]]]}"#;
        let brief: Brief<'_> = serde_json::from_str(text).unwrap();
        let steps: Vec<_> = brief.steps.0.iter().map(|step| (step.rule, step.refuses, step.warned)).collect();
        assert_eq!(
            (brief.port, steps),
            (40_000, vec![(13, true, true), (14, false, false), (15, false, false)])
        );
        let heard: Vec<Heard> =
            brief.steps.0.iter().flat_map(|step| &step.asked).map(|asked| asked.1).collect();
        use Heard::{Aside, Clean, Failed, Listed, Other, TimedOut, Void};
        assert_eq!(heard, [Listed, Clean, Failed, TimedOut, Void, Aside, Other, Other]);
        for other in ["", "[]", "{\"steps\":3}", "{\"steps\":[[1]]}"] {
            assert!(serde_json::from_str::<Brief<'_>>(other).map_or(true, |brief| brief.steps.0.is_empty()));
        }
    }
}
